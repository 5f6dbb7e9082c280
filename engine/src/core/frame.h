// A command frame as the core sees it: columns that view someone else's bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/types.h"

namespace ordergate::core {

// Columns of ordergate.log.v1.CommandFrame, decoded and checked by the caller:
// REQUIRES: kinds, keys, command_ids, account_index, age_us have one element per command; symbol_index to
// quantities one per new order; targets one per cancel; valid_until one per command or none at all; enumerations hold
// named values; indices are in range; command ids have 1 to kCommandIdMax bytes; times are not negative.
// The values of orders (symbol, price, quantity, combinations) are not trusted.
struct CommandFrame {
  Time queued_at;
  std::span<const std::string_view> accounts;
  std::span<const std::string_view> symbols;

  std::span<const CommandKind> kinds;
  const char* ids;  // 16 bytes each
  std::span<const std::string_view> command_ids;
  std::span<const std::uint32_t> account_index;
  std::span<const std::uint32_t> age_us;
  std::span<const Time> valid_until;  // 0: no limit

  std::span<const std::uint32_t> symbol_index;
  std::span<const Side> sides;
  std::span<const OrderType> types;
  std::span<const TimeInForce> times_in_force;
  std::span<const std::uint8_t> flags;
  std::span<const Price> prices;
  std::span<const Quantity> quantities;

  const char* targets;  // 16 bytes each

  std::size_t size() const { return kinds.size(); }
};

}  // namespace ordergate::core
