// The obvious engine: maps, lists and strings, written from RULES.md and sharing no code with the core. The oracle of
// the lockstep test. From here down: the commands; then naive_matching.h, naive_rules.h, naive_state.h.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "testing/naive_contents.h"
#include "testing/naive_matching.h"

namespace ordergate::testing {

class NaiveEngine : public NaiveMatching {
 public:
  using NaiveMatching::NaiveMatching;

  // Events of one frame.
  std::vector<Told> apply(const std::vector<Command>& frame, std::int64_t time) {
    told_.clear();
    now_ = std::max(now_, time);
    command_ = 0;
    if (!frame.empty()) expire();
    for (const Command& command : frame) {
      std::visit([this](const auto& one) { run(one); }, command);
      ++command_;
    }
    return std::move(told_);
  }

 private:
  using Kind = core::EventKind;
  using Status = core::OrderStatus;

  struct Remembered {
    std::string content = {};
    std::uint64_t number = 0;
    std::int64_t time = 0;
  };

  void expire() {
    std::vector<NaiveOrder*> due;
    for (const auto& [account, orders] : open_of_) {
      for (NaiveOrder* order : orders) {
        if (order->expire_at != 0 && order->expire_at <= now_) due.push_back(order);
      }
    }
    const auto when = [](const NaiveOrder* order) { return std::pair(order->expire_at, order->accepted); };
    std::sort(due.begin(), due.end(), [&](auto* a, auto* b) { return when(a) < when(b); });
    for (NaiveOrder* order : due) end(*order, Status::kExpired, Kind::kExpired, core::Cause::kNone, false);
  }

  void run(const New& command) {
    const NaiveKey key{command.account, command.id};
    if (repeated(command, own(command.account, key))) return;
    forget_one();
    NaiveOrder& order = orders_[key];
    order = {.key = key,
             .terms = command,
             .content = content(command),
             .total = command.quantity,
             .price = command.price,
             .stop_price = command.stop_price,
             .expire_at = command.expire_at};
    const Reason reason = is_stale(command) ? Reason::kStale : refusal(order);
    reason == Reason::kNone ? accept(order) : refuse(order, reason);
  }

  void refuse(NaiveOrder& order, Reason reason) {
    order.status = Status::kRejected;
    order.reject_reason = reason;
    ended_.push_back(order.key);
    tell_change(order, Kind::kRejected, true).reason = reason;
  }

  void accept(NaiveOrder& order) {
    order.status = order.is_stop() ? Status::kUntriggered : Status::kOpen;
    order.accepted = ++acceptances_;
    if (order.terms.time_in_force == core::TimeInForce::kDay) order.expire_at = end_of_day();
    tell_change(order, Kind::kAccepted, true);
    if (!order.is_stop()) {
      const bool market = order.terms.order_type() == core::OrderType::kMarket;
      execute(order, market ? market_limit(order) : order.price, order.terms.time_in_force, true);
    } else if (is_met(order)) {
      trigger(order, true);
    } else {
      wait(order);
    }
    run_stops();
  }

  void run(const Cancel& command) {
    NaiveOrder* const order = target(command);
    if (repeated(command, order)) return;
    Reason reason = why_not(command, order);
    if (reason == Reason::kNone && state(*order) == kBlocked) reason = Reason::kTradingState;
    if (reason == Reason::kNone) return cancel(*order, core::Cause::kUser, true);
    tell(command.account, Kind::kCancelRejected, order, true).reason = reason;
  }

  void run(const Amend& command) {
    NaiveOrder* const order = target(command);
    if (repeated(command, order)) return;
    Reason reason = why_not(command, order);
    NewTerms terms;
    if (reason == Reason::kNone) reason = why_not_change(command, *order, terms);
    if (reason != Reason::kNone) {
      tell(command.account, Kind::kAmendRejected, order, true).reason = reason;
    } else if (terms.total <= order->executed) {
      cancel(*order, core::Cause::kUser, true);
    } else {
      change(*order, terms);
      run_stops();
    }
  }

  // An order's terms after an amend; wide, since a client's decimals may stand for anything.
  struct NewTerms {
    Wide price = 0;
    Wide total = 0;
    Wide stop_price = 0;
    std::int64_t expire_at = 0;
  };

  // Refusals that cancels and amends share.
  template <class Any>
  Reason why_not(const Any& command, const NaiveOrder* order) {
    if (is_stale(command)) return Reason::kStale;
    if (order == nullptr) return Reason::kUnknownOrder;
    if (!order->live()) return Reason::kTooLate;
    const bool other = command.expected_version && *command.expected_version != order->version;
    return other ? Reason::kVersionMismatch : Reason::kNone;
  }

  // Refusals of an amend of a live order; makes the new terms.
  Reason why_not_change(const Amend& command, const NaiveOrder& order, NewTerms& terms) {
    if (state(order) > kActive) return Reason::kTradingState;
    if (!command.symbol.empty() && command.symbol != order.terms.symbol) return Reason::kUnknownSymbol;
    const core::InstrumentLimits& instrument = book(order).instrument;
    const auto price = steps(command, command.price, command.price_digits, instrument.price_increment);
    const auto stop = steps(command, command.stop_price, command.stop_digits, instrument.price_increment);
    const auto total = steps(command, command.quantity, command.quantity_digits, instrument.lot_size);
    if (is_senseless(command, order, stop)) return Reason::kInvalidField;
    if (!price || !stop) return Reason::kPriceIncrement;
    if (!total) return Reason::kLotSize;
    if (command.expire_at != 0 && command.expire_at <= now_) return Reason::kStale;
    terms = {.price = *price != 0 ? *price : order.price,
             .total = *total != 0 ? *total : order.total,
             .stop_price = *stop != 0 ? *stop : order.stop_price,
             .expire_at = command.expire_at != 0 ? command.expire_at : order.expire_at};
    if (terms.total <= order.executed) return Reason::kNone;
    return beyond_limits(order, terms);
  }

  Reason beyond_limits(const NaiveOrder& order, const NewTerms& terms) {
    const bool priced = terms.price != order.price || terms.stop_price != order.stop_price;
    if (terms.total > order.total && too_large(order, terms.total)) return Reason::kMaxOrderQuantity;
    if (priced && out_of_band(order, terms.price, terms.stop_price)) return Reason::kPriceBand;
    if (keeps_priority(order, terms)) return Reason::kNone;
    const core::Limits& most = limits(order.key.first);
    const Wide price = order.terms.order_type() == core::OrderType::kStop ? terms.stop_price : terms.price;
    const Wide leaves = terms.total - order.executed;
    if (above(notional(order, price, terms.total), most.max_order_notional)) return Reason::kMaxOrderNotional;
    const Wide others = open_notional(order.key.first) - notional(order, order.open_price(), order.leaves());
    if (above(others + notional(order, price, leaves), most.max_open_notional)) return Reason::kMaxOpenNotional;
    if (beyond_position(order, leaves)) return Reason::kMaxPosition;
    if (order.terms.post_only && would_cross(order, terms.price)) return Reason::kWouldCross;
    return overfills(order, terms.price, leaves) ? Reason::kEngineCapacity : Reason::kNone;
  }

  static bool keeps_priority(const NaiveOrder& order, const NewTerms& terms) {
    return terms.price == order.price && terms.stop_price == order.stop_price && terms.total <= order.total;
  }

  static bool is_senseless(const Amend& command, const NaiveOrder& order, std::optional<Wide> stop) {
    const bool nothing =
        command.price == 0 && command.quantity == 0 && command.stop_price == 0 && command.expire_at == 0;
    if (nothing || command.price < 0 || command.quantity < 0 || command.stop_price < 0) return true;
    if (command.price != 0 && !order.is_priced()) return true;
    const bool other_stop = command.stop_price != 0 && stop != order.stop_price;
    if (other_stop && order.status != Status::kUntriggered) return true;
    const bool other_end = command.expire_at != 0 && command.expire_at != order.expire_at;
    return other_end && order.terms.time_in_force != core::TimeInForce::kGtd;
  }

  // The value in increments or lots; nothing if it is no multiple.
  static std::optional<Wide> steps(const Amend& command, std::int64_t value, unsigned digits,
                                   const core::Decimal& step) {
    if (!command.decimal) return value;
    Wide above = value, below = step.mantissa;
    for (unsigned i = 0; i < step.digits; ++i) above *= 10;
    for (unsigned i = 0; i < digits; ++i) below *= 10;
    if (above % below != 0) return std::nullopt;
    return above / below;
  }

  void change(NaiveOrder& order, const NewTerms& terms) {
    const bool keeps = keeps_priority(order, terms);
    const bool other_stop = terms.stop_price != order.stop_price;
    const bool rested = order.rests;
    const std::int64_t hidden = order.hidden();
    const std::int64_t less = order.total - static_cast<std::int64_t>(terms.total);
    if (rested && !keeps) withdraw(order);
    order.price = static_cast<std::int64_t>(terms.price);
    order.total = static_cast<std::int64_t>(terms.total);
    order.stop_price = static_cast<std::int64_t>(terms.stop_price);
    order.expire_at = terms.expire_at;
    if (rested && keeps && less > hidden) order.shown -= less - hidden;
    tell_change(order, Kind::kAmended, true).priority_kept = rested ? keeps : !other_stop;
    if (rested && !keeps) {
      execute(order, order.price, order.terms.time_in_force, true);
    } else if (!rested && other_stop) {
      withdraw(order);
      is_met(order) ? trigger(order, true) : wait(order);
    }
  }

  void run(const MassCancel& command) {
    if (repeated(command, nullptr)) return;
    const auto state_of_account = account_states_[command.account];
    Reason reason = Reason::kNone;
    if (is_stale(command)) {
      reason = Reason::kStale;
    } else if (std::max(engine_state_, state_of_account) == kBlocked) {
      reason = Reason::kTradingState;
    } else if (!command.symbol.empty() && !books_.contains(command.symbol)) {
      reason = Reason::kUnknownSymbol;
    }
    if (reason != Reason::kNone) return refuse(command, reason);
    const auto matched = open_ones([&](const NaiveOrder& order) { return matches(command, order); });
    std::size_t canceled = 0;
    for (NaiveOrder* order : matched) {
      if (symbol_states_[order->terms.symbol] == kBlocked) continue;
      cancel(*order, command.disconnected ? core::Cause::kDisconnect : core::Cause::kMassCancel, false);
      ++canceled;
    }
    tell_done(command.account, matched.size(), canceled);
  }

  static bool matches(const MassCancel& command, const NaiveOrder& order) {
    const New& terms = order.terms;
    if (terms.account != command.account) return false;
    if (!command.symbol.empty() && terms.symbol != command.symbol) return false;
    if (command.side != 0 && static_cast<int>(terms.side) != command.side) return false;
    if (!command.tag.empty() && terms.tag != command.tag) return false;
    if (!command.session.empty() && terms.session != command.session) return false;
    return !command.disconnected || terms.cancel_on_disconnect;
  }

  // Open orders in the order of a mass cancel.
  template <class Predicate>
  std::vector<NaiveOrder*> open_ones(Predicate wanted) {
    std::vector<NaiveOrder*> found;
    const auto take = [&](NaiveOrder* order) {
      if (wanted(*order)) found.push_back(order);
    };
    for (const std::string& symbol : symbols_) {
      for (const core::Side side : {core::Side::kBuy, core::Side::kSell}) {
        for (const auto& [rank, orders] : book(symbol).side(side)) std::for_each(orders.begin(), orders.end(), take);
      }
      std::for_each(book(symbol).waiting.begin(), book(symbol).waiting.end(), take);
    }
    return found;
  }

  void tell_done(const std::string& account, std::size_t matched, std::size_t canceled) {
    tell(account, Kind::kMassCancelDone, nullptr, true).what =
        std::to_string(matched) + " matched " + std::to_string(canceled) + " canceled";
  }

  void run(const SetTradingState& command) {
    if (repeated(command, nullptr)) return;
    const std::string &account = command.of_account, &symbol = command.of_symbol;
    if (is_stale(command)) return refuse(command, Reason::kStale);
    if (!symbol.empty() && !books_.contains(symbol)) return refuse(command, Reason::kUnknownSymbol);
    const bool unknown = command.state < kActive || command.state > kBlocked;
    if (unknown || (!account.empty() && !symbol.empty())) return refuse(command, Reason::kInvalidField);
    (!account.empty()  ? account_states_[account]
     : !symbol.empty() ? symbol_states_[symbol]
                       : engine_state_) = command.state;
    tell(command.account, Kind::kTradingState, nullptr, true).what = "state " + std::to_string(command.state) +
                                                                     " account " + (account.empty() ? "all" : account) +
                                                                     " symbol " + (symbol.empty() ? "all" : symbol);
    if (!command.cancel_open_orders) return;
    const auto concerned = open_ones([&](const NaiveOrder& order) {
      return (account.empty() || order.key.first == account) && (symbol.empty() || order.terms.symbol == symbol);
    });
    for (NaiveOrder* order : concerned) cancel(*order, core::Cause::kKillSwitch, false);
    tell_done(command.account, concerned.size(), concerned.size());
  }

  void run(const SetLimits& command) {
    if (repeated(command, nullptr)) return;
    if (is_stale(command)) return refuse(command, Reason::kStale);
    limits_[command.account] = command.limits;
    tell(command.account, Kind::kLimits, nullptr, true).what = text(command.limits);
  }

  void run(const Tick& command) {
    if (repeated(command, nullptr)) return;
    if (is_stale(command)) return refuse(command, Reason::kStale);
    tell(command.account, Kind::kTick, nullptr, true);
  }

  void run(const Fence& command) {
    const NaiveKey key{command.account, command.id};
    const NaiveOrder* const entered = own(command.account, key);
    const auto known = entered != nullptr ? std::optional(entered->content) : remembered(key);
    if (!known) seen_[key] = {content(command), ++commands_, now_};
    if (!known || *known == content(command)) {
      tell(command.account, Kind::kFenced, nullptr, true);
    } else {
      tell(command.account, Kind::kDuplicate, entered, true);
    }
  }

  // Tells a command that was seen before; remembers one that was not. `subject` is what it names or entered.
  template <class Any>
  bool repeated(const Any& command, const NaiveOrder* subject) {
    const NaiveKey key{command.account, command.id};
    const NaiveOrder* const entered = own(command.account, key);
    const auto known = entered != nullptr ? std::optional(entered->content) : remembered(key);
    if (!known) {
      seen_[key] = {content(command), ++commands_, now_};
      return false;
    }
    if (*known == content(command)) {
      tell(command.account, Kind::kDuplicate, subject, true);
    } else {
      tell(command.account, Kind::kCommandRejected, entered, true).reason =
          *known == content(Fence{}) ? Reason::kFenced : Reason::kIdConflict;
    }
    return true;
  }

  std::optional<std::string> remembered(const NaiveKey& key) const {
    const auto found = seen_.find(key);
    if (found == seen_.end()) return std::nullopt;
    const bool lately = commands_ - found->second.number < config_.ids_window;
    const bool young = now_ - found->second.time <= config_.ids_age.value;
    return lately && young ? std::optional(found->second.content) : std::nullopt;
  }

  // Each order that comes in makes the engine forget one that has ended, if too many have.
  void forget_one() {
    if (ended_.size() <= config_.ended_orders) return;
    orders_.erase(ended_.front());
    ended_.pop_front();
  }

  template <class Any>
  NaiveOrder* target(const Any& command) {
    return own(command.account, {command.owner.empty() ? command.account : command.owner, command.target});
  }

  template <class Any>
  bool is_stale(const Any& command) const {
    return command.valid_until != 0 && command.valid_until < now_;
  }

  template <class Any>
  void refuse(const Any& command, Reason reason) {
    tell(command.account, Kind::kCommandRejected, nullptr, true).reason = reason;
  }

  std::int64_t end_of_day() const {
    constexpr std::int64_t kDay = std::int64_t{24} * 3600 * 1'000'000'000;
    std::int64_t end = config_.trading_day_end.value;
    if (end <= now_) end += ((now_ - end) / kDay + 1) * kDay;
    return end;
  }

  std::map<NaiveKey, Remembered> seen_;
  std::uint64_t commands_ = 0;  // that were remembered
};

}  // namespace ordergate::testing
