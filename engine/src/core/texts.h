// Clients' command ids, kept in slots of 16, 32, 48 and 64 bytes: an id of 64 characters is rare, so that a slot of the
// largest size for each would more than double what a finished order costs.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/pool.h"

namespace ordergate::core {

// Longest command id (ordergate.v1.Command.command_id).
inline constexpr std::size_t kCommandIdMax = 64;

// Where a text lies.
struct TextRef {
  std::uint32_t slot;
  std::uint8_t length;
};

class Texts {
 public:
  // REQUIRES: 1 <= text.size() <= kCommandIdMax.
  TextRef add(std::string_view text) {
    const auto length = static_cast<std::uint8_t>(text.size());
    auto& [s16, s32, s48, s64] = pools_;
    switch ((length - 1) / 16) {
      case 0:
        return put(s16, text);
      case 1:
        return put(s32, text);
      case 2:
        return put(s48, text);
      default:
        return put(s64, text);
    }
  }

  std::string_view get(TextRef ref) const {
    const auto& [s16, s32, s48, s64] = pools_;
    switch ((ref.length - 1) / 16) {
      case 0:
        return {s16[ref.slot].data(), ref.length};
      case 1:
        return {s32[ref.slot].data(), ref.length};
      case 2:
        return {s48[ref.slot].data(), ref.length};
      default:
        return {s64[ref.slot].data(), ref.length};
    }
  }

 private:
  struct Pools {
    ChunkedPool<std::array<char, 16>> s16;
    ChunkedPool<std::array<char, 32>> s32;
    ChunkedPool<std::array<char, 48>> s48;
    ChunkedPool<std::array<char, 64>> s64;
  };

  template <class Pool>
  static TextRef put(Pool& pool, std::string_view text) {
    const std::uint32_t slot = pool.append();
    std::memcpy(pool[slot].data(), text.data(), text.size());
    return {slot, static_cast<std::uint8_t>(text.size())};
  }

  Pools pools_;
};

}  // namespace ordergate::core
