// The engine's work on the same frames without gRPC, each part timed by itself.
#pragma once

#include <cstdint>
#include <string>

#include "grpc_flow.h"

namespace ordergate::bench {

// Thread CPU time, ns a frame after the warm-up.
struct Parts {
  double messages_ns = 0;    // protobuf's: ApplyRequest parsed, ApplyResponse written
  double decode_ns = 0;      // bytes of the command frame to columns
  double match_ns = 0;       // the core
  double encode_ns = 0;      // events to the bytes of the event frame
  std::uint64_t events = 0;  // in total, with those of the warm-up
  std::string state_hash;
};

// Throws std::runtime_error if the instruments or a frame are refused.
Parts time_parts(const Flow& flow);

}  // namespace ordergate::bench
