#include "instruments/decimal.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace ordergate::instruments {
namespace {

using Wide = unsigned __int128;

constexpr unsigned kMeanDigits = 8;
constexpr std::uint64_t kMeanScale = 100'000'000;
constexpr std::uint64_t kChunk = 10'000'000'000'000'000'000u;  // largest power of ten in 64 bits
constexpr unsigned kChunkDigits = 19;
// 38 digits always fit into 128 bits.
constexpr std::size_t kParsedMax = 38;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Parts {
  std::string_view whole;
  std::string_view fraction;
};

Parts split(std::string_view plain) {
  const std::size_t point = plain.find('.');
  if (point == std::string_view::npos) return {plain, {}};
  return {plain.substr(0, point), plain.substr(point + 1)};
}

// Whole number of the digits of `parts`, its fraction padded to `digits`; nothing if that is too long.
std::optional<Wide> units_of(Parts parts, unsigned digits) {
  if (parts.fraction.size() > digits || parts.whole.size() + digits > kParsedMax) return std::nullopt;
  Wide units = 0;
  for (const char c : parts.whole) units = units * 10 + static_cast<unsigned>(c - '0');
  for (std::size_t i = 0; i < digits; ++i) {
    units = units * 10 + (i < parts.fraction.size() ? static_cast<unsigned>(parts.fraction[i] - '0') : 0u);
  }
  return units;
}

// Writes the digits of `units`, at least `least` of them.
char* write_digits(Wide units, std::size_t least, char* out) {
  char text[40];
  char* end = text;
  if (units <= std::numeric_limits<std::uint64_t>::max()) {
    end = std::to_chars(text, text + sizeof text, static_cast<std::uint64_t>(units)).ptr;
  } else {  // 128 bits hold at most 39 digits: two chunks
    end = std::to_chars(text, text + sizeof text, static_cast<std::uint64_t>(units / kChunk)).ptr;
    char low[kChunkDigits + 1];
    const char* low_end = std::to_chars(low, low + sizeof low, static_cast<std::uint64_t>(units % kChunk)).ptr;
    const auto length = static_cast<std::size_t>(low_end - low);
    std::memset(end, '0', kChunkDigits - length);
    std::memcpy(end + (kChunkDigits - length), low, length);
    end += kChunkDigits;
  }
  const auto length = static_cast<std::size_t>(end - text);
  if (length < least) {
    std::memset(out, '0', least - length);
    out += least - length;
  }
  std::memcpy(out, text, length);
  return out + length;
}

char* write_decimal(Wide units, unsigned digits, char* out) {
  char* end = write_digits(units, digits + 1, out);
  if (digits == 0) return end;
  std::memmove(end - digits + 1, end - digits, digits);
  end[-static_cast<std::ptrdiff_t>(digits)] = '.';
  return end + 1;
}

}  // namespace

std::optional<std::string> plain_decimal(std::string_view text) {
  if (text.empty() || text.size() > kParsedMax || !is_digit(text.front()) || !is_digit(text.back()))
    return std::nullopt;
  if (std::count(text.begin(), text.end(), '.') > 1) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; })) return std::nullopt;
  auto [whole, fraction] = split(text);
  while (whole.size() > 1 && whole.front() == '0') whole.remove_prefix(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (whole == "0" && fraction.empty()) return std::nullopt;
  std::string plain(whole);
  if (!fraction.empty()) plain.append(".").append(fraction);
  return plain;
}

std::optional<core::Decimal> number(std::string_view plain) {
  const Parts parts = split(plain);
  if (parts.fraction.size() > Grid::kDigitsMax) return std::nullopt;
  const auto digits = static_cast<unsigned>(parts.fraction.size());
  const auto units = units_of(parts, digits);
  if (!units || *units > Wide{core::kValueMax}) return std::nullopt;
  return core::Decimal{static_cast<std::uint64_t>(*units), digits};
}

char* format(core::Decimal number, char* out) {
  while (number.digits != 0 && number.mantissa % 10 == 0) {
    number.mantissa /= 10;
    --number.digits;
  }
  return write_decimal(number.mantissa, number.digits, out);
}

std::optional<Grid> Grid::of(std::string_view plain_step) {
  const Parts parts = split(plain_step);
  const auto digits = static_cast<unsigned>(parts.fraction.size());
  if (digits > kDigitsMax) return std::nullopt;
  const auto units = units_of(parts, digits);
  if (!units || *units == 0 || *units > Wide{kStepMax}) return std::nullopt;
  return Grid(static_cast<std::uint64_t>(*units), digits);
}

std::optional<std::int64_t> Grid::parse(std::string_view plain) const {
  const auto units = units_of(split(plain), digits_);
  if (!units || *units % step_ != 0 || *units / step_ > Wide{core::kValueMax}) return std::nullopt;
  return static_cast<std::int64_t>(*units / step_);
}

char* Grid::format(std::int64_t steps, char* out) const { return write_decimal(Wide(steps) * step_, digits_, out); }

char* Grid::format_mean(core::Notional total, std::int64_t count, char* out) const {
  // The quotient and the remainder apart, since total × step × 10^8 might not fit.
  const Wide n = Wide(count);
  const Wide scale = Wide(step_) * kMeanScale;
  const Wide units = total / n * scale + (total % n * scale * 2 + n) / (2 * n);
  return write_decimal(units, digits_ + kMeanDigits, out);
}

}  // namespace ordergate::instruments
