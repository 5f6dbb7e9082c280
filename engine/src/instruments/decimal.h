// Decimal text outside, whole steps inside: exact both ways, as protos/README.md lays down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/types.h"

namespace ordergate::instruments {

// Longest text that format and format_mean write.
inline constexpr std::size_t kDecimalMax = 48;

// The text without leading zeros, trailing zeros of the fraction, or a trailing point ("0.01", "1"); nothing if it is
// not digits with at most one point among them, longer than 38 characters, or not above 0.
std::optional<std::string> plain_decimal(std::string_view text);

// The number of a plain decimal; nothing if it has more than 18 digits after the point or is above core::kValueMax
// without it.
std::optional<core::Decimal> number(std::string_view plain);

// A price band of so many millionths as a part of the price.
constexpr core::Decimal band(std::uint32_t ppm) { return {ppm, 6}; }

// Writes the number in plain form ("0" for 0); returns the end. REQUIRES: kDecimalMax bytes at `out`.
char* format(core::Decimal number, char* out);

// Multiples of one step: the price increment or the lot size of an instrument.
class Grid {
 public:
  // Largest step, in units of its last digit, and most digits of a fraction: above them a mean price might not fit into
  // 128 bits.
  static constexpr std::int64_t kStepMax = std::int64_t{1} << 36;
  static constexpr unsigned kDigitsMax = 18;

  // Grid of a step in plain form; nothing if it is beyond kStepMax or kDigitsMax.
  static std::optional<Grid> of(std::string_view plain_step);

  // The step itself.
  core::Decimal step() const { return {step_, digits_}; }

  // Steps in a plain decimal; nothing if it is not a multiple of the step, or above core::kValueMax.
  std::optional<std::int64_t> parse(std::string_view plain) const;

  // Writes `steps` with as many fraction digits as the step has; returns the end.
  // REQUIRES: 0 <= steps <= core::kValueMax; kDecimalMax bytes at `out`.
  char* format(std::int64_t steps, char* out) const;

  // Writes total / count with 8 digits more than the step, rounded half up; returns the end.
  // REQUIRES: 0 < count <= core::kValueMax, total / count <= core::kValueMax; kDecimalMax bytes at `out`.
  char* format_mean(core::Notional total, std::int64_t count, char* out) const;

 private:
  Grid(std::uint64_t step, unsigned digits) : step_(step), digits_(digits) {}

  std::uint64_t step_;  // in units of the last digit
  unsigned digits_;     // of the fraction
};

}  // namespace ordergate::instruments
