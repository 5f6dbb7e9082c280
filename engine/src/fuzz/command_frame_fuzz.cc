// Any bytes for a command frame: refused with a reason, or good enough for the core.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/engine.h"
#include "rpc/command_frame.h"
#include "testing/flow.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ordergate;
  static rpc::CommandFrameDecoder decoder;
  if (decoder.decode({reinterpret_cast<const char*>(data), size})) return 0;
  core::Engine engine({.instruments = testing::test_instruments(), .open_orders_max = 4});
  core::EventSink sink;
  engine.apply(decoder.frame(), {1}, sink);
  if (sink.events.size() < decoder.frame().size()) __builtin_trap();  // a command without an event
  const auto events = sink.events.size();
  sink.clear();
  engine.apply(decoder.frame(), {1}, sink);  // once more: all are repeats or conflicts, and nothing trades
  if (!sink.trades.empty() || sink.events.size() > events) __builtin_trap();
  return 0;
}
