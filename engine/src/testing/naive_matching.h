// How the obvious engine (naive.h) trades: queues, icebergs, self-trade prevention, stops.
#pragma once

#include <list>
#include <string>
#include <utility>
#include <vector>

#include "testing/naive_rules.h"

namespace ordergate::testing {

class NaiveMatching : public NaiveRules {
 public:
  using NaiveRules::NaiveRules;

 protected:
  // An order comes in with its limit and time in force; `answers` says whether what it makes answers the command.
  void execute(NaiveOrder& taker, Wide limit, core::TimeInForce time_in_force, bool answers) {
    const bool fok = time_in_force == core::TimeInForce::kFok;
    if (fok && available(taker, limit) < taker.leaves()) return cancel(taker, core::Cause::kFokUnfilled, answers);
    traded_.clear();
    match(taker, limit, answers);
    if (taker.live() && (fok || time_in_force == core::TimeInForce::kIoc)) {
      cancel(taker, fok ? core::Cause::kFokUnfilled : core::Cause::kIocRemainder, answers);
    } else if (taker.live()) {
      rest(taker);
    }
    queue_stops(book(taker));
  }

  // How far a MARKET order, or a triggered STOP, may go.
  Wide market_limit(const NaiveOrder& order) {
    const core::InstrumentLimits& instrument = book(order).instrument;
    const Wide middle = book(order).reference();
    const auto allowed = reach(middle, instrument.band_ppm);
    if (order.buys()) {
      const Wide most = instrument.max_price.value;
      return allowed ? std::min(most, middle + *allowed) : most;
    }
    const Wide least = instrument.min_price.value;
    return allowed ? std::max(least, middle - *allowed) : least;
  }

  // True if the symbol's last trade triggers the stop.
  bool is_met(const NaiveOrder& stop) {
    const auto last = book(stop).last_price;
    return last && is_met(stop, *last);
  }

  void trigger(NaiveOrder& stop, bool answers) {
    withdraw(stop);
    stop.status = core::OrderStatus::kOpen;
    tell_change(stop, core::EventKind::kTriggered, answers);
    if (stop.terms.order_type() == core::OrderType::kStopLimit) {
      execute(stop, stop.price, stop.terms.time_in_force, answers);
    } else {
      const bool fok = stop.terms.time_in_force == core::TimeInForce::kFok;
      execute(stop, market_limit(stop), fok ? core::TimeInForce::kFok : core::TimeInForce::kIoc, answers);
    }
  }

  // Executes what the command has triggered, and what that triggers.
  void run_stops() {
    while (!queue_.empty()) {
      NaiveOrder& first = *queue_.front();
      queue_.pop_front();
      trigger(first, false);
    }
  }

 private:
  using Prevention = core::SelfTradePrevention;

  static bool is_met(const NaiveOrder& stop, std::int64_t price) {
    return stop.buys() ? price >= stop.stop_price : price <= stop.stop_price;
  }

  static bool same_owner(const NaiveOrder& a, const NaiveOrder& b) {
    return a.key.first == b.key.first || (!a.terms.stp_group.empty() && a.terms.stp_group == b.terms.stp_group);
  }
  static bool prevents(const NaiveOrder& taker) {
    return taker.terms.stp != Prevention::kUnspecified && taker.terms.stp != Prevention::kNone;
  }
  static bool within(const NaiveOrder& taker, Wide limit, std::int64_t price) {
    return taker.buys() ? price <= limit : price >= limit;
  }

  // What a FOK order can count on.
  Wide available(const NaiveOrder& taker, Wide limit) {
    Wide sum = 0;
    for (const auto& [rank, makers] : book(taker).side(core::opposite(taker.terms.side))) {
      if (!within(taker, limit, std::abs(rank))) break;
      Wide ahead = 0, level = 0;
      for (const NaiveOrder* maker : makers) {
        const bool theirs = !prevents(taker) || !same_owner(taker, *maker);
        if (!theirs && taker.terms.stp != Prevention::kCancelMaker) return sum + ahead;
        if (!theirs) continue;
        ahead += maker->shown;
        level += maker->leaves();
      }
      sum += level;
    }
    return sum;
  }

  void match(NaiveOrder& taker, Wide limit, bool answers) {
    NaiveLevels& makers = book(taker).side(core::opposite(taker.terms.side));
    while (taker.leaves() > 0 && !makers.empty()) {
      const std::int64_t price = std::abs(makers.begin()->first);
      if (!within(taker, limit, price)) return;
      NaiveOrder& maker = *makers.begin()->second.front();
      if (prevents(taker) && same_owner(taker, maker)) {
        prevent(taker, maker, answers);
      } else {
        trade(taker, maker, price, answers);
      }
    }
  }

  void prevent(NaiveOrder& taker, NaiveOrder& maker, bool answers) {
    constexpr core::Cause kCause = core::Cause::kSelfTradePrevention;
    const Prevention mode = taker.terms.stp;
    if (mode == Prevention::kDecrement) return decrement(taker, maker, answers);
    if (mode == Prevention::kCancelMaker || mode == Prevention::kCancelBoth) cancel(maker, kCause, false);
    if (mode == Prevention::kCancelTaker || mode == Prevention::kCancelBoth) cancel(taker, kCause, answers);
  }

  void decrement(NaiveOrder& taker, NaiveOrder& maker, bool answers) {
    const std::int64_t by = std::min(taker.leaves(), maker.shown);
    for (auto& [order, answer] : {std::pair<NaiveOrder&, bool>{maker, false}, {taker, answers}}) {
      if (order.leaves() == by) {
        cancel(order, core::Cause::kSelfTradePrevention, answer);
        continue;
      }
      order.total -= by;
      if (order.rests) take_from_queue(order, by);
      tell_change(order, core::EventKind::kRestated, answer).cause = core::Cause::kSelfTradePrevention;
    }
  }

  // Takes it off the visible part; one that is used up is followed by the next, at the back. True if it was.
  bool take_from_queue(NaiveOrder& maker, std::int64_t by) {
    maker.shown -= by;
    if (maker.shown > 0) return false;
    level(maker).remove(&maker);
    level(maker).push_back(&maker);
    refresh(maker);
    return true;
  }

  void trade(NaiveOrder& taker, NaiveOrder& maker, std::int64_t price, bool answers) {
    const std::int64_t quantity = std::min(taker.leaves(), maker.shown);
    ++trades_;
    traded_.push_back(price);
    book(taker).last_price = price;
    for (NaiveOrder* order : {&maker, &taker}) {
      order->executed += quantity;
      order->notional += core::Notional(price) * core::Notional(quantity);
      positions_[order->key.first][order->terms.symbol] += order->buys() ? quantity : -quantity;
    }
    const bool ended = maker.total == maker.executed;
    if (ended) withdraw(maker);
    const bool replenished = !ended && take_from_queue(maker, quantity);
    for (auto& [order, answer] : {std::pair<NaiveOrder&, bool>{maker, false}, {taker, answers}}) {
      const bool filled = order.total == order.executed;
      order.status = filled ? core::OrderStatus::kFilled : core::OrderStatus::kPartiallyFilled;
      if (filled) ended_.push_back(order.key);
      Told& told = tell_change(order, core::EventKind::kFill, answer);
      told.liquidity = &order == &maker ? core::Liquidity::kMaker : core::Liquidity::kTaker;
      told.trade = trades_;
      told.fill_price = price;
      told.fill_quantity = quantity;
      told.taker_side = taker.terms.side;
    }
    if (replenished) tell_change(maker, core::EventKind::kRestated, false);
  }

  // What the trades of the order that is done have triggered joins the queue.
  void queue_stops(NaiveBook& book) {
    std::vector<NaiveOrder*> met;
    for (NaiveOrder* stop : book.waiting) {
      const bool now = std::any_of(traded_.begin(), traded_.end(), [&](auto price) { return is_met(*stop, price); });
      if (now) met.push_back(stop);
    }
    for (NaiveOrder* stop : met) {
      book.waiting.remove(stop);
      queue_.push_back(stop);
    }
    traded_.clear();
  }

  std::vector<std::int64_t> traded_;  // prices of the order that is being executed
  std::list<NaiveOrder*> queue_;      // stops that are triggered
};

}  // namespace ordergate::testing
