// Engine::state_hash: a walk over all state in an order that only the commands decide.
#include <algorithm>

#include "core/engine.h"
#include "core/state_hash.h"

namespace ordergate::core {
namespace {

void add_decimal(StateHash& hash, Decimal decimal) {
  hash.add(decimal.mantissa);
  hash.add(std::uint64_t{decimal.digits});
}

void add_wide(StateHash& hash, Wide value) { hash.add(static_cast<Notional>(value)); }

}  // namespace

void Engine::add_order(StateHash& hash, const Order& order) const {
  hash.add(order.id);
  hash.add(order.price);
  hash.add(order.quantity);
  hash.add(order.executed);
  hash.add(accounts_.name(order.account));
  hash.add(symbols_.name(order.symbol));
  hash.add(std::uint64_t{order.version} | std::uint64_t{order.content} << 32);
  hash.add(order.notional);
  hash.add(order.queued_at);
  hash.add(order.updated_at);
  hash.add(order.last_seq);
  hash.add(std::uint64_t{order.age_us});
  hash.add(static_cast<std::uint64_t>(order.side) | static_cast<std::uint64_t>(order.type) << 8 |
           static_cast<std::uint64_t>(order.time_in_force) << 16 | static_cast<std::uint64_t>(order.flags) << 24 |
           static_cast<std::uint64_t>(order.status) << 32 | static_cast<std::uint64_t>(order.reject_reason) << 40 |
           static_cast<std::uint64_t>(order.stp) << 48);
  hash.add(order.command_id());
  if (order.extras == 0) return;
  const Extras& extras = extras_[order.extras];
  hash.add(extras.stop_price);
  hash.add(extras.display);
  hash.add(extras.hidden);
  hash.add(extras.expire_at);
  hash.add(extras.arrival);
  hash.add(extras.accepted);
  hash.add(labels_.text(extras.stp_group));
  hash.add(labels_.text(extras.tag));
  hash.add(labels_.text(extras.session));
  hash.add(std::uint64_t{extras.cancel_on_disconnect});
}

// Levels from the best on, orders from the oldest on, then the stops.
void Engine::add_market(StateHash& hash, const Market& market) const {
  hash.add(market.last);
  hash.add(static_cast<std::uint64_t>(market.state));
  const NodePool& nodes = orders_.nodes();
  for (const Side side : {Side::kBuy, Side::kSell}) {
    for (Price price = market.book.best(side); price != Book::none(side); price = market.book.worse(side, price)) {
      hash.add(price);
      for (std::uint32_t node = market.book.level(side, price).head; node != 0; node = nodes[node].next) {
        hash.add(nodes[node].leaves);
        add_order(hash, orders_[node]);
      }
    }
  }
  if (market.stops.empty()) return;
  for (const Stops::Stop& stop : market.stops.by_arrival()) add_order(hash, orders_[stop.order]);
}

void Engine::add_account(StateHash& hash, std::uint32_t index) const {
  const Account& account = accounts_[index];
  hash.add(accounts_.name(index));
  hash.add(account.last_seq);
  hash.add(account.open_notional);
  hash.add(std::uint64_t{account.open_orders} | static_cast<std::uint64_t>(account.state) << 32);
  for (std::uint32_t instrument = 0; instrument < instruments(); ++instrument) {
    const Exposure* exposure = accounts_.find_exposure(index, instrument);
    if (exposure == nullptr || exposure->none()) continue;
    hash.add(std::uint64_t{instrument});
    add_wide(hash, exposure->position());
    for (const Side side : {Side::kBuy, Side::kSell}) add_wide(hash, exposure->open(side));
  }
  if (account.limits == 0) return;
  const Limits& limits = limits_[account.limits].given;
  for (const Decimal limit :
       {limits.max_order_quantity, limits.max_order_notional, limits.max_open_notional, limits.max_position}) {
    add_decimal(hash, limit);
  }
  hash.add(std::uint64_t{limits.max_open_orders} | std::uint64_t{limits.band_ppm} << 32);
}

std::string Engine::state_hash() const {
  StateHash hash;
  hash.add(time_);
  hash.add(counters_.commands);
  hash.add(counters_.events);
  hash.add(counters_.trades);
  hash.add(accepted_);
  hash.add(static_cast<std::uint64_t>(state_));
  for (std::uint32_t account = 0; account < accounts_.size(); ++account) add_account(hash, account);
  for (const Market& market : markets_) add_market(hash, market);
  for (std::uint32_t n = 0; n < orders_.ended(); ++n) add_order(hash, orders_[orders_.ended(n)]);
  window_.add_to(hash);
  return hash.hex();
}

}  // namespace ordergate::core
