// The yardstick: the textbook engine of ../workload.
#include <map>

#include "contestant.h"
#include "executed.h"
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

// Adds up what was executed of each order.
struct ExecutedSink {
  std::vector<std::uint64_t> executed;  // by order
  void trade(std::uint32_t, std::uint64_t taker, std::uint64_t maker, std::int64_t, std::uint64_t qty) {
    executed[taker] += qty;
    executed[maker] += qty;
  }
};

}  // namespace

std::shared_ptr<const std::vector<std::uint64_t>> executed_before_replaces(const workload::Workload& workload) {
  static std::map<std::uint64_t, std::shared_ptr<const std::vector<std::uint64_t>>> known;
  auto& found = known[workload.header.expected_hash];
  if (found) return found;
  ExecutedSink sink{std::vector<std::uint64_t>(workload.header.records + 1)};
  Naive<ExecutedSink> engine(workload.header, sink);
  std::vector<std::uint64_t> before;
  for (const workload::Record& record : workload.records) {
    if (record.op == workload::kReplace) before.push_back(sink.executed[record.order_id]);
    ::bench::apply(engine, record);
  }
  return found = std::make_shared<const std::vector<std::uint64_t>>(std::move(before));
}

const Maker kNaive{
    .name = "naive",
    .timed = [](const workload::Workload& workload) -> std::unique_ptr<Contestant> {
      return std::make_unique<NaiveContestant<::bench::RingSink>>(workload.header,
                                                                  ::bench::RingSink(workload.header.symbols));
    },
    .checked = [](const workload::Workload& workload, workload::TradeHash& hash) -> std::unique_ptr<Contestant> {
      return std::make_unique<NaiveContestant<HashRef>>(workload.header, HashRef{hash});
    },
};

}  // namespace ordergate::bench
