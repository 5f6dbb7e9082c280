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
  config.reserved_commands = static_cast<std::uint32_t>(header.records + header.records / 8);
  for (std::uint32_t symbol = 0; symbol < header.symbols; ++symbol) {
    config.instruments.push_back({"S" + std::to_string(symbol), {1}, {core::kValueMax}, {std::int64_t{1} << 32}});
  }
  return config;
}

class CoreContestant : public Contestant {
 public:
  explicit CoreContestant(const workload::Header& header) : frames_(header), engine_(config(header)) {}

  void prepare(Operations operations, std::size_t batch) override { frames_.build(operations, batch); }

  void apply() override {
    for (const core::CommandFrame& frame : frames_.frames()) apply(frame);
  }

  void apply_each(std::vector<std::uint32_t>& ticks) override {
    for (const core::CommandFrame& frame : frames_.frames()) {
      const std::uint64_t start = tick();
      apply(frame);
      ticks.push_back(static_cast<std::uint32_t>(tick() - start));
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
  CheckedCore(const workload::Header& header, workload::TradeHash& hash) : CoreContestant(header), hash_(hash) {}

  void apply() override {
    for (const core::CommandFrame& frame : frames_.frames()) {
      CoreContestant::apply(frame);
      for (const core::Trade& trade : sink_.trades) {
        hash_.trade(trade.symbol, number_of(trade.taker_event), number_of(trade.maker_event), trade.price.value,
                    static_cast<std::uint64_t>(trade.quantity.value));
      }
    }
  }

 private:
  std::uint64_t number_of(std::uint32_t event) const {
    return Frames::number_of(engine_.command_id(engine_.order(sink_.events[event].order)));
  }

  workload::TradeHash& hash_;
};

}  // namespace

const Maker kCore{
    .name = "core",
    .timed = [](const workload::Header& header) -> std::unique_ptr<Contestant> {
      return std::make_unique<CoreContestant>(header);
    },
    .checked = [](const workload::Header& header, workload::TradeHash& hash) -> std::unique_ptr<Contestant> {
      return std::make_unique<CheckedCore>(header, hash);
    },
};

}  // namespace ordergate::bench
