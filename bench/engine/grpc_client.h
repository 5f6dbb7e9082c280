// Drives an engine as the relay does: one Apply stream, a bounded window, publications confirmed.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "grpc_flow.h"
#include "ordergate/engine/v1/engine_service.grpc.pb.h"

namespace ordergate::bench {

// What came back, in total.
struct Received {
  std::uint64_t frames = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;  // of event frames
};

class GrpcClient {
 public:
  // Opens the stream. Throws std::runtime_error, as all methods do, if the engine refuses or is gone.
  GrpcClient(const std::string& address, const std::string& digest);
  ~GrpcClient();

  // Sends the frames, at most `window` of them under way, and returns when the events of all have come.
  void run(std::span<const FrameBytes> frames, std::size_t window);

  // Sends the frames one after the other; appends how long each took until its events were here, in µs.
  void run_alone(std::span<const FrameBytes> frames, std::vector<double>& round_trips_us);

  const Received& received() const { return received_; }
  // All counters and the state hash.
  engine::v1::GetStatusResponse status();

 private:
  void open(const std::string& digest);
  // As many of the frames from `next` on as fit into one request; returns how many.
  std::size_t fill(std::span<const FrameBytes> frames, std::size_t window);
  void write();
  void read_until(std::uint64_t frames);
  void take(const engine::v1::ApplyResponse& response);
  [[noreturn]] void fail(const std::string& what);

  std::unique_ptr<engine::v1::EngineService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<engine::v1::ApplyRequest, engine::v1::ApplyResponse>> stream_;
  engine::v1::ApplyRequest request_;
  std::uint64_t sent_ = 0;       // frames; frame n has the id n-0
  std::uint64_t confirmed_ = 0;  // frames whose publication the engine was told of

  std::mutex mutex_;  // guards what the reading thread changes
  std::condition_variable changed_;
  Received received_;
  bool broken_ = false;
};

}  // namespace ordergate::bench
