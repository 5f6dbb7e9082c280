#include "measure.h"

#include <time.h>
#include <x86intrin.h>

#include <algorithm>

namespace ordergate::bench {
namespace {

using workload::Record;
using workload::Workload;

// Operations prepared at a time: few enough that they still lie in the cache when they are applied, as a frame does
// that was just received.
constexpr std::size_t kChunk = 4096;

double seconds(clockid_t clock) {
  timespec at;
  clock_gettime(clock, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
}

template <class Run>
void in_chunks(Contestant& contestant, const Record* from, const Record* to, std::size_t batch, const Run& run) {
  while (from != to) {
    const std::size_t count = std::min<std::size_t>(kChunk, static_cast<std::size_t>(to - from));
    contestant.prepare({from, count}, batch);
    run();
    from += count;
  }
}

void apply_all(Contestant& contestant, const Record* from, const Record* to) {
  in_chunks(contestant, from, to, kBatch, [&] { contestant.apply(); });
}

std::uint64_t tick() {
  unsigned cpu;
  _mm_lfence();
  const std::uint64_t now = __rdtscp(&cpu);
  _mm_lfence();
  return now;
}

// What a pair of looks at the counter costs.
double timer_ticks() {
  std::vector<std::uint64_t> empty(1001);
  for (std::uint64_t& ticks : empty) {
    const std::uint64_t start = tick();
    ticks = tick() - start;
  }
  std::ranges::nth_element(empty, empty.begin() + 500);
  return static_cast<double>(empty[500]);
}

double ns_per_tick() {
  const double start = seconds(CLOCK_MONOTONIC);
  const std::uint64_t first = tick();
  while (seconds(CLOCK_MONOTONIC) - start < 0.05) {
  }
  return (seconds(CLOCK_MONOTONIC) - start) * 1e9 / static_cast<double>(tick() - first);
}

}  // namespace

bool valid(const Maker& maker, const Workload& workload) {
  workload::TradeHash hash(workload.header.symbols);
  const auto contestant = maker.checked(workload, hash);
  apply_all(*contestant, workload.records.data(), workload.records.data() + workload.records.size());
  return hash.trades() == workload.header.expected_trades && hash.quantity() == workload.header.expected_quantity &&
         hash.value() == workload.header.expected_hash;
}

Cost cost(const Maker& maker, const Workload& workload) {
  const auto contestant = maker.timed(workload);
  apply_all(*contestant, workload.records.data(), workload.timed_begin());
  double wall = 0;
  double cpu = 0;
  in_chunks(*contestant, workload.timed_begin(), workload.timed_end(), kBatch, [&] {
    const double wall_start = seconds(CLOCK_MONOTONIC);
    const double cpu_start = seconds(CLOCK_THREAD_CPUTIME_ID);
    contestant->apply();
    cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
    wall += seconds(CLOCK_MONOTONIC) - wall_start;
  });
  const auto operations = static_cast<double>(workload.timed_count());
  return {wall * 1e9 / operations, cpu * 1e9 / operations};
}

Latency latency(const Maker& maker, const Workload& workload) {
  const auto contestant = maker.timed(workload);
  apply_all(*contestant, workload.records.data(), workload.timed_begin());
  std::vector<std::uint32_t> ticks;
  ticks.reserve(workload.timed_count());
  in_chunks(*contestant, workload.timed_begin(), workload.timed_end(), kBatch, [&] { contestant->apply_each(ticks); });
  std::ranges::sort(ticks);
  const double base = timer_ticks();
  const double scale = ns_per_tick();
  Latency result{};
  for (std::size_t i = 0; i < Latency::kQuantiles.size(); ++i) {
    const auto at = static_cast<std::size_t>(Latency::kQuantiles[i] * static_cast<double>(ticks.size() - 1));
    result.ns[i] = std::max(0.0, (ticks[at] - base) * scale);
  }
  return result;
}

}  // namespace ordergate::bench
