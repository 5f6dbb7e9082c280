#include "core/engine.h"

#include <algorithm>

#include "core/state_hash.h"

namespace ordergate::core {
namespace {

constexpr std::uint32_t kUnbound = 0xFFFF'FFFFu;

OrderId id_at(const char* ids, std::size_t index) { return OrderId::read(ids + index * sizeof(OrderId)); }

// How far ahead of a command the memory that it will need is asked for. A wait for memory is as long as a few commands.
constexpr std::size_t kIdsAhead = 16;     // commands: the slot of the id
constexpr std::size_t kSlotsAhead = 9;    // cancels: the slot of the target
constexpr std::size_t kRecordsAhead = 6;  // cancels: the target's record
constexpr std::size_t kNodesAhead = 3;    // cancels: its node

std::uint64_t content_of_cancel(const OrderId& target) {
  return StateHash::mix(StateHash::mix(target.first) ^ target.second ^ std::uint64_t{2} << 32);
}

Time created_at(const CommandFrame& frame, std::uint32_t command) {
  return {std::max<std::int64_t>(0, frame.queued_at.value - std::int64_t{frame.age_us[command]} * 1000)};
}

}  // namespace

Engine::Engine(EngineConfig config) : limits_(std::move(config.instruments)), nodes_(config.open_orders_max) {
  books_.reserve(limits_.size());
  for (const InstrumentLimits& instrument : limits_) {
    symbols_.intern(instrument.symbol);
    books_.emplace_back(nodes_);
    level_may_fill_.push_back(instrument.max_quantity.value > kValueMax / nodes_.capacity());
  }
  if (config.reserved_commands != 0) reserve(config.reserved_commands);
}

// Any mix of commands: all of them may be orders, and all cancels.
void Engine::reserve(std::uint32_t commands) {
  constexpr std::size_t kUsualCommandId = 32;
  orders_.reserve(commands);
  cancels_.reserve(commands);
  texts_.reserve(commands, kUsualCommandId);
  ids_.reserve(commands);
}

void Engine::apply(const CommandFrame& frame, Time time, EventSink& sink) {
  time_ = std::max(time_, time);
  bind(frame);
  std::size_t new_orders = 0;
  std::size_t cancels = 0;
  for (std::uint32_t command = 0; command < frame.size(); ++command) {
    const bool limited = !frame.valid_until.empty() && frame.valid_until[command].value != 0;
    const Place place{.command = command,
                      .account = account_of(frame, frame.account_index[command]),
                      .stale = limited && frame.valid_until[command] < time_};
    if (command + kIdsAhead < frame.size()) ids_.prefetch(id_at(frame.ids, command + kIdsAhead));
    if (frame.kinds[command] == CommandKind::kNewOrder) {
      new_order(frame, place, new_orders++, sink);
    } else {
      look_ahead(frame, cancels);
      cancel_order(frame, place, cancels++, sink);
    }
  }
  counters_.commands += frame.size();
  counters_.events += sink.events.size();
  counters_.trades += sink.trades.size();
}

void Engine::bind(const CommandFrame& frame) {
  frame_accounts_.assign(frame.accounts.size(), kUnbound);
  frame_symbols_.clear();
  for (const std::string_view name : frame.symbols) {
    const std::uint32_t number = symbols_.intern(name);
    frame_symbols_.push_back({number, symbols_.hash(number)});
  }
  const std::size_t cancels = frame.size() - frame.sides.size();
  for (std::size_t i = 0; i < std::min(frame.size(), kIdsAhead); ++i) ids_.prefetch(id_at(frame.ids, i));
  for (std::size_t i = 0; i < std::min(cancels, kSlotsAhead); ++i) ids_.prefetch(id_at(frame.targets, i));
}

// A cancel waits four times for memory, each time for what tells where to look next: slot, record, node, neighbours.
void Engine::look_ahead(const CommandFrame& frame, std::size_t cancel) {
  const std::size_t cancels = frame.size() - frame.sides.size();
  if (cancel + kSlotsAhead < cancels) ids_.prefetch(id_at(frame.targets, cancel + kSlotsAhead));
  const auto target = [&](std::size_t ahead) -> const Order* {
    const std::uint32_t order = cancel + ahead < cancels ? ids_.guess(id_at(frame.targets, cancel + ahead)) : 0;
    return order != 0 ? &orders_[order] : nullptr;
  };
  if (const Order* order = target(kRecordsAhead)) {
    __builtin_prefetch(order, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(order) + 64, 1);
  }
  if (const Order* order = target(kNodesAhead)) __builtin_prefetch(&nodes_[order->node], 1);
  if (const Order* order = target(1); order != nullptr && order->node != 0) {
    __builtin_prefetch(&nodes_[nodes_[order->node].next], 1);
    __builtin_prefetch(&nodes_[nodes_[order->node].prev], 1);
  }
}

// Numbered at its first command and not by the frame's list, so that the division into frames has no say in it.
std::uint32_t Engine::account_of(const CommandFrame& frame, std::uint32_t index) {
  std::uint32_t& account = frame_accounts_[index];
  if (account == kUnbound) account = accounts_.intern(frame.accounts[index]);
  return account;
}

// Digest of a command's content, which tells a repeat from a conflict: everything that the client asked for except
// until when and how to acknowledge it, which a client may well renew when it asks again. The id stands for account and
// command_id.
std::uint64_t Engine::content_of_new(const CommandFrame& frame, std::size_t row) const {
  const auto bytes = static_cast<std::uint64_t>(frame.sides[row]) | static_cast<std::uint64_t>(frame.types[row]) << 8 |
                     static_cast<std::uint64_t>(frame.times_in_force[row]) << 16 |
                     static_cast<std::uint64_t>(frame.flags[row]) << 24 | std::uint64_t{1} << 32;
  std::uint64_t hash = frame_symbols_[frame.symbol_index[row]].hash;
  hash = StateHash::mix(hash ^ bytes);
  hash = StateHash::mix(hash ^ static_cast<std::uint64_t>(frame.prices[row].value));
  return StateHash::mix(hash ^ static_cast<std::uint64_t>(frame.quantities[row].value));
}

void Engine::new_order(const CommandFrame& frame, Place place, std::size_t row, EventSink& sink) {
  const OrderId id = id_at(frame.ids, place.command);
  const std::uint64_t content = content_of_new(frame, row);
  if (const Known known = ids_.find(id)) return seen_before(known, content, place, sink);

  const std::uint32_t index = record_order(frame, place, row, id, content);
  Order& order = orders_[index];
  const Reason reason = place.stale ? Reason::kStale : refusal(order);
  if (reason == Reason::kNone) return execute(index, place, sink);
  order.reject_reason = reason;
  change(order, OrderStatus::kRejected);
  tell(sink, EventKind::kRejected, place, place.account, index).reason = reason;
}

void Engine::cancel_order(const CommandFrame& frame, Place place, std::size_t row, EventSink& sink) {
  const OrderId id = id_at(frame.ids, place.command);
  const OrderId target = id_at(frame.targets, row);
  const std::uint64_t content = content_of_cancel(target);
  if (const Known known = ids_.find(id)) return seen_before(known, content, place, sink);

  std::uint32_t index = ids_.find(target).order;
  if (index != 0 && orders_[index].account != place.account) index = 0;  // another's order: as if there were none
  const std::uint32_t cancel = cancels_.append();
  cancels_[cancel] = {.id = id, .content = content, .account = place.account, .order = index};
  ids_.add_cancel(id, cancel);

  Reason reason = Reason::kNone;
  if (place.stale) {
    reason = Reason::kStale;
  } else if (index == 0) {
    reason = Reason::kUnknownOrder;
  } else if (!is_live(orders_[index].status)) {
    reason = Reason::kTooLate;
  }
  if (reason == Reason::kNone) return cancel_rest(index, Cause::kUser, place, sink);
  tell(sink, EventKind::kCancelRejected, place, place.account, index).reason = reason;
}

// An order exists from its first sight on, also if it is refused: a retry must find it.
std::uint32_t Engine::record_order(const CommandFrame& frame, Place place, std::size_t row, const OrderId& id,
                                   std::uint64_t content) {
  const std::uint32_t index = orders_.append();
  orders_[index] = {.id = id,
                    .content = content,
                    .price = frame.prices[row],
                    .quantity = frame.quantities[row],
                    .executed = {0},
                    .node = 0,
                    .account = place.account,
                    .symbol = frame_symbols_[frame.symbol_index[row]].number,
                    .version = 0,
                    .notional = 0,
                    .created_at = created_at(frame, place.command),
                    .queued_at = frame.queued_at,
                    .updated_at = time_,
                    .last_seq = {0},
                    .command_id = texts_.add(frame.command_ids[place.command]),
                    .side = frame.sides[row],
                    .type = frame.types[row],
                    .time_in_force = frame.times_in_force[row],
                    .flags = frame.flags[row],
                    .status = OrderStatus::kNone,
                    .reject_reason = Reason::kNone};
  ids_.add_order(id, index);
  return index;
}

// Why the order is refused. The gateway has checked most of it; the engine trusts nobody. Order of precedence: symbol,
// terms that contradict each other, quantity, price, post_only, capacity.
Reason Engine::refusal(const Order& order) const {
  if (order.symbol >= limits_.size()) return Reason::kUnknownSymbol;
  const InstrumentLimits& limits = limits_[order.symbol];
  const bool market = order.type == OrderType::kMarket;
  const bool gtc = order.time_in_force == TimeInForce::kGtc;
  const bool post_only = (order.flags & kPostOnly) != 0;
  if (market && (gtc || order.price.value != 0)) return Reason::kInvalidField;
  if (post_only && (market || !gtc)) return Reason::kInvalidField;
  if (order.quantity.value <= 0) return Reason::kInvalidField;
  if (order.quantity > limits.max_quantity) return Reason::kMaxOrderQuantity;
  if (!market && (order.price < limits.min_price || order.price > limits.max_price)) return Reason::kPriceBand;
  const Book& book = books_[order.symbol];
  if (post_only && book.crosses(order.side, order.price)) return Reason::kWouldCross;
  if (!gtc) return Reason::kNone;
  // Decided before anything trades: whether it will have to rest is not known yet, that it can is.
  if (nodes_.full()) return Reason::kEngineCapacity;
  if (!level_may_fill_[order.symbol]) return Reason::kNone;
  const bool level_full = book.quantity_at(order.side, order.price).value > kValueMax - order.quantity.value;
  return level_full ? Reason::kEngineCapacity : Reason::kNone;
}

// The command's id was used before. Nothing changes.
void Engine::seen_before(Known known, std::uint64_t content, Place place, EventSink& sink) {
  const bool cancel = known.cancel != 0;
  const std::uint32_t owner = cancel ? cancels_[known.cancel].account : orders_[known.order].account;
  const std::uint64_t before = cancel ? cancels_[known.cancel].content : orders_[known.order].content;
  const bool ours = owner == place.account;
  if (ours && before == content) {
    tell(sink, EventKind::kDuplicate, place, place.account, cancel ? cancels_[known.cancel].order : known.order);
    return;
  }
  Event& event = tell(sink, EventKind::kCommandRejected, place, place.account, ours ? known.order : 0);
  event.reason = Reason::kIdConflict;
}

void Engine::execute(std::uint32_t index, Place place, EventSink& sink) {
  Order& order = orders_[index];
  change(order, OrderStatus::kOpen);
  tell(sink, EventKind::kAccepted, place, place.account, index);
  const Price limit = limit_of(order);
  const bool fok = order.time_in_force == TimeInForce::kFok;
  if (fok && !books_[order.symbol].can_fill(order.side, limit, order.quantity)) {
    return cancel_rest(index, Cause::kFokUnfilled, place, sink);
  }
  match(index, limit, place, sink);
  if (order.status == OrderStatus::kFilled) return;
  if (order.time_in_force == TimeInForce::kGtc) return rest(index);
  cancel_rest(index, Cause::kIocRemainder, place, sink);
}

Price Engine::limit_of(const Order& order) {
  if (order.type == OrderType::kLimit) return order.price;
  return order.side == Side::kBuy ? kMarketBuy : kMarketSell;
}

void Engine::match(std::uint32_t index, Price limit, Place place, EventSink& sink) {
  const Order& order = orders_[index];
  const Book& book = books_[order.symbol];
  while (order.status != OrderStatus::kFilled && book.crosses(order.side, limit)) {
    trade(book.front(opposite(order.side)), index, place, sink);
  }
}

// Trades as much as both have, at the maker's price: the maker's event, then the taker's.
void Engine::trade(std::uint32_t maker_node, std::uint32_t taker_index, Place place, EventSink& sink) {
  const Node node = nodes_[maker_node];
  Order& maker = orders_[node.order];
  Order& taker = orders_[taker_index];
  const Quantity quantity = std::min(node.leaves, taker.quantity - taker.executed);
  Book& book = books_[taker.symbol];
  if (quantity == node.leaves) {
    book.remove(maker.side, maker_node);
    nodes_.release(maker_node);
    maker.node = 0;
  } else {
    book.reduce(maker.side, maker_node, quantity);
  }

  const TradeNumber number{counters_.trades + sink.trades.size() + 1};
  const auto first_event = static_cast<std::uint32_t>(sink.events.size());
  for (const auto& [index, liquidity] : {std::pair{node.order, Liquidity::kMaker}, {taker_index, Liquidity::kTaker}}) {
    Order& order = orders_[index];
    order.executed += quantity;
    order.notional += Notional(node.price.value) * Notional(quantity.value);
    change(order, order.executed == order.quantity ? OrderStatus::kFilled : OrderStatus::kPartiallyFilled);
    Event& event = tell(sink, EventKind::kFill, place, order.account, index);
    event.liquidity = liquidity;
    event.trade = number;
    event.fill_price = node.price;
    event.fill_quantity = quantity;
  }
  sink.trades.push_back({.number = number,
                         .symbol = taker.symbol,
                         .taker_side = taker.side,
                         .price = node.price,
                         .quantity = quantity,
                         .maker_event = first_event,
                         .taker_event = first_event + 1});
}

void Engine::rest(std::uint32_t index) {
  Order& order = orders_[index];
  order.node = nodes_.acquire();
  nodes_[order.node] = {
      .leaves = order.leaves(), .price = order.price, .next = 0, .prev = 0, .order = index, .reserved = 0};
  books_[order.symbol].push_back(order.side, order.node);
}

// Ends what is left of an order, whether it rests or has just come in.
void Engine::cancel_rest(std::uint32_t index, Cause cause, Place place, EventSink& sink) {
  Order& order = orders_[index];
  if (order.node != 0) {
    books_[order.symbol].remove(order.side, order.node);
    nodes_.release(order.node);
    order.node = 0;
  }
  change(order, OrderStatus::kCanceled);
  tell(sink, EventKind::kCanceled, place, order.account, index).cause = cause;
}

void Engine::change(Order& order, OrderStatus status) {
  order.status = status;
  order.updated_at = time_;
  ++order.version;
}

Event& Engine::tell(EventSink& sink, EventKind kind, Place place, std::uint32_t account, std::uint32_t index) {
  Event& event = sink.events.emplace_back();
  event.kind = kind;
  event.command = place.command;
  event.account = account;
  event.seq = accounts_.next_seq(account);
  if (index == 0) return event;
  Order& order = orders_[index];
  if (changes_order(kind)) order.last_seq = event.seq;
  event.order = index;
  event.last_seq = order.last_seq;
  event.status = order.status;
  event.version = order.version;
  event.executed = order.executed;
  event.leaves = order.leaves();
  event.updated_at = order.updated_at;
  event.notional = order.notional;
  return event;
}

}  // namespace ordergate::core
