// Any bytes for a command frame: refused with a reason, or good enough for the core and for those who write its events.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/engine.h"
#include "rpc/command_frame.h"
#include "rpc/event_frame.h"
#include "testing/flow.h"

namespace {

using namespace ordergate;

core::EngineConfig config() {
  core::EngineConfig config;
  config.instruments = testing::test_instruments();
  config.open_orders_max = 4;
  config.ended_orders = 8;
  config.ids_window = 1024;
  return config;
}

instruments::Instruments instruments_of(const core::EngineConfig& config) {
  instruments::Instruments instruments;
  for (const core::InstrumentLimits& limits : config.instruments) {
    instruments.rows.push_back({limits, *instruments::Grid::of("1"), *instruments::Grid::of("1")});
  }
  return instruments;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static rpc::CommandFrameDecoder decoder;
  static const instruments::Instruments instruments = instruments_of(config());
  if (decoder.decode({reinterpret_cast<const char*>(data), size})) return 0;
  core::Engine engine(config());
  rpc::EventFrameEncoder encoder(engine, instruments, 1023);
  core::EventSink sink;
  engine.apply(decoder.frame(), {1}, sink);
  if (sink.events.size() < decoder.frame().size()) __builtin_trap();  // a command without an event
  if (encoder.encode({1, 1}, decoder.frame(), sink).empty()) __builtin_trap();
  const auto events = sink.events.size();
  sink.clear();
  engine.apply(decoder.frame(), {1}, sink);  // once more: all are repeats or conflicts, and nothing trades
  if (!sink.trades.empty() || sink.events.size() > events) __builtin_trap();
  return 0;
}
