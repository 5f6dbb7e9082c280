// The contract's enumerators by their names.
#pragma once

#include <iterator>

#include "core/types.h"

namespace ordergate::testing {

inline const char* name(core::EventKind kind) {
  constexpr const char* kNames[]{"?",
                                 "ACCEPTED",
                                 "REJECTED",
                                 "FILL",
                                 "CANCELED",
                                 "CANCEL_REJECTED",
                                 "EXPIRED",
                                 "AMENDED",
                                 "AMEND_REJECTED",
                                 "TRIGGERED",
                                 "RESTATED",
                                 "MASS_CANCEL_DONE",
                                 "TRADING_STATE",
                                 "DUPLICATE",
                                 "COMMAND_REJECTED",
                                 "LIMITS",
                                 "TICK",
                                 "FENCED"};
  const auto at = static_cast<unsigned>(kind);
  return at < std::size(kNames) ? kNames[at] : "?";
}

inline const char* name(core::OrderStatus status) {
  constexpr const char* kNames[]{"-",        "?",       "OPEN",     "PARTIALLY_FILLED", "FILLED",
                                 "CANCELED", "EXPIRED", "REJECTED", "UNTRIGGERED"};
  const auto at = static_cast<unsigned>(status);
  return at < std::size(kNames) ? kNames[at] : "?";
}

inline const char* name(core::Cause cause) {
  constexpr const char* kNames[]{
      "-",           "USER", "MASS_CANCEL", "DISCONNECT", "KILL_SWITCH", "SELF_TRADE_PREVENTION", "IOC_REMAINDER",
      "FOK_UNFILLED"};
  const auto at = static_cast<unsigned>(cause);
  return at < std::size(kNames) ? kNames[at] : "?";
}

inline const char* name(core::Reason reason) {
  using core::Reason;
  switch (reason) {
    case Reason::kNone:
      return "-";
    case Reason::kInvalidField:
      return "INVALID_FIELD";
    case Reason::kUnknownSymbol:
      return "UNKNOWN_SYMBOL";
    case Reason::kPriceIncrement:
      return "PRICE_INCREMENT";
    case Reason::kLotSize:
      return "LOT_SIZE";
    case Reason::kPriceBand:
      return "PRICE_BAND";
    case Reason::kMaxOrderQuantity:
      return "MAX_ORDER_QUANTITY";
    case Reason::kMaxOrderNotional:
      return "MAX_ORDER_NOTIONAL";
    case Reason::kMaxOpenOrders:
      return "MAX_OPEN_ORDERS";
    case Reason::kMaxOpenNotional:
      return "MAX_OPEN_NOTIONAL";
    case Reason::kMaxPosition:
      return "MAX_POSITION";
    case Reason::kTradingState:
      return "TRADING_STATE";
    case Reason::kIdConflict:
      return "ID_CONFLICT";
    case Reason::kStale:
      return "STALE";
    case Reason::kUnknownOrder:
      return "UNKNOWN_ORDER";
    case Reason::kTooLate:
      return "TOO_LATE";
    case Reason::kVersionMismatch:
      return "VERSION_MISMATCH";
    case Reason::kWouldCross:
      return "WOULD_CROSS";
    case Reason::kFenced:
      return "FENCED";
    case Reason::kEngineCapacity:
      return "ENGINE_CAPACITY";
  }
  return "?";
}

}  // namespace ordergate::testing
