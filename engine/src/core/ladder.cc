#include "core/ladder.h"

#include <bit>

namespace ordergate::core {
namespace {

constexpr std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << (index & 63); }
// Bits at or above, at or below `index` within its word.
constexpr std::uint64_t from(std::size_t index) { return ~std::uint64_t{0} << (index & 63); }
constexpr std::uint64_t upto(std::size_t index) { return ~std::uint64_t{0} >> (63 - (index & 63)); }
std::size_t lowest_bit(std::uint64_t word) { return static_cast<std::size_t>(std::countr_zero(word)); }
std::size_t highest_bit(std::uint64_t word) { return 63 - static_cast<std::size_t>(std::countl_zero(word)); }

}  // namespace

void Ladder::mark(Price price) {
  const std::size_t at = offset(price);
  words_[at >> 6] |= bit(at);
  summaries_[at >> 12] |= bit(at >> 6);
}

void Ladder::unmark(Price price) {
  const std::size_t at = offset(price);
  words_[at >> 6] &= ~bit(at);
  if (words_[at >> 6] == 0) summaries_[at >> 12] &= ~bit(at >> 6);
}

Price Ladder::at_or_above(Price price, Price none) const {
  if (!levels_ || price > highest()) return none;
  const std::size_t at = price < lowest() ? 0 : offset(price);
  std::size_t word = at >> 6;
  std::uint64_t bits = words_[word] & from(at);
  if (bits == 0) {
    if (++word == kWords) return none;
    std::size_t summary = word >> 6;
    std::uint64_t rest = summaries_[summary] & from(word);
    while (rest == 0) {
      if (++summary == kSummaries) return none;
      rest = summaries_[summary];
    }
    word = summary * 64 + lowest_bit(rest);
    bits = words_[word];
  }
  return {base_ + static_cast<std::int64_t>(word * 64 + lowest_bit(bits))};
}

Price Ladder::at_or_below(Price price, Price none) const {
  if (!levels_ || price < lowest()) return none;
  const std::size_t at = price > highest() ? kTicks - 1 : offset(price);
  std::size_t word = at >> 6;
  std::uint64_t bits = words_[word] & upto(at);
  if (bits == 0) {
    if (word-- == 0) return none;
    std::size_t summary = word >> 6;
    std::uint64_t rest = summaries_[summary] & upto(word);
    while (rest == 0) {
      if (summary-- == 0) return none;
      rest = summaries_[summary];
    }
    word = summary * 64 + highest_bit(rest);
    bits = words_[word];
  }
  return {base_ + static_cast<std::int64_t>(word * 64 + highest_bit(bits))};
}

void Ladder::move_to(Price centre) {
  if (!levels_) levels_ = std::make_unique<Level[]>(kTicks);
  base_ = centre.value - kTicks / 2;
  ticks_ = kTicks;
}

}  // namespace ordergate::core
