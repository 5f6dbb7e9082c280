// Engine: why an order is not taken. The gateway has checked most of it; the engine trusts nobody.
#include <algorithm>

#include "core/engine.h"

namespace ordergate::core {
[[gnu::always_inline]] inline bool Engine::can_rest(const Order& order) {
  return order.type >= OrderType::kStop || (order.type == OrderType::kLimit && stays(order.time_in_force));
}

TradingState Engine::state_of(std::uint32_t symbol, std::uint32_t account) const {
  return std::max({state_, markets_[symbol].state, accounts_[account].state});
}

// Order of precedence: RULES.md. Written for the usual order: what is rare is looked at behind one branch each.
template <bool plain>
[[gnu::always_inline]] inline Reason Engine::refusal(const Order& order) const {
  if (order.symbol >= instruments()) return Reason::kUnknownSymbol;
  const Market& market = markets_[order.symbol];
  if (!plain || order.quantity.value <= 0 || order.price.value == 0) [[unlikely]] {
    const Reason reason = refusal_of_terms(order);
    if (reason != Reason::kNone) return reason;
  }
  if (restricted_ && state_of(order.symbol, order.account) != TradingState::kActive) return Reason::kTradingState;
  const ReadyLimits& limits = limits_of(order.account);
  if (order.quantity.value > limits.instruments[order.symbol].max_quantity) return Reason::kMaxOrderQuantity;
  if ((plain || order.type == OrderType::kLimit) && (market.band_ppm | limits.band_ppm) == 0) [[likely]] {
    if (order.price < market.min_price || order.price > market.max_price) return Reason::kPriceBand;
  } else if (const Reason reason = refusal_of_price(order); reason != Reason::kNone) {
    return reason;
  }
  const bool rests = plain ? stays(order.time_in_force) : can_rest(order);
  if (limits.any) {
    const Price price = plain ? order.price : open_price(order);
    const Reason reason = refusal_of_exposure(order, rests, order.quantity, price, {0}, {0});
    if (reason != Reason::kNone) return reason;
  }
  if (!plain && (order.flags & kPostOnly) != 0 && market.book.crosses(order.side, order.price))
    return Reason::kWouldCross;
  if (!rests) return Reason::kNone;
  // Decided before anything trades: whether it will have to rest is not known yet, that it can is.
  if (open_ >= open_max_) return Reason::kEngineCapacity;
  return market.level_may_fill ? refusal_of_room(order, order.quantity, order.price) : Reason::kNone;
}

Reason Engine::refusal_of_terms(const Order& order) const {
  static constexpr Extras kNone{};
  const Extras& extras = order.extras == 0 ? kNone : extras_[order.extras];
  const bool limit = order.type == OrderType::kLimit || order.type == OrderType::kStopLimit;
  const bool stop = order.type == OrderType::kStop || order.type == OrderType::kStopLimit;
  const bool gtd = order.time_in_force == TimeInForce::kGtd;
  const bool lasts = stays(order.time_in_force);
  if (order.quantity.value <= 0) return Reason::kInvalidField;
  if ((order.price.value != 0) != limit) return Reason::kInvalidField;
  if ((extras.stop_price.value != 0) != stop) return Reason::kInvalidField;
  if (order.type == OrderType::kMarket && lasts) return Reason::kInvalidField;
  if ((extras.expire_at.value != 0) != gtd) return Reason::kInvalidField;
  if ((order.flags & kPostOnly) != 0 && (order.type != OrderType::kLimit || !lasts)) return Reason::kInvalidField;
  if (extras.display.value < 0 || extras.display > order.quantity) return Reason::kInvalidField;
  if (extras.display.value != 0 && (!limit || !lasts)) return Reason::kInvalidField;
  return gtd && extras.expire_at <= time_ ? Reason::kStale : Reason::kNone;
}

// Limit and stop price against the instrument's allowed prices and the bands.
Reason Engine::refusal_of_price(const Order& order) const {
  const InstrumentLimits& limits = instruments_[order.symbol];
  const auto allowed = [&](Price price) { return price >= limits.min_price && price <= limits.max_price; };
  const bool limited = order.type == OrderType::kLimit || order.type == OrderType::kStopLimit;
  if (limited && !allowed(order.price)) return Reason::kPriceBand;
  const bool waits = order.type >= OrderType::kStop;
  const Price stop_price = waits ? extras_[order.extras].stop_price : Price{0};
  if (waits && !allowed(stop_price)) return Reason::kPriceBand;
  const std::uint32_t band = band_of(order);
  if (band == 0 || !limited) return Reason::kNone;
  return within_band(order.price, waits ? stop_price : reference(order.symbol), band) ? Reason::kNone
                                                                                      : Reason::kPriceBand;
}

// The narrower of the instrument's and the account's; 0 if there is none.
std::uint32_t Engine::band_of(const Order& order) const {
  const std::uint32_t instrument = instruments_[order.symbol].band_ppm;
  const std::uint32_t account = limits_of(order.account).band_ppm;
  if (instrument == 0 || account == 0) return instrument + account;
  return std::min(instrument, account);
}

// Before the first trade the price of the instrument file; 0 if there is none.
Price Engine::reference(std::uint32_t symbol) const {
  const Price last = markets_[symbol].last;
  return last.value != 0 ? last : instruments_[symbol].reference_price;
}

bool Engine::within_band(Price price, Price reference, std::uint32_t band_ppm) const {
  if (reference.value == 0) return true;
  const Wide distance = Wide{reference.value} * band_ppm / 1'000'000;
  const Wide off = Wide{price.value} - reference.value;
  return off <= distance && -off <= distance;
}

Notional Engine::notional_of(std::uint32_t symbol, Price price, Quantity quantity) const {
  return Notional(price.value) * Notional(quantity.value) * units_.unit(symbol);
}

// The price by which an order counts: limit, else stop, else what a MARKET order would probably pay.
[[gnu::always_inline]] inline Price Engine::open_price(const Order& order) const {
  if (order.price.value != 0) return order.price;
  if (order.type == OrderType::kStop) return extras_[order.extras].stop_price;
  const Price last = reference(order.symbol);
  if (last.value != 0) return last;
  const Side makers = opposite(order.side);
  const Price best = markets_[order.symbol].book.best(makers);
  return best == Book::none(makers) ? Price{0} : best;
}

// The account's limits, for an order of this quantity and price that takes the place of what is open already (0:
// nothing), and can rest or not. Quantity is the total; what was executed of it is in the position.
[[gnu::always_inline]] inline Reason Engine::refusal_of_exposure(const Order& order, bool rests, Quantity quantity,
                                                                 Price price, Quantity open_before,
                                                                 Price price_before) const {
  const ReadyLimits& limits = limits_of(order.account);
  if (!limits.any) return Reason::kNone;
  const ReadyLimits::PerInstrument& of_symbol = limits.instruments[order.symbol];
  const Account& account = accounts_[order.account];
  const std::int64_t leaves = quantity.value - order.executed.value;
  const Notional product = Notional(price.value) * Notional(quantity.value);
  if (product > of_symbol.max_order_product) return Reason::kMaxOrderNotional;
  if (rests) {
    const std::uint64_t unit = markets_[order.symbol].unit;
    Notional others = account.open_notional;
    Notional its_own = product;
    if (open_before.value == 0) [[likely]] {
      if (account.open_orders >= limits.max_open_orders) return Reason::kMaxOpenOrders;
    } else {
      others -= Notional(price_before.value) * Notional(open_before.value) * unit;
      its_own = Notional(price.value) * Notional(leaves);
    }
    if (others + its_own * unit > limits.max_open_notional) return Reason::kMaxOpenNotional;
  }
  const Exposure* exposure = accounts_.find_exposure(order.account, order.symbol);
  if (exposure == nullptr) return leaves > of_symbol.max_position ? Reason::kMaxPosition : Reason::kNone;
  const Wide reach = exposure->reach(order.side) + (leaves - open_before.value);
  return reach > of_symbol.max_position ? Reason::kMaxPosition : Reason::kNone;
}

// The sum of a level must stay below kValueMax.
Reason Engine::refusal_of_room(const Order& order, Quantity quantity, Price price) const {
  const Market& market = markets_[order.symbol];
  if (!market.level_may_fill || order.type == OrderType::kStop) return Reason::kNone;
  const std::int64_t there =
      market.book.quantity_at(order.side, price).value + market.book.hidden_at(order.side, price).value;
  return there > kValueMax - quantity.value ? Reason::kEngineCapacity : Reason::kNone;
}

// What those who ask are shown of it.
std::optional<AccountView> Engine::account_view(std::string_view name) const {
  const std::uint32_t account = accounts_.find(name);
  if (account == accounts_.size()) return std::nullopt;
  AccountView view{.limits = limits_of(account).given,
                   .open_orders = accounts_[account].open_orders,
                   .open_notional = units_.decimal(accounts_[account].open_notional),
                   .positions = {}};
  for (std::uint32_t instrument = 0; instrument < instruments(); ++instrument) {
    const Exposure* exposure = accounts_.find_exposure(account, instrument);
    if (exposure == nullptr || exposure->position() == 0) continue;
    view.positions.emplace_back(instrument, static_cast<std::int64_t>(exposure->position()));
  }
  return view;
}

}  // namespace ordergate::core
