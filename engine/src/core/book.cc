#include "core/book.h"

#include <algorithm>
#include <cassert>

namespace ordergate::core {

Quantity Book::quantity_at(Side side, Price price) const {
  // A price of the ladder may belong to the other side, then it is worse than this side's best.
  if (improves(side, price)) return {0};
  if (near_.contains(price)) return near_[price].quantity;
  const auto found = far(side).find(price.value);
  return found == far(side).end() ? Quantity{0} : found->second.quantity;
}

bool Book::can_fill(Side side, Price limit, Quantity wanted) const {
  const Side makers = opposite(side);
  for (Price price = best(makers); price != none(makers); price = worse(makers, price)) {
    if (before(side, limit, price)) return false;
    const Quantity here = level(makers, price).quantity + hidden_at(makers, price);
    if (here >= wanted) return true;
    wanted -= here;
  }
  return false;
}

void Book::reduce(Side side, std::uint32_t index, Quantity by) {
  Node& node = nodes_[index];
  assert(by < node.leaves);
  node.leaves -= by;
  occupied(side, node.price).quantity -= by;
}

void Book::hide(Side side, Price price, Quantity by) {
  auto& hidden = hidden_[place(side)];
  const auto at = hidden.try_emplace(price.value, Quantity{0}).first;
  at->second += by;
  if (at->second.value == 0) hidden.erase(at);
}

void Book::erase_level(Side side, Price price) {
  if (near_.contains(price)) {
    near_.unmark(price);
  } else {
    far(side).erase(price.value);
  }
  if (price == best(side)) best_[place(side)] = worse(side, price);
}

// Below the best bid there are only bids in the ladder, above the best ask only asks: neither search needs to know
// whose a level is.
Price Book::worse(Side side, Price price) const {
  if (side == Side::kBuy) {
    const Price near = near_.at_or_below({price.value - 1}, kNoBid);
    const auto after = far(Side::kBuy).lower_bound(price.value);
    return after == far(Side::kBuy).begin() ? near : std::max(near, Price{std::prev(after)->first});
  }
  const Price near = near_.at_or_above({price.value + 1}, kNoAsk);
  const auto next = far(Side::kSell).upper_bound(price.value);
  return next == far(Side::kSell).end() ? near : std::min(near, Price{next->first});
}

// The window follows an order that betters the touch from outside of it.
void Book::follow(Side side, Price price) {
  if (!improves(side, price)) return;
  if (near_.placed() && pushes_ < kPushesPerMove) return;
  move_window(price);
}

void Book::move_window(Price centre) {
  if (near_.placed()) {
    for (Price at = near_.at_or_above(near_.lowest(), kNoAsk); at != kNoAsk; at = near_.at_or_above(at, kNoAsk)) {
      far(at <= best(Side::kBuy) ? Side::kBuy : Side::kSell).emplace(at.value, near_[at]);
      near_[at] = Level{};
      near_.unmark(at);
    }
  }
  near_.move_to(centre);
  pull_in(far(Side::kBuy));
  pull_in(far(Side::kSell));
  pushes_ = 0;
}

void Book::pull_in(Far& levels) {
  const auto first = levels.lower_bound(near_.lowest().value);
  const auto last = levels.upper_bound(near_.highest().value);
  for (auto it = first; it != last; ++it) {
    near_[Price{it->first}] = it->second;
    near_.mark(Price{it->first});
  }
  levels.erase(first, last);
}

}  // namespace ordergate::core
