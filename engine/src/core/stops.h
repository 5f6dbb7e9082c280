// Stop orders that wait for a trade at their price.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "core/types.h"

namespace ordergate::core {

// The waiting stops of one instrument.
class Stops {
 public:
  struct Stop {
    std::int64_t price;
    std::uint64_t arrival;
    std::uint32_t order;
    constexpr auto operator<=>(const Stop&) const = default;
  };

  void add(Side side, Stop stop) { of(side).insert(stop); }
  void remove(Side side, const Stop& stop) { of(side).erase(stop); }
  bool empty() const { return buys_.empty() && sells_.empty(); }

  // A trade was printed.
  void print(Price price) {
    low_ = std::min(low_, price.value);
    high_ = std::max(high_, price.value);
  }

  // Takes out all that the trades printed since the last call trigger, in order of arrival.
  std::vector<Stop> take_triggered() {
    std::vector<Stop> hit;
    for (auto it = buys_.begin(); it != buys_.end() && it->price <= high_; it = buys_.erase(it)) hit.push_back(*it);
    for (auto it = sells_.lower_bound({low_, 0, 0}); it != sells_.end(); it = sells_.erase(it)) hit.push_back(*it);
    low_ = std::numeric_limits<std::int64_t>::max();
    high_ = std::numeric_limits<std::int64_t>::min();
    std::ranges::sort(hit, {}, &Stop::arrival);
    return hit;
  }

  // All of them in order of arrival.
  std::vector<Stop> by_arrival() const {
    std::vector<Stop> all(buys_.begin(), buys_.end());
    all.insert(all.end(), sells_.begin(), sells_.end());
    std::ranges::sort(all, {}, &Stop::arrival);
    return all;
  }

 private:
  std::set<Stop>& of(Side side) { return side == Side::kBuy ? buys_ : sells_; }

  std::set<Stop> buys_;
  std::set<Stop> sells_;
  std::int64_t low_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t high_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace ordergate::core
