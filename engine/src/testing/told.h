// One event with all that it tells, in the terms of the contract: what two engines are compared by.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "core/types.h"
#include "testing/names.h"

namespace ordergate::testing {

inline std::string text(core::Notional value) {
  std::string digits;
  for (; value != 0; value /= 10) digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
  return digits.empty() ? "0" : digits;
}

inline std::string text(const core::Decimal& value) {
  return std::to_string(value.mantissa) + "e-" + std::to_string(value.digits);
}

inline std::string text(const core::Limits& limits) {
  return "quantity " + text(limits.max_order_quantity) + " notional " + text(limits.max_order_notional) + " orders " +
         std::to_string(limits.max_open_orders) + " open " + text(limits.max_open_notional) + " position " +
         text(limits.max_position) + " band " + std::to_string(limits.band_ppm);
}

struct Told {
  std::string account;
  std::uint64_t seq = 0;
  core::EventKind kind{};
  std::uint32_t command = 0;
  bool answers = false;
  core::Cause cause{};
  core::Reason reason{};
  bool priority_kept = false;

  // The order after it; empty if it shows none.
  std::string order = {};
  core::OrderStatus status{};
  std::int64_t executed = 0;
  std::int64_t leaves = 0;
  std::uint32_t version = 0;
  std::int64_t total = 0;
  std::int64_t price = 0;
  std::int64_t stop_price = 0;
  std::int64_t expire_at = 0;
  core::Notional notional = 0;
  std::int64_t updated_at = 0;
  std::uint64_t last_seq = 0;
  core::Reason reject_reason{};
  std::string terms = {};  // what never changes, told with ACCEPTED and REJECTED

  // A fill.
  core::Liquidity liquidity{};
  std::uint64_t trade = 0;
  std::int64_t fill_price = 0;
  std::int64_t fill_quantity = 0;
  core::Side taker_side{};

  std::string what = {};  // of MASS_CANCEL_DONE, TRADING_STATE and LIMITS

  bool operator==(const Told&) const = default;
};

// "alice#3 FILL a1 PARTIALLY_FILLED 4+6 v2 4@100 maker": account, sequence, kind, order, status, executed + leaves,
// version, then what the kind brings. For tests that tell a story.
inline std::string brief(const Told& told) {
  std::string line = told.account + "#" + std::to_string(told.seq) + " " + name(told.kind);
  if (!told.order.empty()) {
    line += " " + told.order + " " + name(told.status) + " " + std::to_string(told.executed) + "+" +
            std::to_string(told.leaves) + " v" + std::to_string(told.version);
  }
  if (told.kind == core::EventKind::kFill) {
    line += " " + std::to_string(told.fill_quantity) + "@" + std::to_string(told.fill_price);
    line += told.liquidity == core::Liquidity::kMaker ? " maker" : " taker";
  }
  if (told.kind == core::EventKind::kAmended) {
    line += " " + std::to_string(told.total) + "@" + std::to_string(told.price);
    line += told.priority_kept ? " kept" : " lost";
  }
  if (told.cause != core::Cause::kNone) line += std::string(" ") + name(told.cause);
  if (told.reason != core::Reason::kNone) line += std::string(" ") + name(told.reason);
  if (!told.what.empty()) line += " " + told.what;
  return line;
}

// All of it.
inline std::string text(const Told& told) {
  std::string line = brief(told) + (told.answers ? " | answers " : " | by ") + std::to_string(told.command);
  if (!told.order.empty()) {
    line += " total " + std::to_string(told.total) + " price " + std::to_string(told.price) + " stop " +
            std::to_string(told.stop_price) + " expires " + std::to_string(told.expire_at) + " notional " +
            text(told.notional) + " at " + std::to_string(told.updated_at) + " seq " + std::to_string(told.last_seq) +
            " refused " + name(told.reject_reason) + " " + told.terms;
  }
  if (told.trade != 0) {
    line += " trade " + std::to_string(told.trade) + (told.taker_side == core::Side::kBuy ? " bought" : " sold");
  }
  return line;
}

inline void PrintTo(const Told& told, std::ostream* out) { *out << "\n  " << text(told); }

}  // namespace ordergate::testing
