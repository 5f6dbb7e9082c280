// What the bench of the gRPC service found, for people and for bench/results/engine.json.
#pragma once

#include <cstdint>
#include <string>

#include "grpc_parts.h"

namespace ordergate::bench {

// Medians of all runs.
struct GrpcResult {
  bool valid = false;  // the engine came to the state of the run without gRPC, by as many events
  double commands_per_s = 0;
  double orders_per_s = 0;  // new orders
  double events_per_s = 0;
  double engine_ns = 0;  // processor time of the engine, per frame
  double kernel_ns = 0;  // of it, in the kernel
  Parts parts;
  double round_trip_p50_us = 0;  // of one frame alone
  double round_trip_p99_us = 0;

  double protobuf_ns() const { return parts.messages_ns + parts.decode_ns + parts.encode_ns; }
  // What is left of the engine's time: gRPC's own, and the sockets'.
  double grpc_ns() const { return engine_ns - protobuf_ns() - parts.match_ns; }
};

void print(const GrpcResult& result);

// Sets the key "grpc" of the file, which engine_bench wrote; makes the file if there is none. Throws std::runtime_error
// if it is no such file.
void write_json(const std::string& path, const GrpcResult& result);

}  // namespace ordergate::bench
