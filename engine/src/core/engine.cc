#include "core/engine.h"

#include <algorithm>
#include <cstring>

#include "core/digest.h"

namespace ordergate::core {
namespace {

constexpr std::uint32_t kUnbound = 0xFFFF'FFFFu;

OrderId id_at(const char* ids, std::size_t index) { return OrderId::read(ids + index * sizeof(OrderId)); }

// How far ahead of a command the memory that it will need is asked for. A wait for memory is as long as a few commands.
constexpr std::uint32_t kIdsAhead = 16;     // commands: the bucket and the slot of the id
constexpr std::uint32_t kLevelsAhead = 4;   // new orders: the level
constexpr std::uint32_t kSlotsAhead = 7;    // targets: the slot
constexpr std::uint32_t kRecordsAhead = 5;  // targets: record and node
constexpr std::uint32_t kLinksAhead = 2;    // targets: its neighbours and level

}  // namespace

Engine::Engine(EngineConfig config)
    : instruments_(std::move(config.instruments)),
      units_(instruments_, config.open_orders_max),
      trading_day_end_(config.trading_day_end),
      open_max_(config.open_orders_max),
      orders_(config.open_orders_max, config.ended_orders, config.frame_commands_max),
      accounts_(static_cast<std::uint32_t>(instruments_.size())),
      window_(config.ids_window, config.ids_age) {
  markets_.reserve(instruments_.size());
  for (const InstrumentLimits& instrument : instruments_) {
    symbols_.intern(instrument.symbol);
    Market& market = markets_.emplace_back(orders_.nodes());
    market.min_price = instrument.min_price;
    market.max_price = instrument.max_price;
    market.unit = units_.unit(static_cast<std::uint32_t>(markets_.size() - 1));
    market.band_ppm = instrument.band_ppm;
    market.level_may_fill = instrument.max_quantity.value > kValueMax / open_max_;
  }
  market_count_ = static_cast<std::uint32_t>(markets_.size());
  limits_.push_back(make_ready(config.default_limits, instruments_, units_));
}

void Engine::apply(const CommandFrame& frame, Time time, EventSink& sink) {
  begin(frame, time, sink);
  while (more()) command(sink);
  end(sink);
}

void Engine::step(EventSink& sink) { command(sink); }

void Engine::begin(const CommandFrame& frame, Time time, EventSink& sink) {
  time_ = std::max(time_, time);
  frame_ = &frame;
  at_ = {};
  window_.advance(time_);
  orders_.begin_frame();
  bind();
  place_ = {};
  if (expiries_.due(time_) && frame.size() != 0) expire(sink);
}

void Engine::end(EventSink& sink) {
  counters_.commands += frame_->size();
  counters_.events += sink.events.size();
  counters_.trades += sink.trades.size();
}

void Engine::bind() {
  frame_accounts_.resize(frame_->accounts.size());
  const std::uint32_t unknown = accounts_.size();
  for (std::size_t i = 0; i < frame_accounts_.size(); ++i) {
    const std::uint32_t account = accounts_.find(frame_->accounts[i]);
    frame_accounts_[i] = account != unknown ? account : kUnbound;
  }
  frame_symbols_.clear();
  for (const std::string_view name : frame_->symbols) {
    const std::uint32_t number = symbols_.intern(name);
    frame_symbols_.push_back({number, symbols_.hash(number)});
  }
  const auto commands = static_cast<std::uint32_t>(frame_->size());
  for (std::uint32_t i = 0; i < std::min(commands, kIdsAhead); ++i) {
    window_.prefetch(id_at(frame_->ids, i));
    orders_.prefetch(id_at(frame_->ids, i));
  }
  hints_ = {};
  targets_ = frame_->amend_prices.size() +
             static_cast<std::size_t>(std::ranges::count(frame_->kinds, CommandKind::kCancelOrder));
}

[[gnu::always_inline]] inline void Engine::look_ahead(std::uint32_t command) {
  asm volatile("");  // GCC 12 takes a function that only prefetches for one without effect, and leaves out its call
  const std::uint32_t ahead = command + kIdsAhead;
  if (ahead < frame_->size()) {
    const OrderId id = id_at(frame_->ids, ahead);
    window_.prefetch(id);
    orders_.prefetch(id);
  }
}

[[gnu::always_inline]] inline void Engine::look_ahead_of_order() {
  const std::uint32_t order = at_.order + kLevelsAhead;
  if (order >= frame_->sides.size()) return;
  const std::uint32_t symbol = frame_symbols_[frame_->symbol_index[order]].number;
  if (symbol < instruments()) markets_[symbol].book.prefetch(frame_->prices[order]);
}

// A target is waited for four times, each time for what tells where to look next: slot, record and node, neighbours.
[[gnu::always_inline]] inline void Engine::look_ahead_of_target() {
  const std::uint32_t now = at_.target;
  if (now + kSlotsAhead < targets_) orders_.prefetch(id_at(frame_->targets, now + kSlotsAhead));
  if (now + kRecordsAhead < targets_) {
    const std::uint32_t order = orders_.guess(id_at(frame_->targets, now + kRecordsAhead));
    hints_[(now + kRecordsAhead) % hints_.size()] = order;
    __builtin_prefetch(&orders_[order], 1);
    __builtin_prefetch(reinterpret_cast<const char*>(&orders_[order]) + 64, 1);
    __builtin_prefetch(&orders_.nodes()[order], 1);
  }
  if (now + kLinksAhead < targets_) {
    const Node& node = orders_.nodes()[hints_[(now + kLinksAhead) % hints_.size()]];
    __builtin_prefetch(&orders_.nodes()[node.next], 1);
    __builtin_prefetch(&orders_.nodes()[node.prev], 1);
  }
}

// Numbered at its first command and not by the frame's list, so that the division into frames has no say in it.
[[gnu::always_inline]] inline std::uint32_t Engine::account_of(std::uint32_t index) {
  std::uint32_t& account = frame_accounts_[index];
  if (account == kUnbound) account = accounts_.intern(frame_->accounts[index]);
  return account;
}

void Engine::expire(EventSink& sink) {
  while (expiries_.due(time_)) {
    const std::uint32_t index = expiries_.front().order;
    take_out(index);
    orders_[index].status = OrderStatus::kExpired;
    tell(sink, EventKind::kExpired, index, false);
    close(index);
  }
}

[[gnu::always_inline]] inline void Engine::command(EventSink& sink) {
  const std::uint32_t number = at_.command++;
  look_ahead(number);
  place_.command = number;
  place_.account = account_of(frame_->account_index[number]);
  place_.stale = false;
  if (!frame_->valid_until.empty()) {
    const Time until = frame_->valid_until[number];
    place_.stale = until.value != 0 && until < time_;
  }
  const CommandKind kind = frame_->kinds[number];
  if (kind == CommandKind::kNewOrder) {
    new_order(sink);
  } else if (kind == CommandKind::kCancelOrder) {
    cancel_order(sink);
  } else {
    dispatch(kind, sink);
  }
  if (printed_) [[unlikely]]
    run_triggers(sink);
}

void Engine::dispatch(CommandKind kind, EventSink& sink) {
  switch (kind) {
    case CommandKind::kNewOrder:
    case CommandKind::kCancelOrder:
      return;  // not here
    case CommandKind::kAmendOrder:
      return amend_order(sink);
    case CommandKind::kMassCancel:
      return mass_cancel(sink);
    case CommandKind::kSetTradingState:
      return set_trading_state(sink);
    case CommandKind::kSetLimits:
      return set_limits(sink);
    case CommandKind::kTick:
      return tick(sink);
    case CommandKind::kFence:
      return fence(sink);
  }
}

// Digest of a command's content, which tells a repeat from a conflict: everything that the client asked for except
// until when and how to acknowledge it, which a client may well renew when it asks again. The id stands for account and
// command_id.
[[gnu::always_inline]] inline std::uint32_t Engine::content_of_new(std::uint32_t row, Kinds kinds,
                                                                   const OrderTerms* terms) const {
  const CommandFrame& frame = *frame_;
  // Not just xor-ed: a sell at 100002 would be the same as a buy at 100001.
  Digest digest(frame_symbols_[frame.symbol_index[row]].hash);
  digest.add(kinds.bits | std::uint64_t{1} << 32)
      .add(word(frame.prices[row].value))
      .add(word(frame.quantities[row].value));
  if (terms != nullptr) [[unlikely]] {
    digest.add(word(terms->stop_price.value)).add(word(terms->display.value)).add(word(terms->expire_at.value));
    digest.add(static_cast<std::uint64_t>(terms->stp)).add(terms->cancel_on_disconnect ? 1u : 0u);
    digest.add(terms->stp_group).add(terms->tag).add(terms->session);
  }
  return digest.value();
}

const OrderTerms* Engine::terms_of(std::uint32_t row) {
  if (at_.terms == frame_->terms.size() || frame_->terms[at_.terms].row != row) return nullptr;
  return &frame_->terms[at_.terms++];
}

[[gnu::always_inline]] inline void Engine::new_order(EventSink& sink) {
  look_ahead_of_order();
  const CommandFrame& frame = *frame_;
  const std::uint32_t row = at_.order++;
  const OrderTerms* const terms = terms_of(row);
  const Kinds kinds(frame.sides[row], frame.types[row], frame.times_in_force[row], frame.flags[row]);
  const OrderId id = key();
  const std::uint32_t content = content_of_new(row, kinds, terms);
  if (seen_before(id, content, 0, sink)) return;
  remember(id, content);
  const std::uint32_t index = record(id, row, kinds, content);
  if (terms == nullptr && kinds.plain()) [[likely]]
    return take<true>(index, sink);
  record_terms(orders_[index], terms);
  take_special(index, sink);
}

// Compiled by itself: the usual order's path is to be straight.
[[gnu::noinline]] void Engine::take_special(std::uint32_t index, EventSink& sink) { take<false>(index, sink); }

// The order begins, or is refused.
template <bool plain>
[[gnu::always_inline]] inline void Engine::take(std::uint32_t index, EventSink& sink) {
  Order& order = orders_[index];
  const Reason reason = place_.stale ? Reason::kStale : refusal<plain>(order);
  if (reason == Reason::kNone) [[likely]]
    return start<plain>(index, sink);
  order.reject_reason = reason;
  order.status = OrderStatus::kRejected;
  tell(sink, EventKind::kRejected, index, true).reason = reason;
  orders_.end(index);
}

// An order exists from its first sight on, also if it is refused: a retry must find it.
[[gnu::always_inline]] inline std::uint32_t Engine::record(const OrderId& id, std::uint32_t row, Kinds kinds,
                                                           std::uint32_t content) {
  const CommandFrame& frame = *frame_;
  const std::uint32_t index = orders_.acquire(id);
  Order& order = orders_[index];
  if (order.extras != 0) [[unlikely]] {
    const Extras& before = extras_[order.extras];
    for (const std::uint32_t label : {before.stp_group, before.tag, before.session}) labels_.release(label);
    free_extras_.push_back(order.extras);
  }
  order.id = id;
  order.price = frame.prices[row];
  order.quantity = frame.quantities[row];
  order.executed = {0};
  order.account = place_.account;
  order.symbol = frame_symbols_[frame.symbol_index[row]].number;
  order.version = 0;
  order.extras = 0;
  order.set_command(kinds, frame.command_ids[place_.command]);
  order.notional = 0;
  order.queued_at = frame.queued_at;
  order.age_us = frame.age_us[place_.command];
  order.content = content;
  orders_.nodes()[index].rests = false;
  return index;
}

// `given` may be nullptr.
void Engine::record_terms(Order& order, const OrderTerms* given) {
  if (given == nullptr && order.time_in_force != TimeInForce::kDay && order.type < OrderType::kStop) return;
  const OrderTerms terms = given != nullptr ? *given : OrderTerms{};
  if (free_extras_.empty()) {
    order.extras = static_cast<std::uint32_t>(extras_.size());
    extras_.emplace_back();
  } else {
    order.extras = free_extras_.back();
    free_extras_.pop_back();
  }
  if (terms.stp != SelfTradePrevention::kUnspecified) order.stp = terms.stp;
  extras_[order.extras] = {.stop_price = terms.stop_price,
                           .display = terms.display,
                           .hidden = {0},
                           .expire_at = terms.expire_at,
                           .arrival = 0,
                           .accepted = 0,
                           .stp_group = labels_.use(terms.stp_group),
                           .tag = labels_.use(terms.tag),
                           .session = labels_.use(terms.session),
                           .cancel_on_disconnect = terms.cancel_on_disconnect};
}

// The account's order with the id; another's is as if there were none.
std::uint32_t Engine::own_target(const OrderId& target, std::uint32_t hint) const {
  const std::uint32_t index = orders_.find(target, hint);
  return index != 0 && orders_[index].account == place_.account ? index : 0;
}

std::uint64_t Engine::expected_version() {
  const auto& rows = frame_->expected_versions;
  if (at_.expected_version == rows.size() || rows[at_.expected_version].command != place_.command) return 0;
  return rows[at_.expected_version++].version;
}

void Engine::cancel_order(EventSink& sink) {
  look_ahead_of_target();
  const std::uint32_t row = at_.target++;
  const OrderId target = id_at(frame_->targets, row);
  const std::uint64_t version = expected_version();
  const OrderId id = key();
  const std::uint32_t content = Digest(2).add(target.first).add(target.second).add(version).value();
  const std::uint32_t index = own_target(target, hints_[row % hints_.size()]);
  if (seen_before(id, content, index, sink)) return;
  remember(id, content);

  Reason reason = Reason::kNone;
  if (place_.stale) {
    reason = Reason::kStale;
  } else if (index == 0) {
    reason = Reason::kUnknownOrder;
  } else if (!is_live(orders_[index].status)) {
    reason = Reason::kTooLate;
  } else if (version != 0 && version != orders_[index].version) {
    reason = Reason::kVersionMismatch;
  } else if (restricted_ && state_of(orders_[index].symbol, place_.account) == TradingState::kBlocked) {
    reason = Reason::kTradingState;
  }
  if (reason == Reason::kNone) return cancel_rest_here(index, Cause::kUser, true, sink);
  show(sink, EventKind::kCancelRejected, index, reason);
}

// True if the command's id was used before: nothing changes. `shown` is the order that a repeat names.
[[gnu::always_inline]] inline bool Engine::seen_before(const OrderId& id, std::uint32_t content, std::uint32_t shown,
                                                       EventSink& sink) {
  const Window::Found found = window_.find(id);
  const std::uint32_t order = orders_.find(id);
  if (!found.known && order == 0) [[likely]]
    return false;
  const bool same = (found.known ? found.content : orders_[order].content) == content;
  const std::uint32_t ours = order != 0 && orders_[order].account == place_.account ? order : 0;
  if (same) {
    show(sink, EventKind::kDuplicate, ours != 0 ? ours : shown, Reason::kNone);
  } else {
    show(sink, EventKind::kCommandRejected, ours, is_fence(found) ? Reason::kFenced : Reason::kIdConflict);
  }
  return true;
}

// An event that changes the order: how it is now, in a new version.
[[gnu::always_inline]] inline Event& Engine::tell(EventSink& sink, EventKind kind, std::uint32_t index, bool answers,
                                                  Cause cause, Liquidity liquidity) {
  Order& order = orders_[index];
  const Quantity leaves = order.leaves();
  const Notional notional = order.notional;
  const Sequence seq = accounts_.next_seq(order.account);
  // The small ones in one store; they are the first eight bytes (event.h).
  const std::uint64_t head = static_cast<std::uint64_t>(kind) | static_cast<std::uint64_t>(cause) << 16 |
                             static_cast<std::uint64_t>(liquidity) << 24 |
                             static_cast<std::uint64_t>(order.status) << 32 | std::uint64_t{answers} << 40;
  Event& event = sink.events.append();
  std::memcpy(static_cast<void*>(&event), &head, sizeof head);
  event.command = place_.command;
  event.account = order.account;
  event.order = index;
  event.version = ++order.version;
  event.seq = seq;
  event.executed = order.executed;
  event.leaves = leaves;
  event.notional = notional;
  order.updated_at = time_;
  order.last_seq = seq;
  return event;
}

// An answer that changes no order: it shows one (or none, 0) as it is.
Event& Engine::show(EventSink& sink, EventKind kind, std::uint32_t index, Reason reason) {
  Event& event = tell_account(sink, kind, place_.account, reason);
  if (index == 0) return event;
  const Order& order = orders_[index];
  event.status = order.status;
  event.order = index;
  event.version = order.version;
  event.executed = order.executed;
  event.leaves = order.leaves();
  event.notional = order.notional;
  sink.last_changes.push_back({static_cast<std::uint32_t>(sink.events.size() - 1), order.updated_at, order.last_seq});
  return event;
}

}  // namespace ordergate::core
