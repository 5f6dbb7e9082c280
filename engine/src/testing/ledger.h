// What a reader of the events knows: every open order, the queues, and what each account has. Checks on the way that
// the events make sense; asks no engine what it did.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "testing/print.h"

namespace ordergate::testing {

class Ledger {
 public:
  struct Entry {
    Told last = {};
    std::uint32_t symbol = 0;
    core::Side side{};
    core::OrderType type{};
    std::int64_t display = 0;
    std::int64_t visible = 0;
    std::int64_t executed = 0;
    bool queued = false;
  };
  using Queue = std::list<std::uint32_t>;            // orders by index, oldest first
  using Side = std::map<std::int64_t, Queue>;        // by price
  using Key = std::pair<std::uint32_t, core::Side>;  // symbol

  // Reads what a frame told.
  void read(const core::Engine& engine, const core::EventSink& sink) {
    const std::vector<Told> all = told(engine, sink);
    for (std::uint32_t at = 0; at < all.size(); ++at) {
      ASSERT_EQ(all[at].seq, ++seqs_[all[at].account]) << text(all[at]);
      if (!core::changes_order(all[at].kind)) continue;
      ASSERT_NO_FATAL_FAILURE(read(engine, sink.events[at].order, all[at])) << text(all[at]);
    }
    for (const core::Trade& trade : sink.trades) {
      ASSERT_EQ(trade.number.value, ++trades_);
      ASSERT_GT(trade.quantity.value, 0);
      ASSERT_EQ(all[trade.maker_event].fill_quantity, all[trade.maker_event + 1].fill_quantity);
    }
  }

  const std::map<std::uint32_t, Entry>& open() const { return open_; }
  const Side& side(std::uint32_t symbol, core::Side side) { return queues_[{symbol, side}]; }
  std::int64_t position(const std::string& account, std::uint32_t symbol) { return positions_[{account, symbol}]; }

  // Accepted, and changed by amends and self-trade prevention since.
  std::int64_t entered() const { return entered_; }
  // Both sides of each trade.
  std::int64_t executed() const { return executed_; }
  std::int64_t ended() const { return ended_; }

 private:
  using Kind = core::EventKind;

  void read(const core::Engine& engine, std::uint32_t order, const Told& told) {
    if (told.kind == Kind::kRejected) {
      ASSERT_EQ(told.version, 1u);
      ASSERT_EQ(told.leaves, 0);
      return;
    }
    if (told.kind == Kind::kAccepted) accept(engine, order, told);
    ASSERT_TRUE(open_.contains(order)) << "an event of an order that is not open";
    Entry& entry = open_[order];
    if (told.kind != Kind::kAccepted) {
      ASSERT_EQ(told.version, entry.last.version + 1);
    }
    if (told.kind == Kind::kFill) {
      ASSERT_NO_FATAL_FAILURE(fill(order, entry, told));
    }
    entered_ += told.total - entry.last.total;
    const bool live = core::is_live(told.status);
    if (!live) ended_ += told.kind == Kind::kFill ? 0 : entry.last.leaves;
    ASSERT_EQ(told.executed, entry.executed);
    ASSERT_EQ(told.leaves, live ? told.total - told.executed : 0);
    ASSERT_TRUE(!live || told.leaves > 0);
    requeue(order, entry, told);
    entry.last = told;
    if (!live) open_.erase(order);
  }

  void accept(const core::Engine& engine, std::uint32_t index, const Told& told) {
    const core::Order& order = engine.order(index);
    const core::Extras* const extras = engine.extras(order);
    Entry& entry = open_[index] = {.symbol = order.symbol, .side = order.side, .type = order.type};
    entry.display = extras == nullptr ? 0 : extras->display.value;
    entry.last.price = told.price;
  }

  void fill(std::uint32_t order, Entry& entry, const Told& told) {
    entry.executed += told.fill_quantity;
    executed_ += told.fill_quantity;
    const bool buys = entry.side == core::Side::kBuy;
    positions_[{told.account, entry.symbol}] += buys ? told.fill_quantity : -told.fill_quantity;
    ASSERT_GT(told.fill_quantity, 0);
    if (told.liquidity == core::Liquidity::kMaker) {
      const Side& makers = queues_[{entry.symbol, entry.side}];
      ASSERT_FALSE(makers.empty());
      const auto& [price, queue] = buys ? *makers.rbegin() : *makers.begin();
      ASSERT_EQ(told.fill_price, entry.last.price) << "not at the maker's limit";
      ASSERT_EQ(told.fill_price, price) << "not at the best price";
      ASSERT_EQ(queue.front(), order) << "not the oldest";
      ASSERT_LE(told.fill_quantity, entry.visible);
      return;
    }
    ASSERT_EQ(order, incoming_) << "a taker that did not come in";
    if (entry.last.price == 0) return;  // MARKET, or a triggered STOP
    ASSERT_TRUE(buys ? told.fill_price <= entry.last.price : told.fill_price >= entry.last.price)
        << "beyond the taker's limit";
  }

  // Where it stands in its queue now. One that comes in goes to the back at once: nobody looks at its own side before
  // it has done trading.
  void requeue(std::uint32_t order, Entry& entry, const Told& told) {
    const bool comes_in = (told.kind == Kind::kAccepted && told.status != core::OrderStatus::kUntriggered) ||
                          told.kind == Kind::kTriggered ||
                          (told.kind == Kind::kAmended && !told.priority_kept && entry.queued);
    if (comes_in) incoming_ = order;
    const bool to_the_back = show(order, entry, told, comes_in);
    const bool live = core::is_live(told.status);
    if (to_the_back || !live) leave(order, entry);
    if (!to_the_back || !live || told.price == 0) return;
    queues_[{entry.symbol, entry.side}][told.price].push_back(order);
    entry.queued = true;
  }

  // The visible part after the event; true if it is a fresh one, at the back.
  bool show(std::uint32_t order, Entry& entry, const Told& told, bool comes_in) {
    const std::int64_t fresh = entry.display == 0 ? told.leaves : std::min(entry.display, told.leaves);
    if (told.kind == Kind::kAmended && !comes_in) {
      entry.visible = std::min(entry.visible, told.leaves);
      return false;
    }
    if (order == incoming_) {
      entry.visible = fresh;
      return comes_in;
    }
    if (told.kind == Kind::kFill) entry.visible -= told.fill_quantity;
    if (told.kind != Kind::kRestated) return false;
    entry.visible -= entry.last.total - told.total;
    if (entry.visible > 0) return false;
    entry.visible = fresh;
    return true;
  }

  void leave(std::uint32_t order, Entry& entry) {
    if (!entry.queued) return;
    Side& side = queues_[{entry.symbol, entry.side}];
    Queue& queue = side[entry.last.price];
    queue.remove(order);
    if (queue.empty()) side.erase(entry.last.price);
    entry.queued = false;
  }

  std::map<std::uint32_t, Entry> open_;  // by index
  std::map<Key, Side> queues_;
  std::map<std::string, std::uint64_t> seqs_;
  std::map<std::pair<std::string, std::uint32_t>, std::int64_t> positions_;
  std::uint64_t trades_ = 0;
  std::uint32_t incoming_ = 0;  // the order that came in last
  std::int64_t entered_ = 0;
  std::int64_t executed_ = 0;
  std::int64_t ended_ = 0;
};

}  // namespace ordergate::testing
