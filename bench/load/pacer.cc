#include "pacer.h"

#include <sys/prctl.h>

#include <algorithm>
#include <ctime>

namespace ordergate::load {
namespace {

constexpr double kLongestSleepNs = 20e6;  // a new rate and the end are seen after this time

void sleep_until(std::int64_t ns) {
  const timespec until{ns / 1'000'000'000, ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

}  // namespace

Pacer::Pacer(std::vector<std::unique_ptr<Sender>>& senders, Tally& tally, std::size_t frame, double rate,
             std::int64_t start_ns)
    : senders_(senders), tally_(tally), frame_(static_cast<double>(frame)), rate_(rate) {
  thread_ = std::thread([this, start_ns] { run(start_ns); });
}

void Pacer::stop() {
  stopped_ = true;
  if (thread_.joinable()) thread_.join();
}

void Pacer::run(std::int64_t start_ns) {
  prctl(PR_SET_TIMERSLACK, 1);  // else the kernel may wake us 50 µs late
  auto due = static_cast<double>(start_ns);
  for (std::size_t next = 0; !stopped_;) {
    auto now = static_cast<double>(now_ns());
    if (now < due) {
      sleep_until(static_cast<std::int64_t>(std::min(due, now + kLongestSleepNs)));
      now = static_cast<double>(now_ns());
      if (now < due) continue;
    }
    const double rate = rate_;
    if (rate <= 0) {
      due = now + kLongestSleepNs;
      continue;
    }
    const auto intended = static_cast<std::int64_t>(due);
    senders_[next]->offer(intended);
    next = (next + 1) % senders_.size();
    if (tally_.within(intended)) tally_.late.record(static_cast<std::int64_t>(now) - intended);
    due += frame_ * 1e9 / rate;
  }
}

}  // namespace ordergate::load
