// What the obvious engine (naive.h) refuses: terms, states, limits.
#pragma once

#include <optional>
#include <string>

#include "testing/naive_state.h"

namespace ordergate::testing {

class NaiveRules : public NaiveState {
 public:
  using NaiveState::NaiveState;

  // Over the account's open orders, in 10^-12.
  Wide open_notional(const std::string& account) {
    Wide sum = 0;
    for (const NaiveOrder* order : open_of_[account]) sum += notional(*order, order->open_price(), order->leaves());
    return sum;
  }
  std::int64_t position(const std::string& account, const std::string& symbol) { return positions_[account][symbol]; }
  const core::Limits& limits(const std::string& account) const {
    const auto found = limits_.find(account);
    return found == limits_.end() ? config_.default_limits : found->second;
  }

 protected:
  using Reason = core::Reason;

  // The strictest of the states that concern the order.
  int state(const NaiveOrder& order) {
    return std::max({engine_state_, symbol_states_[order.terms.symbol], account_states_[order.key.first]});
  }
  static constexpr int kActive = 1, kCancelOnly = 2, kBlocked = 3;

  // Why a new order is refused; kNone if it is taken.
  Reason refusal(const NaiveOrder& order) {
    const New& terms = order.terms;
    if (!books_.contains(terms.symbol)) return Reason::kUnknownSymbol;
    if (contradicts_itself(order)) return Reason::kInvalidField;
    if (terms.time_in_force == core::TimeInForce::kGtd && terms.expire_at <= now_) return Reason::kStale;
    if (state(order) > kActive) return Reason::kTradingState;
    if (too_large(order, terms.quantity)) return Reason::kMaxOrderQuantity;
    if (out_of_band(order, terms.price, terms.stop_price)) return Reason::kPriceBand;
    const core::Limits& most = limits(order.key.first);
    const Wide value = notional(order, price_to_weigh(order), terms.quantity);
    if (above(value, most.max_order_notional)) return Reason::kMaxOrderNotional;
    if (order.can_rest()) {
      const bool many = most.max_open_orders != 0 && open_of_[order.key.first].size() >= most.max_open_orders;
      if (many) return Reason::kMaxOpenOrders;
      if (above(open_notional(order.key.first) + value, most.max_open_notional)) return Reason::kMaxOpenNotional;
    }
    if (beyond_position(order, terms.quantity)) return Reason::kMaxPosition;
    if (terms.post_only && would_cross(order, terms.price)) return Reason::kWouldCross;
    if (order.can_rest() && (open_ >= config_.open_orders_max || overfills(order, terms.price, terms.quantity))) {
      return Reason::kEngineCapacity;
    }
    return Reason::kNone;
  }

  bool too_large(const NaiveOrder& order, Wide quantity) {
    return quantity > book(order).instrument.max_quantity.value ||
           above(quantity * amount(book(order).instrument.lot_size), limits(order.key.first).max_order_quantity);
  }

  // Limit or stop price beyond what the instrument or a band allows; 0 is none.
  bool out_of_band(const NaiveOrder& order, Wide price, Wide stop) {
    const core::InstrumentLimits& instrument = book(order).instrument;
    for (const Wide given : {order.is_priced() ? price : Wide{0}, stop}) {
      if (given != 0 && (given < instrument.min_price.value || given > instrument.max_price.value)) return true;
    }
    if (!order.is_priced()) return false;
    const bool triggered = order.live() && order.status != core::OrderStatus::kUntriggered;
    const Wide middle = order.is_stop() && !triggered ? stop : Wide{book(order).reference()};
    return beyond(middle, price, instrument.band_ppm) || beyond(middle, price, limits(order.key.first).band_ppm);
  }

  // How far the band allows to go from the reference; nothing if there is none.
  static std::optional<Wide> reach(Wide middle, std::uint32_t ppm) {
    if (middle == 0 || ppm == 0) return std::nullopt;
    return middle * ppm / 1'000'000;
  }

  // `quantity` in place of what the order has open now.
  bool beyond_position(const NaiveOrder& order, Wide quantity) {
    const std::string& account = order.key.first;
    Wide reached = (order.buys() ? 1 : -1) * positions_[account][order.terms.symbol] + quantity;
    for (const NaiveOrder* open : open_of_[account]) {
      const bool counts = open->terms.symbol == order.terms.symbol && open->terms.side == order.terms.side;
      if (counts && open != &order) reached += open->leaves();
    }
    return above(reached * amount(book(order).instrument.lot_size), limits(account).max_position);
  }

  // True if `quantity` more at the price, beside the order's own part, is more than a level may hold.
  bool overfills(const NaiveOrder& order, Wide price, Wide quantity) {
    if (!order.is_priced() || price > core::kValueMax) return false;
    const NaiveLevels& levels = book(order).side(order.terms.side);
    const auto found = levels.find(NaiveBook::rank(order.terms.side, static_cast<std::int64_t>(price)));
    if (found == levels.end()) return false;
    Wide sum = quantity;
    for (const NaiveOrder* other : found->second) {
      if (other != &order) sum += other->leaves();
    }
    return sum > core::kValueMax;
  }

  // True if the best price of the other side is at the limit or better.
  bool would_cross(const NaiveOrder& order, Wide limit) {
    const NaiveLevels& makers = book(order).side(core::opposite(order.terms.side));
    if (makers.empty()) return false;
    const std::int64_t best = std::abs(makers.begin()->first);
    return order.buys() ? best <= limit : best >= limit;
  }

  Wide notional(const NaiveOrder& order, Wide price, Wide quantity) {
    const core::InstrumentLimits& instrument = book(order).instrument;
    const core::Decimal unit{instrument.price_increment.mantissa * instrument.lot_size.mantissa,
                             instrument.price_increment.digits + instrument.lot_size.digits};
    return price * quantity * amount(unit);
  }

  static bool above(Wide value, const core::Decimal& most) { return most.mantissa != 0 && value > amount(most); }

  std::map<std::string, core::Limits> limits_;  // of accounts that have their own
  int engine_state_ = kActive;
  std::map<std::string, int> symbol_states_;
  std::map<std::string, int> account_states_;

 private:
  static bool contradicts_itself(const NaiveOrder& order) {
    const New& terms = order.terms;
    const bool gtd = terms.time_in_force == core::TimeInForce::kGtd;
    if (terms.quantity <= 0) return true;
    if (order.is_priced() == (terms.price == 0)) return true;
    if (order.is_stop() == (terms.stop_price == 0)) return true;
    if (terms.order_type() == core::OrderType::kMarket && !order.is_immediate()) return true;
    if (gtd == (terms.expire_at == 0)) return true;
    if (terms.post_only && (terms.order_type() != core::OrderType::kLimit || order.is_immediate())) return true;
    if (terms.display < 0 || terms.display > terms.quantity) return true;
    return terms.display != 0 && (!order.is_priced() || order.is_immediate());
  }

  static bool beyond(Wide middle, Wide price, std::uint32_t ppm) {
    const auto allowed = reach(middle, ppm);
    return allowed && (price > middle + *allowed || price < middle - *allowed);
  }

  // What the notional of a new order is measured by.
  Wide price_to_weigh(const NaiveOrder& order) {
    if (order.terms.order_type() != core::OrderType::kMarket) return order.open_price();
    if (book(order).reference() != 0) return book(order).reference();
    const NaiveLevels& makers = book(order).side(core::opposite(order.terms.side));
    return makers.empty() ? 0 : std::abs(makers.begin()->first);
  }
};

}  // namespace ordergate::testing
