// One contestant on one workload file.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "contestant.h"

namespace ordergate::bench {

// Operations that the engine may take at once in the runs for throughput: what the relay sends when it is busy.
inline constexpr std::size_t kBatch = 256;

// True if trades, quantity and hash of the whole file, sweep of the book included, are those that the header tells.
bool valid(const Maker& maker, const workload::Workload& workload);

// Time of the timed section, ns per operation.
struct Cost {
  double wall_ns;
  double cpu_ns;  // of the thread: what others did on the machine is not in it
};
Cost cost(const Maker& maker, const workload::Workload& workload);

// Percentiles of single operations in ns, the timer's own cost taken off.
struct Latency {
  static constexpr std::array kQuantiles{0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
  std::array<double, kQuantiles.size()> ns;

  double p999() const { return ns[3]; }
};
Latency latency(const Maker& maker, const workload::Workload& workload);

}  // namespace ordergate::bench
