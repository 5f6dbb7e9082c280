// Engine: changes of open orders.
#include <algorithm>

#include "core/engine.h"

namespace ordergate::core {
namespace {

std::uint32_t content_of_amend(const OrderId& target, std::uint64_t symbol, Price price, Quantity quantity,
                               const AmendTerms* terms, std::uint64_t version) {
  std::uint64_t hash = StateHash::mix(target.first ^ 3) ^ target.second;
  hash = StateHash::mix(hash ^ symbol);
  hash = StateHash::mix(hash ^ word(price.value));
  hash = StateHash::mix(hash ^ word(quantity.value));
  hash = StateHash::mix(hash ^ version);
  if (terms != nullptr) {
    hash = StateHash::mix(hash ^ word(terms->stop_price.value));
    hash = StateHash::mix(hash ^ word(terms->expire_at.value));
    hash = StateHash::mix(hash ^ (terms->decimal ? 1u : 0u) ^ std::uint64_t{terms->limit_price_digits} << 8 ^
                          std::uint64_t{terms->quantity_digits} << 16 ^ std::uint64_t{terms->stop_price_digits} << 24);
  }
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

void Engine::amend_order(EventSink& sink) {
  look_ahead_of_target();
  const CommandFrame& frame = *frame_;
  const std::uint32_t target_row = at_.target++;
  const std::uint32_t row = at_.amend++;
  const bool more_terms = at_.amend_terms != frame.amend_terms.size() && frame.amend_terms[at_.amend_terms].row == row;
  const AmendTerms* const terms = more_terms ? &frame.amend_terms[at_.amend_terms++] : nullptr;
  const OrderId target = OrderId::read(frame.targets + target_row * sizeof(OrderId));
  const std::uint64_t version = expected_version();
  const OrderId id = key();
  const std::uint32_t named = frame.amend_symbols[row];
  const std::uint64_t symbol = named == kNoSymbol ? 0 : frame_symbols_[named].hash;
  const std::uint32_t content =
      content_of_amend(target, symbol, frame.amend_prices[row], frame.amend_quantities[row], terms, version);
  const std::uint32_t index = own_target(target, hints_[target_row % hints_.size()]);
  if (seen_before(id, content, index, sink)) return;
  remember(id, content);

  if (place_.stale || index == 0) {
    show(sink, EventKind::kAmendRejected, index, place_.stale ? Reason::kStale : Reason::kUnknownOrder);
    return;
  }
  const Order& order = orders_[index];
  const Amendment amendment = read_amend(row, terms, order);
  const bool given = frame.amend_prices[row].value != 0 || frame.amend_quantities[row].value != 0 ||
                     (terms != nullptr && (terms->stop_price.value != 0 || terms->expire_at.value != 0));
  const Reason reason = refusal_of_amend(order, amendment, version, named, given);
  if (reason != Reason::kNone) {
    show(sink, EventKind::kAmendRejected, index, reason);
    return;
  }
  amend(index, amendment, sink);
}

// The order's terms as they would be.
Engine::Amendment Engine::read_amend(std::uint32_t row, const AmendTerms* terms, const Order& order) const {
  const Extras* of = extras(order);
  Amendment amendment{.price = frame_->amend_prices[row],
                      .quantity = frame_->amend_quantities[row],
                      .stop_price = terms == nullptr ? Price{0} : terms->stop_price,
                      .expire_at = terms == nullptr ? Time{0} : terms->expire_at};
  const bool negative = amendment.price.value < 0 || amendment.quantity.value < 0 || amendment.stop_price.value < 0;
  if (negative) amendment.reason = Reason::kInvalidField;
  if (terms != nullptr && terms->decimal && order.symbol < markets_.size()) {
    const InstrumentLimits& instrument = instruments_[order.symbol];
    const auto steps = [&](std::int64_t& value, std::uint32_t digits, Decimal step, Reason reason) {
      if (value <= 0) return;
      value = exact_steps({word(value), digits}, step);
      if (value < 0 && amendment.reason == Reason::kNone) amendment.reason = reason;
    };
    steps(amendment.price.value, terms->limit_price_digits, instrument.price_increment, Reason::kPriceIncrement);
    steps(amendment.stop_price.value, terms->stop_price_digits, instrument.price_increment, Reason::kPriceIncrement);
    steps(amendment.quantity.value, terms->quantity_digits, instrument.lot_size, Reason::kLotSize);
  }
  if (amendment.price.value == 0) amendment.price = order.price;
  if (amendment.quantity.value == 0) amendment.quantity = order.quantity;
  if (amendment.stop_price.value == 0 && of != nullptr) amendment.stop_price = of->stop_price;
  if (amendment.expire_at.value == 0 && of != nullptr) amendment.expire_at = of->expire_at;
  return amendment;
}

// Order of precedence: RULES.md. `symbol` is the one that the client gave, `given` whether any field is.
Reason Engine::refusal_of_amend(const Order& order, const Amendment& amend, std::uint64_t version, std::uint32_t symbol,
                                bool given) const {
  if (!is_live(order.status)) return Reason::kTooLate;
  if (version != 0 && version != order.version) return Reason::kVersionMismatch;
  if (state_of(order.symbol, order.account) != TradingState::kActive) return Reason::kTradingState;
  if (symbol != kNoSymbol && frame_symbols_[symbol].number != order.symbol) return Reason::kUnknownSymbol;
  const Extras* of = extras(order);
  const bool limited = order.type == OrderType::kLimit || order.type == OrderType::kStopLimit;
  const bool waits = order.status == OrderStatus::kUntriggered;
  const bool new_stop = of != nullptr ? amend.stop_price != of->stop_price : amend.stop_price.value != 0;
  const bool new_expiry = of != nullptr ? amend.expire_at != of->expire_at : amend.expire_at.value != 0;
  if (!given || amend.reason == Reason::kInvalidField) return Reason::kInvalidField;
  if (!limited && amend.price.value != 0) return Reason::kInvalidField;
  if (!waits && new_stop) return Reason::kInvalidField;
  if (order.time_in_force != TimeInForce::kGtd && new_expiry) return Reason::kInvalidField;
  if (amend.reason != Reason::kNone) return amend.reason;
  if (new_expiry && amend.expire_at <= time_) return Reason::kStale;
  if (amend.quantity <= order.executed) return Reason::kNone;

  const ReadyLimits& limits = limits_of(order.account);
  if (amend.quantity > order.quantity && (amend.quantity > instruments_[order.symbol].max_quantity ||
                                          amend.quantity.value > limits.instruments[order.symbol].max_quantity)) {
    return Reason::kMaxOrderQuantity;
  }
  if (new_stop || amend.price != order.price) {
    const Reason reason = refusal_of_new_prices(order, amend, new_stop);
    if (reason != Reason::kNone) return reason;
  }
  if (keeps_priority(order, amend)) return Reason::kNone;
  const Price price = order.type == OrderType::kStop ? amend.stop_price : amend.price;
  const Reason exposure = refusal_of_exposure(order, true, amend.quantity, price, order.leaves(), open_price(order));
  if (exposure != Reason::kNone) return exposure;
  if (waits) return Reason::kNone;
  if ((order.flags & kPostOnly) != 0 && markets_[order.symbol].book.crosses(order.side, amend.price)) {
    return Reason::kWouldCross;
  }
  const Quantity there = amend.price == order.price ? order.leaves() : Quantity{0};
  return refusal_of_room(order, amend.quantity - order.executed - there, amend.price);
}

// The prices that change, against the instrument's allowed prices and the bands.
Reason Engine::refusal_of_new_prices(const Order& order, const Amendment& amend, bool new_stop) const {
  const InstrumentLimits& limits = instruments_[order.symbol];
  const bool new_price = amend.price != order.price;
  const auto allowed = [&](Price price) { return price >= limits.min_price && price <= limits.max_price; };
  if (new_price && !allowed(amend.price)) return Reason::kPriceBand;
  if (new_stop && !allowed(amend.stop_price)) return Reason::kPriceBand;
  const std::uint32_t band = band_of(order);
  if (band == 0 || order.type == OrderType::kStop) return Reason::kNone;
  const Price around = order.status == OrderStatus::kUntriggered ? amend.stop_price : reference(order.symbol);
  return within_band(amend.price, around, band) ? Reason::kNone : Reason::kPriceBand;
}

bool Engine::keeps_priority(const Order& order, const Amendment& amend) const {
  const Extras* of = extras(order);
  const Price stop_price = of == nullptr ? Price{0} : of->stop_price;
  return amend.price == order.price && amend.stop_price == stop_price && amend.quantity <= order.quantity;
}

void Engine::amend(std::uint32_t index, const Amendment& amend, EventSink& sink) {
  Order& order = orders_[index];
  if (amend.quantity <= order.executed) return cancel_rest(index, Cause::kUser, true, sink);
  const bool waits = order.status == OrderStatus::kUntriggered;
  const bool keeps = keeps_priority(order, amend);
  const bool new_stop = waits && amend.stop_price != extras_[order.extras].stop_price;
  revise(index, sink);
  if (order.extras != 0 && amend.expire_at != extras_[order.extras].expire_at) set_expiry(index, amend.expire_at);
  if (keeps && !waits) {
    amend_in_place(index, amend.quantity);
    tell(sink, EventKind::kAmended, index, true).priority_kept = true;
    return;
  }
  take_out(index);
  order.price = amend.price;
  order.quantity = amend.quantity;
  if (waits) {
    extras_[order.extras].stop_price = amend.stop_price;
    if (new_stop) extras_[order.extras].arrival = ++accepted_;
    tell(sink, EventKind::kAmended, index, true).priority_kept = !new_stop;
    if (new_stop && triggered_already(order)) return trigger(index, true, sink);
    return wait(index);
  }
  tell(sink, EventKind::kAmended, index, true);
  enter(index, order.price, order.time_in_force, true, sink);
}

// A lower total at the same place; of an iceberg its hidden part falls first. REQUIRES: the order rests, and something
// is left of it.
void Engine::amend_in_place(std::uint32_t index, Quantity quantity) {
  Order& order = orders_[index];
  Quantity less = order.quantity - quantity;
  if (less.value == 0) return;
  Book& book = markets_[order.symbol].book;
  add_open(order, order.price, -less.value);
  order.quantity = quantity;
  if (orders_.nodes()[index].iceberg) {
    Extras& extras = extras_[order.extras];
    const Quantity unseen = std::min(less, extras.hidden);
    if (unseen.value != 0) book.hide(order.side, order.price, {-unseen.value});
    extras.hidden -= unseen;
    less -= unseen;
  }
  if (less.value != 0) book.reduce(order.side, index, less);
}

void Engine::set_expiry(std::uint32_t index, Time expire_at) {
  Extras& extras = extras_[orders_[index].extras];
  expiries_.remove({extras.expire_at.value, extras.accepted, index});
  extras.expire_at = expire_at;
  expiries_.add({extras.expire_at.value, extras.accepted, index});
}

}  // namespace ordergate::core
