#include "grpc_flow.h"

#include <algorithm>

#include "frames.h"
#include "testing/proto_frame.h"

namespace ordergate::bench {
namespace {

// Operations laid out at a time.
constexpr std::size_t kChunkFrames = 64;

// Decimals as an exchange of coins has them, and default limits that never refuse but are looked at.
std::string instruments_of(std::uint32_t symbols) {
  std::string text =
      "[default_limits]\n"
      "max_order_quantity = \"1000000\"\n"
      "max_order_notional = \"1000000000\"\n"
      "max_open_orders = 1000000000\n"
      "max_open_notional = \"1000000000\"\n"
      "max_position = \"1000000\"\n";
  for (std::uint32_t symbol = 0; symbol < symbols; ++symbol) {
    text += "\n[[instrument]]\nsymbol = \"S" + std::to_string(symbol) +
            "\"\nprice_increment = \"0.01\"\nlot_size = \"0.00000001\"\nmax_price = \"1000000000\"\n"
            "max_quantity = \"1000000\"\n";
  }
  return text;
}

void append(Frames& frames, Operations operations, std::size_t frame_commands, std::vector<FrameBytes>& out) {
  const std::size_t chunk = frame_commands * kChunkFrames;
  for (; !operations.empty(); operations = operations.subspan(std::min(chunk, operations.size()))) {
    frames.build(operations.first(std::min(chunk, operations.size())), frame_commands);
    for (const core::CommandFrame& frame : frames.frames()) {
      out.push_back({static_cast<std::uint64_t>(frame.queued_at.value), testing::to_proto(frame).SerializeAsString()});
    }
  }
}

}  // namespace

Flow flow_of(const workload::Workload& workload, std::size_t commands_max, std::size_t frame_commands) {
  Flow flow;
  flow.instruments = instruments_of(workload.header.symbols);
  const Operations timed(workload.timed_begin(), std::min(commands_max, workload.timed_count()));
  Frames frames(workload);
  append(frames, {workload.records.data(), workload.timed_begin()}, frame_commands, flow.frames);
  flow.warm_up = flow.frames.size();
  append(frames, timed, frame_commands, flow.frames);
  flow.commands = timed.size();
  flow.new_orders =
      static_cast<std::uint64_t>(std::ranges::count(timed, std::uint8_t{workload::kNew}, &workload::Record::op));
  return flow;
}

}  // namespace ordergate::bench
