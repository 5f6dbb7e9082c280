// All that is counted and timed in a run.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>

#include "histogram.h"

namespace ordergate::load {

// Nanoseconds of the monotonic clock.
std::int64_t now_ns();

// Counters may be read from any thread. Histograms belong to the thread that takes the answers, until that has ended.
class Tally {
 public:
  // Only what was to be sent within this time is timed, and only what comes within it counts for the rates.
  void measure(std::int64_t from_ns, std::int64_t to_ns) {
    from_ns_.store(from_ns, std::memory_order_relaxed);
    to_ns_.store(to_ns, std::memory_order_relaxed);
  }
  bool within(std::int64_t ns) const {
    return ns >= from_ns_.load(std::memory_order_relaxed) && ns < to_ns_.load(std::memory_order_relaxed);
  }
  std::int64_t from_ns() const { return from_ns_.load(std::memory_order_relaxed); }
  std::int64_t to_ns() const { return to_ns_.load(std::memory_order_relaxed); }

  // Latency from `intended_ns` to `now` into a histogram.
  void time(Histogram& histogram, std::int64_t intended_ns, std::int64_t now) const {
    if (within(intended_ns)) histogram.record(now - intended_ns);
  }
  void error(const std::string& reason, std::uint64_t count = 1) {
    if (count == 0) return;
    const std::scoped_lock lock(mutex_);
    errors_[reason] += count;
    error_count += count;
  }
  std::map<std::string, std::uint64_t> errors() const {
    const std::scoped_lock lock(mutex_);
    return errors_;
  }

  using Counter = std::atomic<std::uint64_t>;
  Counter sent{0};         // commands
  Counter orders{0};       // of these, new orders
  Counter acked{0};        // commands that were taken
  Counter refused{0};      // commands that the gateway refused
  Counter rejected{0};     // commands that the engine refused
  Counter told{0};         // commands whose first event has come
  Counter filled{0};       // taking orders whose first fill has come
  Counter events{0};       // all events
  Counter unsent{0};       // commands of the open loop that were due and still waited when the run ended
  Counter messages{0};     // responses
  Counter error_count{0};  // sum of errors()
  // The same within the measured time.
  Counter acked_orders_within{0};
  Counter acked_within{0};
  Counter told_within{0};
  Counter events_within{0};

  Histogram ack;        // time to ack
  Histogram execution;  // time to a command's first event
  Histogram fill;       // time to a taking order's first fill
  Histogram late;       // how late the load tool itself was to send; the pacing thread's

 private:
  std::atomic<std::int64_t> from_ns_{std::numeric_limits<std::int64_t>::max()};
  std::atomic<std::int64_t> to_ns_{std::numeric_limits<std::int64_t>::max()};
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> errors_;
};

}  // namespace ordergate::load
