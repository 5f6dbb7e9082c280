// The resting orders of one instrument in price-time priority.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>

#include "core/ladder.h"
#include "core/pool.h"
#include "core/types.h"

namespace ordergate::core {

// Two tiers behind one interface: prices near the touch lie in a ladder, those far away in maps. The ladder follows the
// touch by rules that depend on the commands alone. Nodes belong to the pool that the books of a shard share.
class Book {
 public:
  // best() of a side without orders. No limit crosses it, not even a MARKET order's.
  static constexpr Price kNoBid{std::numeric_limits<std::int64_t>::min()};
  static constexpr Price kNoAsk{std::numeric_limits<std::int64_t>::max()};
  static constexpr Price none(Side side) { return side == Side::kBuy ? kNoBid : kNoAsk; }

  explicit Book(NodePool& nodes) : nodes_(nodes) {}

  // Best price of the side, or none(side).
  Price best(Side side) const { return best_[place(side)]; }

  // True if an incoming order of `side` with this limit would trade.
  bool crosses(Side side, Price limit) const { return !before(side, limit, best(opposite(side))); }

  // Oldest order at the best price of the side. REQUIRES: the side has orders.
  std::uint32_t front(Side side) const { return level(side, best(side)).head; }

  // Visible quantity at the price; 0 if no order is there.
  Quantity quantity_at(Side side, Price price) const;

  // What icebergs have there beside it.
  Quantity hidden_at(Side side, Price price) const {
    const auto& hidden = hidden_[place(side)];
    if (hidden.empty()) return {0};
    const auto found = hidden.find(price.value);
    return found == hidden.end() ? Quantity{0} : found->second;
  }
  // Icebergs at the price have `by` more hidden (less, if negative).
  void hide(Side side, Price price, Quantity by);

  // True if an incoming order of `side` finds at least `wanted` at `limit` or better, hidden parts included.
  bool can_fill(Side side, Price limit, Quantity wanted) const;

  // Puts a node with price and leaves set at the back of its level.
  void push_back(Side side, std::uint32_t node);

  // Fetches the level of a price that will be asked for soon.
  void prefetch(Price price) const {
    if (near_.contains(price)) __builtin_prefetch(&near_[price], 1);
  }

  // Takes the node out.
  void remove(Side side, std::uint32_t node);

  // Takes `by` off the node, which keeps its place. REQUIRES: by < leaves.
  void reduce(Side side, std::uint32_t node, Quantity by);

  // Next price of the side that is worse than `price`, or none(side).
  Price worse(Side side, Price price) const;

  // The level of an occupied price.
  const Level& level(Side side, Price price) const;

 private:
  using Far = std::map<std::int64_t, Level>;

  // A window that has just moved stays for this many insertions: two sides further apart than the window would
  // otherwise move it back and forth with every order.
  static constexpr std::uint32_t kPushesPerMove = 4096;

  // Whose turn it is can't be foretold, so that side is an index and a mask here, and no branch.
  static constexpr std::size_t place(Side side) { return static_cast<std::size_t>(side) - 1; }
  // True if a buyer thinks `a` lower than `b`, a seller higher. Not-ing all bits turns the order around.
  static constexpr bool before(Side side, Price a, Price b) {
    const std::int64_t mask = -static_cast<std::int64_t>(place(side));
    return (a.value ^ mask) < (b.value ^ mask);
  }

  Far& far(Side side) { return far_[place(side)]; }
  const Far& far(Side side) const { return far_[place(side)]; }
  bool improves(Side side, Price price) const { return before(side, best(side), price); }

  Level& occupied(Side side, Price price);
  void erase_level(Side side, Price price);
  void follow(Side side, Price price);
  void move_window(Price centre);
  void pull_in(Far& levels);

  NodePool& nodes_;
  std::array<Price, 2> best_{kNoBid, kNoAsk};  // by place()
  std::uint32_t pushes_ = 0;                   // since the window moved, up to kPushesPerMove
  Ladder near_;
  std::array<Far, 2> far_;                                  // by place()
  std::array<std::map<std::int64_t, Quantity>, 2> hidden_;  // by place(); hidden parts of icebergs, by price
};

// Here for every resting order and every one that leaves: compiled into their callers.
inline const Level& Book::level(Side side, Price price) const {
  return near_.contains(price) ? near_[price] : far(side).find(price.value)->second;
}

inline Level& Book::occupied(Side side, Price price) {
  return near_.contains(price) ? near_[price] : far(side).find(price.value)->second;
}

[[gnu::always_inline]] inline void Book::push_back(Side side, std::uint32_t index) {
  Node& node = nodes_[index];
  if (pushes_ < kPushesPerMove) ++pushes_;
  if (!near_.contains(node.price)) [[unlikely]]
    follow(side, node.price);
  Level& level = near_.contains(node.price) ? near_[node.price] : far(side)[node.price.value];
  node.prev = level.tail;
  node.next = 0;
  if (level.empty()) {
    level.head = index;
    if (near_.contains(node.price)) near_.mark(node.price);
    if (improves(side, node.price)) best_[place(side)] = node.price;
  } else {
    nodes_[level.tail].next = index;
  }
  level.tail = index;
  level.quantity += node.leaves;
}

[[gnu::always_inline]] inline void Book::remove(Side side, std::uint32_t index) {
  const Node& node = nodes_[index];
  Level& level = occupied(side, node.price);
  (node.prev != 0 ? nodes_[node.prev].next : level.head) = node.next;
  (node.next != 0 ? nodes_[node.next].prev : level.tail) = node.prev;
  level.quantity -= node.leaves;
  if (level.empty()) erase_level(side, node.price);
}

}  // namespace ordergate::core
