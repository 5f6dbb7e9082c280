// Rules that frames of both kinds must keep.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace ordergate::rows {

inline constexpr std::uint64_t kFormat = 1;
inline constexpr std::uint64_t kSmallMax = INT16_MAX;
inline constexpr std::uint64_t kIntMax = INT32_MAX;
inline constexpr std::uint64_t kIndexMax = UINT32_MAX;

// Whether all kinds are in `known`, a set of bits.
inline bool all_in(std::string_view kinds, unsigned known) {
  return std::ranges::all_of(kinds, [known](char kind) {
    const auto bit = static_cast<unsigned char>(kind);
    return bit < 32 && (known >> bit & 1u) != 0;
  });
}

inline bool all_below(const std::vector<std::uint32_t>& indexes, std::size_t count) {
  return std::ranges::all_of(indexes, [count](std::uint32_t index) { return index < count; });
}

// Whether rows for what is rare are in the order of what they belong to, and
// within it.
template <class Rows, class Index>
bool rises(const Rows& rows, std::size_t count, Index index) {
  return rows.empty() || (std::ranges::adjacent_find(rows, std::ranges::greater_equal{}, index) == rows.end() &&
                          std::invoke(index, rows.back()) < count);
}

}  // namespace ordergate::rows
