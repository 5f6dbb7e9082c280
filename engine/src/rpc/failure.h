// What people are told of a refusal of the engine.
#pragma once

#include "core/types.h"

namespace ordergate::rpc {

// One refused command. What it was decides which field is at fault.
struct Refusal {
  core::CommandKind command;
  core::Reason reason;
  bool deadline_passed;  // its valid_until was before the engine time
  bool stop_price;       // if a price is at fault, it is the stop price
};

// Writes it as ordergate.v1.Failure, field number `field`; returns the end.
char* put_failure(char* out, unsigned field, const Refusal& refusal);

}  // namespace ordergate::rpc
