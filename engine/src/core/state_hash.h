// Digest of the state, to tell two engines apart.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/types.h"

namespace ordergate::core {

// 128 bits over a sequence of numbers and texts, the same on every machine. Against accidents, not against attackers.
class StateHash {
 public:
  void add(std::uint64_t value) {
    a_ = mix(a_ ^ value);
    b_ = std::rotl(b_, 29) * 0x9FB21C651E98DF25u + (value ^ a_);
  }
  void add(std::int64_t value) { add(static_cast<std::uint64_t>(value)); }
  template <class Tag, class Rep>
  void add(Strong<Tag, Rep> strong) {
    add(static_cast<std::uint64_t>(strong.value));
  }
  void add(Notional value) {
    add(static_cast<std::uint64_t>(value));
    add(static_cast<std::uint64_t>(value >> 64));
  }
  void add(const OrderId& id) {
    add(id.first);
    add(id.second);
  }
  void add(std::string_view text) { add(of(text)); }

  // 32 hex digits.
  std::string hex() const {
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(mix(a_ + b_)),
                  static_cast<unsigned long long>(mix(b_)));
    return text;
  }

  // Bijective mixer (splitmix64).
  static constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

  // 64 bits of a short text.
  static constexpr std::uint64_t of(std::string_view text) {
    std::uint64_t hash = text.size();
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    return mix(hash);
  }

 private:
  std::uint64_t a_ = 0x243F6A8885A308D3u;
  std::uint64_t b_ = 0x13198A2E03707344u;
};

}  // namespace ordergate::core
