// Our core, with all that it does in production: checks, ids, accounts, events.
#include <x86intrin.h>

#include "contestant.h"
#include "core/engine.h"
#include "frames.h"

namespace ordergate::bench {
namespace {

// The same as in workload/bench.hpp, which is compiled for the yardstick alone.
std::uint64_t tick() {
  unsigned cpu;
  _mm_lfence();
  const std::uint64_t now = __rdtscp(&cpu);
  _mm_lfence();
  return now;
}

core::EngineConfig config(const workload::Header& header) {
  core::EngineConfig config;
  // Limits that never refuse, but are looked at.
  config.default_limits = {.max_order_quantity = {1'000'000'000'000, 0},
                           .max_order_notional = {core::kValueMax - 1, 0},
                           .max_open_orders = 1'000'000'000,
                           .max_open_notional = {core::kValueMax - 1, 0},
                           .max_position = {1'000'000'000'000, 0},
                           .band_ppm = 0};
  for (std::uint32_t symbol = 0; symbol < header.symbols; ++symbol) {
    config.instruments.push_back({"S" + std::to_string(symbol), {1}, {core::kValueMax}, {std::int64_t{1} << 32}});
  }
  return config;
}

class CoreContestant : public Contestant {
 public:
  explicit CoreContestant(const workload::Workload& workload) : frames_(workload), engine_(config(workload.header)) {}

  void prepare(Operations operations, std::size_t batch) override { frames_.build(operations, batch); }

  void apply() override {
    for (const core::CommandFrame& frame : frames_.frames()) apply(frame);
  }

  void apply_each(std::vector<std::uint32_t>& ticks) override {
    for (const core::CommandFrame& frame : frames_.frames()) {
      sink_.clear();
      engine_.begin(frame, frame.queued_at, sink_);
      while (engine_.more()) {
        const std::uint64_t start = tick();
        engine_.step(sink_);
        ticks.push_back(static_cast<std::uint32_t>(tick() - start));
      }
      engine_.end(sink_);
    }
  }

 protected:
  void apply(const core::CommandFrame& frame) {
    sink_.clear();
    engine_.apply(frame, frame.queued_at, sink_);
  }

  Frames frames_;
  core::Engine engine_;
  core::EventSink sink_;
};

// Reads the trades off the events, as whoever takes the sink in production does.
class CheckedCore final : public CoreContestant {
 public:
  CheckedCore(const workload::Workload& workload, workload::TradeHash& hash) : CoreContestant(workload), hash_(hash) {}

  void apply() override {
    for (const core::CommandFrame& frame : frames_.frames()) {
      CoreContestant::apply(frame);
      for (const core::Trade& trade : sink_.trades) {
        hash_.trade(trade.symbol, number_of(trade.maker_event + 1), number_of(trade.maker_event), trade.price.value,
                    static_cast<std::uint64_t>(trade.quantity.value));
      }
    }
  }

 private:
  std::uint64_t number_of(std::uint32_t event) const {
    return Frames::number_of(engine_.order(sink_.events[event].order).command_id());
  }

  workload::TradeHash& hash_;
};

}  // namespace

const Maker kCore{
    .name = "core",
    .timed = [](const workload::Workload& workload) -> std::unique_ptr<Contestant> {
      return std::make_unique<CoreContestant>(workload);
    },
    .checked = [](const workload::Workload& workload, workload::TradeHash& hash) -> std::unique_ptr<Contestant> {
      return std::make_unique<CheckedCore>(workload, hash);
    },
};

}  // namespace ordergate::bench
