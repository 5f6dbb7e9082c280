// An order's changeable terms as they were after each event of a frame.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/engine.h"
#include "core/event.h"

namespace ordergate::rpc {

struct Terms {
  core::Price price;  // 0: none
  core::Quantity quantity;
  core::Price stop_price;  // 0: none
  core::Time expire_at;    // 0: never
};

// Finds them in what the orders say now, and in what the frame's revisions say that they said before.
class TermsHistory {
 public:
  explicit TermsHistory(const core::Engine& engine) : engine_(engine) {}

  // Takes the frame's revisions.
  void begin(const std::vector<core::Revision>& revisions) {
    revisions_.assign(revisions.begin(), revisions.end());
    std::ranges::stable_sort(revisions_, {}, &core::Revision::order);
  }

  // Terms of order number `index` after event number `event`.
  Terms at(std::uint32_t event, std::uint32_t index, const core::Order& order) const {
    if (!revisions_.empty()) [[unlikely]] {
      const auto later = std::ranges::upper_bound(revisions_, std::pair(index, event), {},
                                                  [](const core::Revision& r) { return std::pair(r.order, r.event); });
      if (later != revisions_.end() && later->order == index) {
        return {later->price, later->quantity, later->stop_price, later->expire_at};
      }
    }
    if (order.extras == 0) return {order.price, order.quantity, {0}, {0}};
    const core::Extras& extras = *engine_.extras(order);
    return {order.price, order.quantity, extras.stop_price, extras.expire_at};
  }

 private:
  const core::Engine& engine_;
  std::vector<core::Revision> revisions_;  // by order, then by event
};

}  // namespace ordergate::rpc
