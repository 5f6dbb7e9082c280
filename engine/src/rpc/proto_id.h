// LogId as the contract's message.
#pragma once

#include "ordergate/engine/v1/engine_service.pb.h"
#include "rpc/log_id.h"

namespace ordergate::rpc {

inline LogId from_proto(const engine::v1::LogId& id) { return {.ms = id.ms(), .seq = id.seq()}; }

inline void to_proto(LogId id, engine::v1::LogId* out) {
  out->set_ms(id.ms);
  out->set_seq(id.seq);
}

}  // namespace ordergate::rpc
