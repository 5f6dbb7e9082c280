// Command ids of a run: "RRRRRR" "SSS" "-" "NNNNNNNNNN": run, stream, and number within the stream. Of fixed length, so
// that a message made beforehand only needs its digits changed, and an answer's id leads straight to what was sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ordergate::load {

inline constexpr std::size_t kRunChars = 6;
inline constexpr std::size_t kStreamChars = 3;
inline constexpr std::size_t kNumberChars = 10;
inline constexpr std::size_t kIdChars = kRunChars + kStreamChars + 1 + kNumberChars;

inline void put_digits(char* to, std::size_t count, std::uint64_t value) {
  for (; count > 0; value /= 10) to[--count] = static_cast<char>('0' + value % 10);
}

// All of the id but the number, which is 0.
inline std::string command_id(std::string_view run, unsigned stream) {
  std::string id(kIdChars, '0');
  id.replace(0, kRunChars, run);
  put_digits(id.data() + kRunChars, kStreamChars, stream);
  id[kRunChars + kStreamChars] = '-';
  return id;
}

// Number of a command of the stream whose ids begin as `mine`; nothing if the id is another's.
inline std::optional<std::uint64_t> number_of(std::string_view id, std::string_view mine) {
  constexpr std::size_t kPrefix = kIdChars - kNumberChars;
  if (id.size() != kIdChars || id.substr(0, kPrefix) != mine.substr(0, kPrefix)) return std::nullopt;
  std::uint64_t number = 0;
  for (const char digit : id.substr(kPrefix)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = 10 * number + static_cast<std::uint64_t>(digit - '0');
  }
  return number;
}

}  // namespace ordergate::load
