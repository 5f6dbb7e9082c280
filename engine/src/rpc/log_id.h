// Id of an entry in the log: that of the Redis stream.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace ordergate::rpc {

struct LogId {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;
  constexpr auto operator<=>(const LogId&) const = default;

  std::string text() const { return std::to_string(ms) + "-" + std::to_string(seq); }
};

}  // namespace ordergate::rpc
