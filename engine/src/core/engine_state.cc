// Engine::save and Engine::load: the whole state as bytes, and back.
#include <algorithm>

#include "core/engine.h"
#include "core/state_io.h"

namespace ordergate::core {
namespace {

constexpr std::size_t kNameMax = 256;
// Beyond all that instruments and limits allow (rpc/command_rows), and below where sums could overflow.
constexpr std::uint32_t kBandMax = 1'000'000'000;
constexpr Wide kPositionMax = Wide{1} << 100;

void put_decimal(StateWriter& out, Decimal decimal) {
  out.put(decimal.mantissa);
  out.put(decimal.digits);
}

Decimal get_decimal(StateReader& in) {
  Decimal decimal;
  decimal.mantissa = in.get<std::uint64_t>();
  decimal.digits = in.get<std::uint32_t>();
  in.require(decimal.mantissa <= kValueMax && decimal.digits <= 18);
  return in.ok() ? decimal : Decimal{};
}

void put_limits(StateWriter& out, const Limits& limits) {
  put_decimal(out, limits.max_order_quantity);
  put_decimal(out, limits.max_order_notional);
  out.put(limits.max_open_orders);
  put_decimal(out, limits.max_open_notional);
  put_decimal(out, limits.max_position);
  out.put(limits.band_ppm);
}

Limits get_limits(StateReader& in) {
  Limits limits;
  limits.max_order_quantity = get_decimal(in);
  limits.max_order_notional = get_decimal(in);
  limits.max_open_orders = in.get<std::uint32_t>();
  limits.max_open_notional = get_decimal(in);
  limits.max_position = get_decimal(in);
  limits.band_ppm = in.get<std::uint32_t>();
  in.require(limits.band_ppm <= kBandMax);
  return limits;
}

// True if the order has a limit price.
bool is_priced(const Order& order) { return order.type == OrderType::kLimit || order.type == OrderType::kStopLimit; }

}  // namespace

void Engine::save(StateWriter& out) const {
  out.put(time_);
  out.put(counters_.commands);
  out.put(counters_.events);
  out.put(counters_.trades);
  out.put(accepted_);
  out.put(state_);
  out.put(symbols_.size() - instruments());
  for (std::uint32_t symbol = instruments(); symbol < symbols_.size(); ++symbol) out.put(symbols_.name(symbol));
  out.put(accounts_.size());
  for (std::uint32_t account = 0; account < accounts_.size(); ++account) save_account(out, account);
  for (const Market& market : markets_) save_market(out, market);
  out.put(orders_.ended());
  for (std::uint32_t n = 0; n < orders_.ended(); ++n) save_order(out, orders_.ended(n));
  window_.save(out);
  out.flush();
}

void Engine::save_account(StateWriter& out, std::uint32_t index) const {
  const Account& account = accounts_[index];
  out.put(accounts_.name(index));
  out.put(account.last_seq);
  out.put(account.state);
  out.put(static_cast<std::uint8_t>(account.limits != 0));
  if (account.limits != 0) put_limits(out, limits_[account.limits].given);
  std::uint32_t held = 0;
  const auto each = [&](const auto& act) {
    for (std::uint32_t instrument = 0; instrument < instruments(); ++instrument) {
      const Exposure* exposure = accounts_.find_exposure(index, instrument);
      if (exposure != nullptr && exposure->position() != 0) act(instrument, exposure->position());
    }
  };
  each([&](std::uint32_t, Wide) { ++held; });
  out.put(held);
  each([&](std::uint32_t instrument, Wide position) {
    out.put(instrument);
    out.put(position);
  });
}

void Engine::save_market(StateWriter& out, const Market& market) const {
  out.put(market.last);
  out.put(market.state);
  const NodePool& nodes = orders_.nodes();
  for (const Side side : {Side::kBuy, Side::kSell}) {
    for (Price price = market.book.best(side); price != Book::none(side); price = market.book.worse(side, price)) {
      for (std::uint32_t node = market.book.level(side, price).head; node != 0; node = nodes[node].next) {
        out.put(std::uint8_t{1});
        save_order(out, node);
      }
    }
  }
  out.put(std::uint8_t{0});
  const auto stops = market.stops.empty() ? std::vector<Stops::Stop>{} : market.stops.by_arrival();
  out.put(static_cast<std::uint32_t>(stops.size()));
  for (const Stops::Stop& stop : stops) save_order(out, stop.order);
}

void Engine::save_order(StateWriter& out, std::uint32_t index) const {
  const Order& order = orders_[index];
  out.put(order.id);
  out.put(order.price);
  out.put(order.quantity);
  out.put(order.executed);
  out.put(order.account);
  out.put(order.symbol);
  out.put(order.version);
  out.put(order.side);
  out.put(order.type);
  out.put(order.time_in_force);
  out.put(order.flags);
  out.put(order.status);
  out.put(order.reject_reason);
  out.put(order.stp);
  out.put(order.notional);
  out.put(order.queued_at);
  out.put(order.updated_at);
  out.put(order.last_seq);
  out.put(order.age_us);
  out.put(order.content);
  out.put(order.command_id());
  out.put(static_cast<std::uint8_t>(order.extras != 0));
  if (order.extras == 0) return;
  const Extras& extras = extras_[order.extras];
  out.put(extras.stop_price);
  out.put(extras.display);
  out.put(extras.hidden);
  out.put(extras.expire_at);
  out.put(extras.arrival);
  out.put(extras.accepted);
  for (const std::uint32_t label : {extras.stp_group, extras.tag, extras.session}) out.put(labels_.text(label));
  out.put(static_cast<std::uint8_t>(extras.cancel_on_disconnect));
}

bool Engine::load(StateReader& in) {
  time_ = {in.get<std::int64_t>()};
  counters_.commands = in.get<std::uint64_t>();
  counters_.events = in.get<std::uint64_t>();
  counters_.trades = in.get<std::uint64_t>();
  accepted_ = in.get<std::uint64_t>();
  state_ = in.get_enum(TradingState::kActive, TradingState::kBlocked);
  in.require(time_.value >= 0);
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const std::uint32_t before = symbols_.size();
    symbols_.intern(in.text(kNameMax));
    in.require(symbols_.size() == before + 1);
  }
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) load_account(in);
  for (std::uint32_t symbol = 0; symbol < instruments() && in.ok(); ++symbol) load_market(in, symbol);
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const std::uint32_t index = load_order(in);
    if (index == 0) break;
    in.require(!is_live(orders_[index].status));
    orders_.end(index);
  }
  if (in.ok()) window_.load(in);
  restricted_ = true;  // a state may be among what was loaded
  return in.ok() && in.done();
}

void Engine::load_account(StateReader& in) {
  const std::uint32_t before = accounts_.size();
  const std::uint32_t index = accounts_.intern(in.text(kNameMax));
  in.require(accounts_.size() == before + 1);
  accounts_[index].last_seq = {in.get<std::uint64_t>()};
  accounts_[index].state = in.get_enum(TradingState::kActive, TradingState::kBlocked);
  if (in.flag()) {
    accounts_[index].limits = static_cast<std::uint32_t>(limits_.size());
    limits_.push_back(make_ready(get_limits(in), instruments_, units_));
  }
  std::uint32_t next = 0;
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const auto instrument = in.get<std::uint32_t>();
    const auto position = in.get<Wide>();
    in.require(instrument >= next && instrument < instruments() && position <= kPositionMax &&
               position >= -kPositionMax);
    if (in.ok()) accounts_.exposure(index, instrument) = Exposure(position);
    next = instrument + 1;
  }
}

void Engine::load_market(StateReader& in, std::uint32_t symbol) {
  Market& market = markets_[symbol];
  market.last = {in.get<std::int64_t>()};
  market.state = in.get_enum(TradingState::kActive, TradingState::kBlocked);
  in.require(market.last.value >= 0);
  while (in.flag()) {
    const std::uint32_t index = load_order(in);
    if (index == 0) return;
    const Order& order = orders_[index];
    const bool rests = order.symbol == symbol && is_priced(order) && stays(order.time_in_force) &&
                       within_range(symbol, order.price) &&
                       (order.status == OrderStatus::kOpen || order.status == OrderStatus::kPartiallyFilled) &&
                       !market.book.crosses(order.side, order.price) &&
                       refusal_of_room(order, order.leaves(), order.price) == Reason::kNone;
    in.require(rests && open_ < open_max_);
    if (in.ok()) load_resting(in, index);
  }
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const std::uint32_t index = load_order(in);
    if (index == 0) return;
    const Order& order = orders_[index];
    in.require(order.symbol == symbol && order.status == OrderStatus::kUntriggered && order.extras != 0 &&
               order.executed.value == 0 && order.type >= OrderType::kStop && open_ < open_max_ &&
               within_range(symbol, extras_[order.extras].stop_price) &&
               (is_priced(order) ? within_range(symbol, order.price) : order.price.value == 0));
    if (in.ok()) wait(index);
  }
}

bool Engine::within_range(std::uint32_t symbol, Price price) const {
  return price >= instruments_[symbol].min_price && price <= instruments_[symbol].max_price;
}

// Puts an order at the back of its level, an iceberg with what it shows now.
void Engine::load_resting(StateReader& in, std::uint32_t index) {
  const Order& order = orders_[index];
  const Quantity hidden = order.extras == 0 ? Quantity{0} : extras_[order.extras].hidden;
  in.require(hidden.value >= 0 && hidden < order.leaves() &&
             (hidden.value == 0 || extras_[order.extras].display.value > 0));
  if (!in.ok()) return;
  rest(index);
  if (order.extras == 0) return;
  Book& book = markets_[order.symbol].book;
  Extras& extras = extras_[order.extras];
  if (extras.hidden == hidden) return;
  // What it shows is not a fresh part: put it there again with what was seen of it.
  book.remove(order.side, index);
  if (extras.hidden.value != 0) book.hide(order.side, order.price, {-extras.hidden.value});
  extras.hidden = hidden;
  orders_.nodes()[index].leaves = order.leaves() - hidden;
  if (hidden.value != 0) book.hide(order.side, order.price, hidden);
  book.push_back(order.side, index);
}

// Index of the order; 0 if it can't be.
std::uint32_t Engine::load_order(StateReader& in) {
  const auto id = in.get<OrderId>();
  in.require(orders_.find(id) == 0 && !orders_.full());
  if (!in.ok()) return 0;
  const std::uint32_t index = orders_.restore(id);
  Order& order = orders_[index];
  order = {};
  orders_.nodes()[index] = {};
  order.id = id;
  order.price = {in.get<std::int64_t>()};
  order.quantity = {in.get<std::int64_t>()};
  order.executed = {in.get<std::int64_t>()};
  order.account = in.get<std::uint32_t>();
  order.symbol = in.get<std::uint32_t>();
  order.version = in.get<std::uint32_t>();
  order.side = in.get_enum(Side::kBuy, Side::kSell);
  order.type = in.get_enum(OrderType::kLimit, OrderType::kStopLimit);
  order.time_in_force = in.get_enum(TimeInForce::kGtc, TimeInForce::kFok);
  order.flags = in.get<std::uint8_t>();
  order.status = in.get_enum(OrderStatus::kOpen, OrderStatus::kUntriggered);
  order.reject_reason = in.get_enum(Reason::kNone, Reason::kEngineCapacity);
  order.stp = in.get_enum(SelfTradePrevention::kUnspecified, SelfTradePrevention::kDecrement);
  order.notional = in.get<Notional>();
  order.queued_at = {in.get<std::int64_t>()};
  order.updated_at = {in.get<std::int64_t>()};
  order.last_seq = {in.get<std::uint64_t>()};
  order.age_us = in.get<std::uint32_t>();
  order.content = in.get<std::uint32_t>();
  const std::string_view text = in.text(kCommandIdMax);
  order.command_id_size = static_cast<std::uint8_t>(text.size());
  if (!text.empty()) std::memcpy(order.text, text.data(), text.size());
  const bool open = is_live(order.status);
  in.require(order.account < accounts_.size() && order.symbol < symbols_.size());
  in.require(!open || (order.symbol < instruments() && order.executed < order.quantity));
  in.require(order.executed.value >= 0 && (order.executed.value == 0 || order.executed <= order.quantity));
  in.require(!open || order.symbol >= instruments() || order.quantity <= instruments_[order.symbol].max_quantity);
  if (in.flag()) load_extras(in, order);
  if (!in.ok()) return 0;
  if (open && order.extras != 0 && extras_[order.extras].expire_at.value != 0) {
    expiries_.add({extras_[order.extras].expire_at.value, extras_[order.extras].accepted, index});
  }
  return index;
}

void Engine::load_extras(StateReader& in, Order& order) {
  Extras extras{};
  extras.stop_price = {in.get<std::int64_t>()};
  extras.display = {in.get<std::int64_t>()};
  extras.hidden = {in.get<std::int64_t>()};
  extras.expire_at = {in.get<std::int64_t>()};
  extras.arrival = in.get<std::uint64_t>();
  extras.accepted = in.get<std::uint64_t>();
  extras.stp_group = labels_.use(in.text(kCommandIdMax));
  extras.tag = labels_.use(in.text(kCommandIdMax));
  extras.session = labels_.use(in.text(kCommandIdMax));
  extras.cancel_on_disconnect = in.flag();
  const bool open = is_live(order.status);
  in.require(!open || (extras.stop_price.value >= 0 && extras.stop_price.value <= kValueMax &&
                       extras.display.value >= 0 && extras.hidden.value >= 0));
  order.extras = static_cast<std::uint32_t>(extras_.size());
  extras_.push_back(extras);
}

}  // namespace ordergate::core
