// The resting orders of one instrument in price-time priority.
#pragma once

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
  Price best(Side side) const { return side == Side::kBuy ? best_bid_ : best_ask_; }

  // True if an incoming order of `side` with this limit would trade.
  bool crosses(Side side, Price limit) const { return side == Side::kBuy ? limit >= best_ask_ : limit <= best_bid_; }

  // Oldest order at the best price of the side. REQUIRES: the side has orders.
  std::uint32_t front(Side side) const { return level(side, best(side)).head; }

  // Quantity at the price; 0 if no order is there.
  Quantity quantity_at(Side side, Price price) const;

  // True if an incoming order of `side` finds at least `wanted` at `limit` or better.
  bool can_fill(Side side, Price limit, Quantity wanted) const;

  // Puts a node with price and leaves set at the back of its level.
  void push_back(Side side, std::uint32_t node);

  // Takes the node out; the caller releases it.
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

  Far& far(Side side) { return side == Side::kBuy ? far_bids_ : far_asks_; }
  const Far& far(Side side) const { return side == Side::kBuy ? far_bids_ : far_asks_; }
  Price& best_ref(Side side) { return side == Side::kBuy ? best_bid_ : best_ask_; }
  bool improves(Side side, Price price) const { return side == Side::kBuy ? price > best_bid_ : price < best_ask_; }

  Level& occupied(Side side, Price price);
  void erase_level(Side side, Price price);
  void follow(Side side, Price price);
  void move_window(Price centre);
  void pull_in(Far& levels);

  NodePool& nodes_;
  Price best_bid_ = kNoBid;
  Price best_ask_ = kNoAsk;
  std::uint32_t pushes_ = 0;  // since the window moved, up to kPushesPerMove
  Ladder near_;
  Far far_bids_;
  Far far_asks_;
};

}  // namespace ordergate::core
