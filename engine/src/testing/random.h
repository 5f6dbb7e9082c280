// Random numbers, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/state_hash.h"

namespace ordergate::testing {

// splitmix64; std::'s distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return core::StateHash::mix(state_ += 0x9E3779B97F4A7C15u); }
  // 0 to below.
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(limit));
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(below(static_cast<std::int64_t>(from.size())))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace ordergate::testing
