// Digests of what commands ask for.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/state_hash.h"

namespace ordergate::core {

// Fast and even, against accidents.
class Digest {
 public:
  explicit Digest(std::uint64_t seed) : hash_(seed) {}
  Digest& add(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9E3779B97F4A7C15u;
    hash_ ^= hash_ >> 29;
    return *this;
  }
  Digest& add(std::string_view text) { return add(StateHash::of(text)); }
  std::uint32_t value() const { return static_cast<std::uint32_t>(hash_ * 0xBF58476D1CE4E5B9u >> 32); }

 private:
  std::uint64_t hash_;
};

}  // namespace ordergate::core
