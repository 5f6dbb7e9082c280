// Engine: what happens to an order that was taken.
#include <algorithm>

#include "core/engine.h"

namespace ordergate::core {
namespace {

constexpr bool prevents(SelfTradePrevention mode) { return mode > SelfTradePrevention::kNone; }

// The next end of the trading day after `time`.
Time next_day_end(Time time, Time of_day) {
  constexpr std::int64_t kDay = std::int64_t{86'400} * 1'000'000'000;
  const std::int64_t since = time.value - of_day.value;
  const std::int64_t days = since >= 0 ? since / kDay : -((-since + kDay - 1) / kDay);
  return {(days + 1) * kDay + of_day.value};
}

}  // namespace

// The command's own order was taken.
template <bool plain>
[[gnu::always_inline]] inline void Engine::start(std::uint32_t index, EventSink& sink) {
  Order& order = orders_[index];
  if constexpr (plain) {
    order.status = OrderStatus::kOpen;
    tell(sink, EventKind::kAccepted, index, true);
    return enter(index, order.price, order.time_in_force, true, sink);
  }
  if (order.extras != 0) {
    Extras& extras = extras_[order.extras];
    extras.accepted = extras.arrival = ++accepted_;
    if (order.time_in_force == TimeInForce::kDay) extras.expire_at = next_day_end(time_, trading_day_end_);
    if (extras.expire_at.value != 0) expiries_.add({extras.expire_at.value, extras.accepted, index});
  }
  const bool waits = order.type >= OrderType::kStop;
  order.status = waits ? OrderStatus::kUntriggered : OrderStatus::kOpen;
  tell(sink, EventKind::kAccepted, index, true);
  if (!waits) {
    const Price limit = order.type == OrderType::kLimit ? order.price : market_limit(order);
    return enter(index, limit, order.time_in_force, true, sink);
  }
  if (triggered_already(order)) return trigger(index, true, sink);
  wait(index);
}

// Where a MARKET order's limit is: the end of the allowed prices, or of the instrument's band.
Price Engine::market_limit(const Order& order) const {
  const InstrumentLimits& limits = instruments_[order.symbol];
  const Price last = reference(order.symbol);
  const bool buy = order.side == Side::kBuy;
  if (limits.band_ppm == 0 || last.value == 0) return buy ? limits.max_price : limits.min_price;
  const Wide distance = Wide{last.value} * limits.band_ppm / 1'000'000;
  if (buy) return {static_cast<std::int64_t>(std::min(Wide{limits.max_price.value}, last.value + distance))};
  return {static_cast<std::int64_t>(std::max(Wide{limits.min_price.value}, last.value - distance))};
}

// An incoming order: trades, and rests or ends.
[[gnu::always_inline]] inline void Engine::enter(std::uint32_t index, Price limit, TimeInForce time_in_force,
                                                 bool answers, EventSink& sink) {
  Order& order = orders_[index];
  if (time_in_force == TimeInForce::kFok && !can_fill(order, limit)) {
    return cancel_rest(index, Cause::kFokUnfilled, answers, sink);
  }
  const Market& market = markets_[order.symbol];
  if (market.book.crosses(order.side, limit)) {
    match(index, limit, answers, sink);
    if (!is_live(order.status)) return;
  }
  // A triggered stop may find its level fuller than it could be when it came.
  if (stays(time_in_force) &&
      (!market.level_may_fill || refusal_of_room(order, order.leaves(), order.price) == Reason::kNone)) {
    return rest(index);
  }
  const bool fok = time_in_force == TimeInForce::kFok;
  cancel_rest(index, fok ? Cause::kFokUnfilled : Cause::kIocRemainder, answers, sink);
}

void Engine::match(std::uint32_t index, Price limit, bool answers, EventSink& sink) {
  const Order& order = orders_[index];
  const Book& book = markets_[order.symbol].book;
  const bool prevention = prevents(order.stp);
  while (is_live(order.status) && book.crosses(order.side, limit)) {
    const std::uint32_t maker = book.front(opposite(order.side));
    __builtin_prefetch(&orders_[orders_.nodes()[maker].next], 1);
    if (prevention && same_owner(orders_[maker], order)) [[unlikely]] {
      if (!prevent(maker, index, answers, sink)) return;
    } else {
      trade(maker, index, answers, sink);
    }
  }
}

// Trades as much as both have, at the maker's price: the maker's event, then the taker's.
void Engine::trade(std::uint32_t maker_index, std::uint32_t taker_index, bool answers, EventSink& sink) {
  Node& node = orders_.nodes()[maker_index];
  const Price price = node.price;
  Order& maker = orders_[maker_index];
  Order& taker = orders_[taker_index];
  Market& market = markets_[taker.symbol];
  const Quantity quantity = std::min(node.leaves, taker.quantity - taker.executed);
  const bool shown_gone = quantity == node.leaves;
  if (shown_gone) {
    market.book.remove(maker.side, maker_index);
    node.rests = false;
  } else {
    market.book.reduce(maker.side, maker_index, quantity);
  }
  market.last = price;
  if (!market.stops.empty()) [[unlikely]] {
    market.stops.print(price);
    printed_ = true;
  }
  const Notional product = Notional(price.value) * Notional(quantity.value);
  const bool maker_done = (maker.executed += quantity) == maker.quantity;
  const bool taker_done = (taker.executed += quantity) == taker.quantity;
  maker.notional += product;
  taker.notional += product;
  maker.status = maker_done ? OrderStatus::kFilled : OrderStatus::kPartiallyFilled;
  taker.status = taker_done ? OrderStatus::kFilled : OrderStatus::kPartiallyFilled;

  accounts_.exposure(maker.account, maker.symbol).trade_open(maker.side, quantity.value);
  accounts_.exposure(taker.account, taker.symbol).trade(taker.side, quantity.value);
  accounts_[maker.account].open_notional -= product * market.unit;

  Trade& trade = sink.trades.append();
  trade = {.number = {counters_.trades + sink.trades.size()},
           .price = price,
           .quantity = quantity,
           .symbol = taker.symbol,
           .maker_event = static_cast<std::uint32_t>(sink.events.size()),
           .taker_side = taker.side};
  tell(sink, EventKind::kFill, maker_index, false, Cause::kNone, Liquidity::kMaker);
  tell(sink, EventKind::kFill, taker_index, answers, Cause::kNone, Liquidity::kTaker);
  if (maker_done) {
    --accounts_[maker.account].open_orders;
    --open_;
    close(maker_index);
  } else if (shown_gone) {
    replenish(maker_index);
    tell(sink, EventKind::kRestated, maker_index, false);
  }
  if (taker_done) close(taker_index);
}

// Shows the next part of an iceberg whose visible part is used up, at the back of its level.
void Engine::replenish(std::uint32_t index) {
  Order& order = orders_[index];
  Extras& extras = extras_[order.extras];
  Node& node = orders_.nodes()[index];
  node.leaves = std::min(extras.display, extras.hidden);
  extras.hidden -= node.leaves;
  Book& book = markets_[order.symbol].book;
  book.hide(order.side, order.price, {-node.leaves.value});
  node.rests = true;
  book.push_back(order.side, index);
}

bool Engine::same_owner(const Order& a, const Order& b) const {
  if (a.account == b.account) return true;
  if (a.extras == 0 || b.extras == 0) return false;
  return extras_[a.extras].stp_group != 0 && extras_[a.extras].stp_group == extras_[b.extras].stp_group;
}

// Instead of a trade with oneself. False if the incoming order has ended.
bool Engine::prevent(std::uint32_t maker, std::uint32_t taker, bool answers, EventSink& sink) {
  constexpr Cause kCause = Cause::kSelfTradePrevention;
  const SelfTradePrevention mode = orders_[taker].stp;
  if (mode == SelfTradePrevention::kDecrement) {
    const Quantity by = std::min(orders_.nodes()[maker].leaves, orders_[taker].leaves());
    decrement(maker, by, false, sink);
    decrement(taker, by, answers, sink);
  } else {
    if (mode != SelfTradePrevention::kCancelTaker) cancel_rest(maker, kCause, false, sink);
    if (mode != SelfTradePrevention::kCancelMaker) cancel_rest(taker, kCause, answers, sink);
  }
  return is_live(orders_[taker].status);
}

// Takes `by` off the order's total without a trade.
void Engine::decrement(std::uint32_t index, Quantity by, bool answers, EventSink& sink) {
  Order& order = orders_[index];
  if (order.leaves() == by) return cancel_rest(index, Cause::kSelfTradePrevention, answers, sink);
  revise(index, sink);
  order.quantity -= by;
  Node& node = orders_.nodes()[index];
  if (node.rests) {
    add_open(order, order.price, -by.value);
    Book& book = markets_[order.symbol].book;
    if (by == node.leaves) {
      book.remove(order.side, index);
      replenish(index);
    } else {
      book.reduce(order.side, index, by);
    }
  }
  tell(sink, EventKind::kRestated, index, answers, Cause::kSelfTradePrevention);
}

// Whether a FOK order finds all of its quantity.
bool Engine::can_fill(const Order& order, Price limit) const {
  if (prevents(order.stp)) return can_fill_from_others(order, limit);
  return markets_[order.symbol].book.can_fill(order.side, limit, order.leaves());
}

// The same where own orders are in the way: RULES.md, FOK.
bool Engine::can_fill_from_others(const Order& order, Price limit) const {
  const Book& book = markets_[order.symbol].book;
  const NodePool& nodes = orders_.nodes();
  const bool skips = order.stp == SelfTradePrevention::kCancelMaker;
  const Side makers = opposite(order.side);
  Wide found = 0;
  for (Price price = book.best(makers); price != Book::none(makers); price = book.worse(makers, price)) {
    if (order.side == Side::kBuy ? price > limit : price < limit) break;
    Wide hidden = 0;
    for (std::uint32_t node = book.level(makers, price).head; node != 0; node = nodes[node].next) {
      const Order& maker = orders_[node];
      if (same_owner(maker, order)) {
        if (!skips) return found >= order.leaves().value;
        continue;
      }
      found += nodes[node].leaves.value;
      if (nodes[node].iceberg) hidden += extras_[maker.extras].hidden.value;
    }
    found += hidden;
    if (found >= order.leaves().value) return true;
  }
  return false;
}

// What the order has open changes by `lots` at the price by which it counts.
[[gnu::always_inline]] inline void Engine::add_open(const Order& order, Price price, std::int64_t lots) {
  accounts_.exposure(order.account, order.symbol).add_open(order.side, lots);
  accounts_[order.account].open_notional +=
      static_cast<Notional>(Wide{price.value} * lots) * markets_[order.symbol].unit;  // modulo 2^128
}

[[gnu::always_inline]] inline void Engine::rest(std::uint32_t index) {
  Order& order = orders_[index];
  Node& node = orders_.nodes()[index];
  node.leaves = order.quantity - order.executed;
  node.price = order.price;
  node.account = order.account;
  node.rests = true;
  node.iceberg = false;
  add_open(order, order.price, node.leaves.value);
  ++accounts_[order.account].open_orders;
  ++open_;
  Book& book = markets_[order.symbol].book;
  if (order.extras != 0 && extras_[order.extras].display.value != 0) [[unlikely]] {
    Extras& extras = extras_[order.extras];
    node.iceberg = true;
    extras.hidden = node.leaves - std::min(extras.display, node.leaves);
    node.leaves -= extras.hidden;
    if (extras.hidden.value != 0) book.hide(order.side, order.price, extras.hidden);
  }
  book.push_back(order.side, index);
}

// REQUIRES: it rests.
[[gnu::always_inline]] inline void Engine::unrest(std::uint32_t index) {
  Order& order = orders_[index];
  Node& node = orders_.nodes()[index];
  Book& book = markets_[order.symbol].book;
  book.remove(order.side, index);
  node.rests = false;
  if (node.iceberg && extras_[order.extras].hidden.value != 0) {
    book.hide(order.side, order.price, {-extras_[order.extras].hidden.value});
    extras_[order.extras].hidden = {0};
  }
  add_open(order, order.price, -order.leaves().value);
  --accounts_[order.account].open_orders;
  --open_;
}

// A stop order waits for its trigger.
void Engine::wait(std::uint32_t index) {
  const Order& order = orders_[index];
  const Extras& extras = extras_[order.extras];
  markets_[order.symbol].stops.add(order.side, {extras.stop_price.value, extras.arrival, index});
  add_open(order, open_price(order), order.quantity.value);
  ++accounts_[order.account].open_orders;
  ++open_;
}

// The same undone, whether it stands among the stops or was just taken out of them.
void Engine::unwait(std::uint32_t index) {
  const Order& order = orders_[index];
  const Extras& extras = extras_[order.extras];
  markets_[order.symbol].stops.remove(order.side, {extras.stop_price.value, extras.arrival, index});
  add_open(order, open_price(order), -order.quantity.value);
  --accounts_[order.account].open_orders;
  --open_;
}

// An open order leaves wherever it stands; nowhere, if it is just coming in.
[[gnu::always_inline]] inline void Engine::take_out(std::uint32_t index) {
  if (orders_.nodes()[index].rests) {
    unrest(index);
  } else if (orders_[index].status == OrderStatus::kUntriggered) {
    unwait(index);
  }
}

// The order has ended and stands nowhere.
[[gnu::always_inline]] inline void Engine::close(std::uint32_t index) {
  const Order& order = orders_[index];
  if (order.extras != 0 && extras_[order.extras].expire_at.value != 0) [[unlikely]] {
    expiries_.remove({extras_[order.extras].expire_at.value, extras_[order.extras].accepted, index});
  }
  orders_.end(index);
}

// Ends what is left of an order, whether it rests, waits or has just come in.
void Engine::cancel_rest(std::uint32_t index, Cause cause, bool answers, EventSink& sink) {
  cancel_rest_here(index, cause, answers, sink);
}

// The same compiled into its caller.
[[gnu::always_inline]] inline void Engine::cancel_rest_here(std::uint32_t index, Cause cause, bool answers,
                                                            EventSink& sink) {
  take_out(index);
  orders_[index].status = OrderStatus::kCanceled;
  tell(sink, EventKind::kCanceled, index, answers, cause);
  close(index);
}

bool Engine::triggered_already(const Order& order) const {
  const Price last = markets_[order.symbol].last;
  const Price stop_price = extras_[order.extras].stop_price;
  return last.value != 0 && (order.side == Side::kBuy ? last >= stop_price : last <= stop_price);
}

// A stop order that waits no more comes in.
void Engine::trigger(std::uint32_t index, bool answers, EventSink& sink) {
  Order& order = orders_[index];
  order.status = OrderStatus::kOpen;
  tell(sink, EventKind::kTriggered, index, answers);
  if (order.type == OrderType::kStopLimit) return enter(index, order.price, order.time_in_force, answers, sink);
  const bool fok = order.time_in_force == TimeInForce::kFok;
  enter(index, market_limit(order), fok ? TimeInForce::kFok : TimeInForce::kIoc, answers, sink);
}

// What the command's trades triggered, and what that triggers in turn. A command trades in one instrument.
void Engine::run_triggers(EventSink& sink) {
  Market& market = markets_[sink.trades.back().symbol];
  triggered_.clear();
  std::size_t next = 0;
  for (;;) {
    printed_ = false;
    for (const Stops::Stop& stop : market.stops.take_triggered()) {
      unwait(stop.order);
      triggered_.push_back(stop.order);
    }
    if (next == triggered_.size()) return;
    trigger(triggered_[next++], false, sink);
  }
}

// The order's terms are about to change, with the next event.
void Engine::revise(std::uint32_t index, EventSink& sink) {
  const Order& order = orders_[index];
  const Extras* of = extras(order);
  sink.revisions.push_back({.event = static_cast<std::uint32_t>(sink.events.size()),
                            .order = index,
                            .price = order.price,
                            .quantity = order.quantity,
                            .stop_price = of == nullptr ? Price{0} : of->stop_price,
                            .expire_at = of == nullptr ? Time{0} : of->expire_at});
}

}  // namespace ordergate::core
