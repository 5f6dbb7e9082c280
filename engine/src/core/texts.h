// Clients' command ids, one after the other in units of 16 bytes: an id of 64 characters is rare, so that room for the
// largest for each would more than double what a finished order costs.
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
  std::uint32_t unit;  // its first
  std::uint8_t length;
};

class Texts {
 public:
  // REQUIRES: 1 <= text.size() <= kCommandIdMax.
  TextRef add(std::string_view text) {
    const auto units = static_cast<std::uint32_t>((text.size() + kUnit - 1) / kUnit);
    const std::uint32_t first = units_.append_run(units);
    std::memcpy(&units_[first], text.data(), text.size());
    return {first, static_cast<std::uint8_t>(text.size())};
  }

  std::string_view get(TextRef ref) const { return {units_[ref.unit].data(), ref.length}; }

  // Takes the memory for `count` texts of `length` now.
  void reserve(std::uint32_t count, std::size_t length) {
    units_.reserve(count * static_cast<std::uint32_t>((length + kUnit - 1) / kUnit));
  }

 private:
  static constexpr std::size_t kUnit = 16;

  ChunkedPool<std::array<char, kUnit>> units_;
};

}  // namespace ordergate::core
