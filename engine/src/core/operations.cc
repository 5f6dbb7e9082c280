// Engine: commands that concern many orders, or none.
#include <algorithm>

#include "core/engine.h"

namespace ordergate::core {
namespace {

constexpr std::uint32_t kAll = TradingStateTold::kNone;

std::uint32_t content(std::initializer_list<std::uint64_t> words) {
  std::uint64_t hash = 0;
  for (const std::uint64_t word : words) hash = StateHash::mix(hash ^ word);
  return static_cast<std::uint32_t>(hash >> 32);
}

std::uint64_t digest(Decimal decimal) { return StateHash::mix(decimal.mantissa) + decimal.digits; }

}  // namespace

void Engine::mass_cancel(EventSink& sink) {
  const MassCancel& row = frame_->mass_cancels[at_.mass_cancel++];
  const OrderId id = key();
  const bool all_symbols = row.symbol == kNoSymbol;
  const std::uint32_t digest = content({4, all_symbols ? 0 : frame_symbols_[row.symbol].hash, row.side,
                                        StateHash::of(row.tag), StateHash::of(row.session), row.disconnected});
  if (seen_before(id, digest, 0, sink)) return;
  remember(id, digest);
  Reason reason = Reason::kNone;
  if (place_.stale) {
    reason = Reason::kStale;
  } else if (std::max(state_, accounts_[place_.account].state) == TradingState::kBlocked) {
    reason = Reason::kTradingState;
  } else if (!all_symbols && frame_symbols_[row.symbol].number >= markets_.size()) {
    reason = Reason::kUnknownSymbol;
  }
  if (reason != Reason::kNone) {
    tell_account(sink, EventKind::kCommandRejected, place_.account, reason);
    return;
  }
  const auto label = [this](std::string_view text) { return text.empty() ? Criteria::kAny : labels_.find(text); };
  tell_done(cancel_all({.account = place_.account,
                        .symbol = all_symbols ? Criteria::kAny : frame_symbols_[row.symbol].number,
                        .side = row.side,
                        .tag = label(row.tag),
                        .session = label(row.session),
                        .disconnected = row.disconnected,
                        .cause = row.disconnected ? Cause::kDisconnect : Cause::kMassCancel},
                       sink),
            sink);
}

void Engine::tell_done(MassCancelTold told, EventSink& sink) {
  told.event = static_cast<std::uint32_t>(sink.events.size());
  tell_account(sink, EventKind::kMassCancelDone, place_.account, Reason::kNone);
  sink.mass_cancels.push_back(told);
}

bool Engine::concerned(const Order& order, const Criteria& criteria) const {
  constexpr std::uint32_t kAny = Criteria::kAny;
  if (criteria.account != kAny && order.account != criteria.account) return false;
  if (criteria.side != 0 && static_cast<std::uint8_t>(order.side) != criteria.side) return false;
  if (criteria.tag == kAny && criteria.session == kAny && !criteria.disconnected) return true;
  if (order.extras == 0) return false;
  const Extras& extras = extras_[order.extras];
  if (criteria.tag != kAny && (criteria.tag == 0 || extras.tag != criteria.tag)) return false;
  if (criteria.session != kAny && (criteria.session == 0 || extras.session != criteria.session)) return false;
  return !criteria.disconnected || extras.cancel_on_disconnect;
}

// Resting orders side by side, each side from the best price and the oldest order on, then the waiting stops.
void Engine::find_concerned(std::uint32_t symbol, const Criteria& criteria, std::vector<std::uint32_t>& found) const {
  const Market& market = markets_[symbol];
  const NodePool& nodes = orders_.nodes();
  for (const Side side : {Side::kBuy, Side::kSell}) {
    for (Price price = market.book.best(side); price != Book::none(side); price = market.book.worse(side, price)) {
      for (std::uint32_t node = market.book.level(side, price).head; node != 0; node = nodes[node].next) {
        if (criteria.account != Criteria::kAny && nodes[node].account != criteria.account) continue;
        if (concerned(orders_[node], criteria)) found.push_back(node);
      }
    }
  }
  if (market.stops.empty()) return;
  for (const Stops::Stop& stop : market.stops.by_arrival()) {
    if (concerned(orders_[stop.order], criteria)) found.push_back(stop.order);
  }
}

MassCancelTold Engine::cancel_all(const Criteria& criteria, EventSink& sink) {
  MassCancelTold told{.event = 0, .matched = 0, .canceled = 0};
  std::vector<std::uint32_t> found;
  for (std::uint32_t symbol = 0; symbol < markets_.size(); ++symbol) {
    if (criteria.symbol != Criteria::kAny && symbol != criteria.symbol) continue;
    found.clear();
    find_concerned(symbol, criteria, found);
    told.matched += static_cast<std::uint32_t>(found.size());
    if (markets_[symbol].state == TradingState::kBlocked && !criteria.even_blocked) continue;
    told.canceled += static_cast<std::uint32_t>(found.size());
    for (const std::uint32_t order : found) cancel_rest(order, criteria.cause, false, sink);
  }
  return told;
}

void Engine::set_trading_state(EventSink& sink) {
  const TradingStateChange& row = frame_->trading_states[at_.trading_state++];
  const OrderId id = key();
  const bool all_symbols = row.symbol == kNoSymbol;
  const std::uint32_t digest =
      content({5, StateHash::of(row.account), all_symbols ? 0 : frame_symbols_[row.symbol].hash,
               static_cast<std::uint64_t>(row.state), row.cancel_open_orders});
  if (seen_before(id, digest, 0, sink)) return;
  remember(id, digest);
  const std::uint32_t symbol = all_symbols ? kAll : frame_symbols_[row.symbol].number;
  Reason reason = Reason::kNone;
  if (place_.stale) {
    reason = Reason::kStale;
  } else if (!all_symbols && symbol >= markets_.size()) {
    reason = Reason::kUnknownSymbol;
  } else if (row.state < TradingState::kActive || row.state > TradingState::kBlocked ||
             (!all_symbols && !row.account.empty())) {
    reason = Reason::kInvalidField;
  }
  if (reason != Reason::kNone) {
    tell_account(sink, EventKind::kCommandRejected, place_.account, reason);
    return;
  }
  const std::uint32_t account = row.account.empty() ? kAll : accounts_.intern(row.account);
  restricted_ = true;
  (account != kAll ? accounts_[account].state : !all_symbols ? markets_[symbol].state : state_) = row.state;
  sink.trading_states.push_back({static_cast<std::uint32_t>(sink.events.size()), account, symbol, row.state});
  tell_account(sink, EventKind::kTradingState, place_.account, Reason::kNone);
  if (!row.cancel_open_orders) return;
  tell_done(cancel_all({.account = account, .symbol = symbol, .even_blocked = true, .cause = Cause::kKillSwitch}, sink),
            sink);
}

void Engine::set_limits(EventSink& sink) {
  const LimitsChange& row = frame_->limits[at_.limits++];
  const Limits& limits = row.limits;
  const OrderId id = key();
  const std::uint32_t digest_of =
      content({6, StateHash::of(row.account), digest(limits.max_order_quantity), digest(limits.max_order_notional),
               limits.max_open_orders, digest(limits.max_open_notional), digest(limits.max_position), limits.band_ppm});
  if (seen_before(id, digest_of, 0, sink)) return;
  remember(id, digest_of);
  if (place_.stale) {
    tell_account(sink, EventKind::kCommandRejected, place_.account, Reason::kStale);
    return;
  }
  const std::uint32_t account = accounts_.intern(row.account);
  if (accounts_[account].limits == 0) {
    accounts_[account].limits = static_cast<std::uint32_t>(limits_.size());
    limits_.emplace_back();
  }
  limits_[accounts_[account].limits] = make_ready(limits, instruments_, units_);
  sink.limits.push_back({static_cast<std::uint32_t>(sink.events.size()), limits});
  tell_account(sink, EventKind::kLimits, account, Reason::kNone);
}

void Engine::tick(EventSink& sink) {
  const OrderId id = key();
  const std::uint32_t digest = content({7});
  if (seen_before(id, digest, 0, sink)) return;
  remember(id, digest);
  tell_account(sink, EventKind::kTick, place_.account, Reason::kNone);
}

// Not by seen_before: whoever asks for a fence wants to know whether the id is one now, not whether he asked before.
void Engine::fence(EventSink& sink) {
  const OrderId id = key();
  const Window::Found found = window_.find(id);
  const std::uint32_t order = orders_.find(id);
  if (is_fence(found)) {
    tell_account(sink, EventKind::kFenced, place_.account, Reason::kNone);
  } else if (found.known || order != 0) {
    const bool ours = order != 0 && orders_[order].account == place_.account;
    show(sink, EventKind::kDuplicate, ours ? order : 0, Reason::kNone);
  } else {
    remember(id, kFenceContent);
    tell_account(sink, EventKind::kFenced, place_.account, Reason::kNone);
  }
}

Event& Engine::tell_account(EventSink& sink, EventKind kind, std::uint32_t account, Reason reason) {
  Event& event = sink.events.append();
  event = {};
  event.kind = kind;
  event.reason = reason;
  event.answers = true;
  event.command = place_.command;
  event.account = account;
  event.seq = accounts_.next_seq(account);
  return event;
}

}  // namespace ordergate::core
