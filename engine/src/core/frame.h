// A command frame as the core sees it: columns that view someone else's bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/types.h"

namespace ordergate::core {

// Rows of ordergate.log.v1.CommandFrame for what is rare. `symbol` is an index into CommandFrame::symbols, or
// kNoSymbol.
inline constexpr std::uint32_t kNoSymbol = 0xFFFF'FFFFu;

struct OrderTerms {
  std::uint32_t row;  // among the new orders
  Price stop_price;   // 0: none
  Quantity display;   // 0: all
  Time expire_at;     // 0: none
  SelfTradePrevention stp;
  bool cancel_on_disconnect;
  std::string_view stp_group;
  std::string_view tag;
  std::string_view session;
};

struct AmendTerms {
  std::uint32_t row;  // among the amends
  Price stop_price;   // 0: unchanged
  Time expire_at;     // 0: unchanged
  bool decimal;       // prices and quantity are value × 10^-digits
  std::uint8_t limit_price_digits;
  std::uint8_t quantity_digits;
  std::uint8_t stop_price_digits;
};

struct ExpectedVersion {
  std::uint32_t command;
  std::uint64_t version;
};

struct MassCancel {
  std::uint32_t symbol;
  std::uint8_t side;  // 0: both
  bool disconnected;
  std::string_view tag;
  std::string_view session;
};

struct TradingStateChange {
  std::string_view account;  // empty: all
  std::uint32_t symbol;
  TradingState state;  // may hold any number
  bool cancel_open_orders;
};

struct LimitsChange {
  std::string_view account;
  Limits limits;
};

// Columns of ordergate.log.v1.CommandFrame, decoded and checked by the caller:
// REQUIRES: kinds, keys, command_ids, account_index, age_us have one element per command; symbol_index to
// quantities one per new order; targets one per cancel or amend; amend_* one per amend; mass_cancels, trading_states
// and limits one per command of that kind; valid_until one per command or none at all; terms, amend_terms and
// expected_versions in strictly rising order of what they belong to (expected_versions only to cancels and amends);
// enumerations hold named values; indices are in range; command ids have 1 to kCommandIdMax bytes, other texts of
// rows at most that; times are not negative; the decimals' digits are at most 18; at most kFrameCommandsMax commands.
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
  std::span<const OrderTerms> terms;

  const char* targets;  // 16 bytes each
  std::span<const ExpectedVersion> expected_versions;

  std::span<const Price> amend_prices;           // 0: unchanged
  std::span<const Quantity> amend_quantities;    // 0: unchanged
  std::span<const std::uint32_t> amend_symbols;  // index into symbols, or kNoSymbol
  std::span<const AmendTerms> amend_terms;

  std::span<const MassCancel> mass_cancels;
  std::span<const TradingStateChange> trading_states;
  std::span<const LimitsChange> limits;

  std::size_t size() const { return kinds.size(); }
};

// Most commands of one frame.
inline constexpr std::size_t kFrameCommandsMax = 65'536;

}  // namespace ordergate::core
