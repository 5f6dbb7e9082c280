#include "grpc_parts.h"

#include <time.h>

#include <stdexcept>

#include "core/engine.h"
#include "instruments/instruments.h"
#include "ordergate/engine/v1/engine_service.pb.h"
#include "rpc/command_frame.h"
#include "rpc/event_frame.h"

namespace ordergate::bench {
namespace {

double cpu_ns() {
  timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<double>(at.tv_sec) * 1e9 + static_cast<double>(at.tv_nsec);
}

// What rpc::Shard and rpc::Session do with a frame.
class Worker {
 public:
  explicit Worker(instruments::Instruments instruments)
      : instruments_(std::move(instruments)), engine_(config()), encoder_(engine_, instruments_, 0) {}

  void apply(const FrameBytes& frame, Parts& parts) {
    const std::string request = request_of(frame);
    double at = cpu_ns();
    const auto lap = [&at](double& sum) {
      const double now = cpu_ns();
      sum += now - at;
      at = now;
    };
    request_.ParseFromString(request);
    lap(parts.messages_ns);
    if (const auto why = decoder_.decode(request_.entries(0).frame())) throw std::runtime_error(*why);
    lap(parts.decode_ns);
    sink_.clear();
    engine_.apply(decoder_.frame(), {static_cast<std::int64_t>(frame.engine_time_ns)}, sink_);
    lap(parts.match_ns);
    const std::string events = encoder_.encode({++frames_, 0}, decoder_.frame(), sink_);
    lap(parts.encode_ns);
    response_.Clear();
    engine::v1::EventEntry& entry = *response_.add_entries();
    entry.mutable_id()->set_ms(frames_);
    entry.set_engine_time_ns(frame.engine_time_ns);
    entry.set_events(static_cast<std::uint32_t>(sink_.events.size()));
    entry.set_frame(events);
    response_.SerializeToString(&response_bytes_);
    lap(parts.messages_ns);
  }

  const core::Engine& engine() const { return engine_; }

 private:
  core::EngineConfig config() const {
    core::EngineConfig config;
    config.instruments = instruments_.limits();
    config.default_limits = instruments_.default_limits;
    config.trading_day_end = instruments_.trading_day_end;
    return config;
  }

  std::string request_of(const FrameBytes& frame) const {
    engine::v1::ApplyRequest request;
    engine::v1::CommandEntry& entry = *request.add_entries();
    entry.mutable_id()->set_ms(frames_ + 1);
    entry.mutable_previous()->set_ms(frames_);
    entry.set_engine_time_ns(frame.engine_time_ns);
    entry.set_frame(frame.bytes);
    return request.SerializeAsString();
  }

  const instruments::Instruments instruments_;
  core::Engine engine_;
  rpc::CommandFrameDecoder decoder_;
  rpc::EventFrameEncoder encoder_;
  core::EventSink sink_;
  engine::v1::ApplyRequest request_;
  engine::v1::ApplyResponse response_;
  std::string response_bytes_;
  std::uint64_t frames_ = 0;
};

}  // namespace

Parts time_parts(const Flow& flow) {
  auto [instruments, error] = instruments::parse("the bench's instruments", flow.instruments);
  if (!instruments) throw std::runtime_error(error);
  Worker worker(*std::move(instruments));
  Parts warm_up, parts;
  for (std::size_t i = 0; i < flow.frames.size(); ++i) worker.apply(flow.frames[i], i < flow.warm_up ? warm_up : parts);
  const auto frames = static_cast<double>(flow.frames.size() - flow.warm_up);
  for (double* sum : {&parts.messages_ns, &parts.decode_ns, &parts.match_ns, &parts.encode_ns}) *sum /= frames;
  parts.events = worker.engine().counters().events;
  parts.state_hash = worker.engine().state_hash();
  return parts;
}

}  // namespace ordergate::bench
