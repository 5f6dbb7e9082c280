// A workload as the relay has it: command frames in bytes, and the instruments that they need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workload.hpp"

namespace ordergate::bench {

struct FrameBytes {
  std::uint64_t engine_time_ns;
  std::string bytes;  // ordergate.log.v1.CommandFrame
};

struct Flow {
  std::string instruments;         // text of the instrument file
  std::vector<FrameBytes> frames;  // the first warm_up of them fill the book
  std::size_t warm_up = 0;
  std::uint64_t commands = 0;    // after the warm-up
  std::uint64_t new_orders = 0;  // of these
};

// The warm-up of the workload and `commands_max` of its timed operations, `frame_commands` to a frame.
Flow flow_of(const workload::Workload& workload, std::size_t commands_max, std::size_t frame_commands);

}  // namespace ordergate::bench
