// Price levels of a window of neighbouring ticks, found without a search.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "core/types.h"

namespace ordergate::core {

// Orders of one price, oldest first.
struct Level {
  std::uint32_t head;
  std::uint32_t tail;
  Quantity quantity;  // sum of the orders' leaves

  bool empty() const { return head == 0; }
};
static_assert(sizeof(Level) == 16);

// A flat array of levels with a two-level occupancy bitmap. Both sides share it: an uncrossed book never has both at
// one tick. Memory is taken at the first `move_to`.
class Ladder {
 public:
  // 16,384 ticks: 256 KiB of levels, of which a busy book touches a few pages.
  static constexpr std::int64_t kTicks = 16'384;

  bool contains(Price price) const {
    return offset(price) < ticks_;  // below base_ it is far beyond
  }
  // REQUIRES: contains(price), here and below.
  Level& operator[](Price price) { return levels_[offset(price)]; }
  const Level& operator[](Price price) const { return levels_[offset(price)]; }

  // Notes that the level is no longer, or now, empty.
  void mark(Price price);
  void unmark(Price price);

  // Next occupied price at or above (below) `price`, which may lie outside; `none` if there is none.
  Price at_or_above(Price price, Price none) const;
  Price at_or_below(Price price, Price none) const;

  // Places the window around `centre`. REQUIRES: no level is occupied.
  void move_to(Price centre);
  bool placed() const { return levels_ != nullptr; }
  Price lowest() const { return {base_}; }
  Price highest() const { return {base_ + kTicks - 1}; }

 private:
  static constexpr std::size_t kWords = kTicks / 64;
  static constexpr std::size_t kSummaries = kWords / 64;

  std::size_t offset(Price price) const { return word(price.value) - word(base_); }

  std::unique_ptr<Level[]> levels_;
  std::int64_t base_ = 0;
  std::size_t ticks_ = 0;                              // kTicks, once it is placed
  std::array<std::uint64_t, kWords> words_{};          // bit: level is occupied
  std::array<std::uint64_t, kSummaries> summaries_{};  // bit: word is not 0
};

}  // namespace ordergate::core
