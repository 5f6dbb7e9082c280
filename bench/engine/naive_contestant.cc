// The yardstick: the textbook engine of ../workload.
#include "contestant.h"
#include "naive.hpp"

namespace ordergate::bench {
namespace {

struct HashRef {
  workload::TradeHash& hash;
  void trade(std::uint32_t symbol, std::uint64_t taker, std::uint64_t maker, std::int64_t price, std::uint64_t qty) {
    hash.trade(symbol, taker, maker, price, qty);
  }
};

template <class Sink>
class NaiveContestant final : public Contestant {
 public:
  NaiveContestant(const workload::Header& header, Sink sink) : sink_(std::move(sink)), engine_(header, sink_) {}

  void prepare(Operations operations, std::size_t) override {
    operations_.assign(operations.begin(), operations.end());
  }

  void apply() override {
    for (const workload::Record& operation : operations_) ::bench::apply(engine_, operation);
  }

  void apply_each(std::vector<std::uint32_t>& ticks) override {
    for (const workload::Record& operation : operations_) {
      const std::uint64_t start = ::bench::tick();
      ::bench::apply(engine_, operation);
      ticks.push_back(static_cast<std::uint32_t>(::bench::tick() - start));
    }
  }

 private:
  Sink sink_;
  Naive<Sink> engine_;
  std::vector<workload::Record> operations_;
};

}  // namespace

const Maker kNaive{
    .name = "naive",
    .timed = [](const workload::Header& header) -> std::unique_ptr<Contestant> {
      return std::make_unique<NaiveContestant<::bench::RingSink>>(header, ::bench::RingSink(header.symbols));
    },
    .checked = [](const workload::Header& header, workload::TradeHash& hash) -> std::unique_ptr<Contestant> {
      return std::make_unique<NaiveContestant<HashRef>>(header, HashRef{hash});
    },
};

}  // namespace ordergate::bench
