// Engine::state_hash: a walk over all state in an order that only the commands decide.
#include "core/engine.h"
#include "core/state_hash.h"

namespace ordergate::core {
namespace {

void add_order(StateHash& hash, const Order& order) {
  hash.add(order.id);
  hash.add(order.content);
  hash.add(order.price);
  hash.add(order.quantity);
  hash.add(order.executed);
  hash.add(std::uint64_t{order.version});
  hash.add(order.notional);
  hash.add(order.created_at);
  hash.add(order.queued_at);
  hash.add(order.updated_at);
  hash.add(order.last_seq);
  hash.add(static_cast<std::uint64_t>(order.side) | static_cast<std::uint64_t>(order.type) << 8 |
           static_cast<std::uint64_t>(order.time_in_force) << 16 | static_cast<std::uint64_t>(order.flags) << 24 |
           static_cast<std::uint64_t>(order.status) << 32 | static_cast<std::uint64_t>(order.reject_reason) << 40);
}

// Levels from the best on, orders from the oldest on.
void add_side(StateHash& hash, const Book& book, Side side, const NodePool& nodes, const Orders& orders) {
  for (Price price = book.best(side); price != Book::none(side); price = book.worse(side, price)) {
    hash.add(price);
    for (std::uint32_t node = book.level(side, price).head; node != 0; node = nodes[node].next) {
      hash.add(orders[nodes[node].order].id);
      hash.add(nodes[node].leaves);
    }
  }
}

}  // namespace

std::string Engine::state_hash() const {
  StateHash hash;
  hash.add(time_);
  hash.add(counters_.commands);
  hash.add(counters_.events);
  hash.add(counters_.trades);
  for (std::uint32_t account = 0; account < accounts_.size(); ++account) {
    hash.add(accounts_.name(account));
    hash.add(accounts_.last_seq(account));
  }
  for (std::uint32_t index = 1; index <= orders_.size(); ++index) {
    const Order& order = orders_[index];
    add_order(hash, order);
    hash.add(accounts_.name(order.account));
    hash.add(symbols_.name(order.symbol));
    hash.add(texts_.get(order.command_id));
  }
  for (std::uint32_t index = 1; index <= cancels_.size(); ++index) {
    const CancelRecord& cancel = cancels_[index];
    hash.add(cancel.id);
    hash.add(cancel.content);
    hash.add(accounts_.name(cancel.account));
    hash.add(cancel.order == 0 ? OrderId{} : orders_[cancel.order].id);
  }
  for (const Book& book : books_) {
    add_side(hash, book, Side::kBuy, nodes_, orders_);
    add_side(hash, book, Side::kSell, nodes_, orders_);
  }
  return hash.hex();
}

}  // namespace ordergate::core
