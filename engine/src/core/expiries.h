// When open orders expire.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <set>

#include "core/types.h"

namespace ordergate::core {

// DAY and GTD orders by the time at which they end, then by acceptance. Nodes are kept for use again.
class Expiries {
 public:
  struct Expiry {
    std::int64_t at;
    std::uint64_t accepted;
    std::uint32_t order;
    constexpr auto operator<=>(const Expiry&) const = default;
  };

  void add(const Expiry& expiry) { all_.insert(expiry); }
  void remove(const Expiry& expiry) { all_.erase(expiry); }

  // The next one; 0 if there is none.
  Time next() const { return {all_.empty() ? 0 : all_.begin()->at}; }
  bool due(Time now) const { return !all_.empty() && all_.begin()->at <= now.value; }
  // REQUIRES: next() is not 0.
  const Expiry& front() const { return *all_.begin(); }

 private:
  std::unique_ptr<std::pmr::unsynchronized_pool_resource> memory_ =
      std::make_unique<std::pmr::unsynchronized_pool_resource>();
  std::pmr::set<Expiry> all_{memory_.get()};
};

}  // namespace ordergate::core
