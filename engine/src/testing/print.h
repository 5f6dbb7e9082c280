// Events and books as text, so that a test reads like the story that it tells.
#pragma once

#include <string>

#include "core/engine.h"

namespace ordergate::testing {

inline std::string text(core::Notional value) {
  std::string digits;
  for (; value != 0; value /= 10) digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
  return digits.empty() ? "0" : digits;
}

inline const char* name(core::EventKind kind) {
  switch (kind) {
    case core::EventKind::kAccepted:
      return "ACCEPTED";
    case core::EventKind::kRejected:
      return "REJECTED";
    case core::EventKind::kFill:
      return "FILL";
    case core::EventKind::kCanceled:
      return "CANCELED";
    case core::EventKind::kCancelRejected:
      return "CANCEL_REJECTED";
    case core::EventKind::kDuplicate:
      return "DUPLICATE";
    case core::EventKind::kCommandRejected:
      return "COMMAND_REJECTED";
  }
  return "?";
}

inline const char* name(core::OrderStatus status) {
  switch (status) {
    case core::OrderStatus::kNone:
      return "-";
    case core::OrderStatus::kOpen:
      return "OPEN";
    case core::OrderStatus::kPartiallyFilled:
      return "PARTIALLY_FILLED";
    case core::OrderStatus::kFilled:
      return "FILLED";
    case core::OrderStatus::kCanceled:
      return "CANCELED";
    case core::OrderStatus::kRejected:
      return "REJECTED";
  }
  return "?";
}

inline const char* name(core::Reason reason) {
  switch (reason) {
    case core::Reason::kNone:
      return "-";
    case core::Reason::kInvalidField:
      return "INVALID_FIELD";
    case core::Reason::kUnknownSymbol:
      return "UNKNOWN_SYMBOL";
    case core::Reason::kPriceBand:
      return "PRICE_BAND";
    case core::Reason::kMaxOrderQuantity:
      return "MAX_ORDER_QUANTITY";
    case core::Reason::kIdConflict:
      return "ID_CONFLICT";
    case core::Reason::kStale:
      return "STALE";
    case core::Reason::kUnknownOrder:
      return "UNKNOWN_ORDER";
    case core::Reason::kTooLate:
      return "TOO_LATE";
    case core::Reason::kWouldCross:
      return "WOULD_CROSS";
    case core::Reason::kEngineCapacity:
      return "ENGINE_CAPACITY";
  }
  return "?";
}

inline const char* name(core::Cause cause) {
  switch (cause) {
    case core::Cause::kNone:
      return "-";
    case core::Cause::kUser:
      return "USER";
    case core::Cause::kIocRemainder:
      return "IOC_REMAINDER";
    case core::Cause::kFokUnfilled:
      return "FOK_UNFILLED";
  }
  return "?";
}

// "alice#3 FILL a1 PARTIALLY_FILLED 4+6 v2 4@100 maker": account, sequence, kind, order, status, executed + leaves,
// version, then what the kind brings.
inline std::string describe(const core::Engine& engine, const core::Event& event) {
  std::string line(engine.account(event.account));
  line += "#" + std::to_string(event.seq.value) + " " + name(event.kind);
  if (event.order != 0) {
    line += " ";
    line += engine.command_id(engine.order(event.order));
    line += std::string(" ") + name(event.status) + " " + std::to_string(event.executed.value) + "+" +
            std::to_string(event.leaves.value) + " v" + std::to_string(event.version);
  }
  if (event.kind == core::EventKind::kFill) {
    line += " " + std::to_string(event.fill_quantity.value) + "@" + std::to_string(event.fill_price.value);
    line += event.liquidity == core::Liquidity::kMaker ? " maker" : " taker";
  }
  if (event.cause != core::Cause::kNone) line += std::string(" ") + name(event.cause);
  if (event.reason != core::Reason::kNone) line += std::string(" ") + name(event.reason);
  return line;
}

// The side from its best price on: "101: a1 4, b1 2 | 102: c1 1".
inline std::string picture(const core::Engine& engine, core::Side side, std::uint32_t instrument = 0) {
  const core::Book& book = engine.book(instrument);
  std::string text;
  for (core::Price price = book.best(side); price != core::Book::none(side); price = book.worse(side, price)) {
    if (!text.empty()) text += " | ";
    text += std::to_string(price.value) + ":";
    const char* separator = " ";
    for (std::uint32_t node = book.level(side, price).head; node != 0; node = engine.nodes()[node].next) {
      text += separator;
      text += engine.command_id(engine.order(engine.nodes()[node].order));
      text += " " + std::to_string(engine.nodes()[node].leaves.value);
      separator = ", ";
    }
  }
  return text;
}

}  // namespace ordergate::testing
