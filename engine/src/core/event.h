// What the core tells of a frame.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/types.h"

namespace ordergate::core {

// One event. Carries what may change again before it is encoded; the rest is in the order.
struct Event {
  EventKind kind;
  Reason reason;
  Cause cause;
  Liquidity liquidity;    // kNone unless a fill
  OrderStatus status;     // kNone if there is no order
  std::uint32_t command;  // index in the frame
  std::uint32_t account;
  std::uint32_t order;  // 0 if there is none
  std::uint32_t version;
  Sequence seq;
  Quantity executed;
  Quantity leaves;
  Time updated_at;
  Sequence last_seq;  // of the last event that changed the order
  TradeNumber trade;  // 0 unless a fill
  Price fill_price;
  Quantity fill_quantity;
  Notional notional;
};

// One trade: two events.
struct Trade {
  TradeNumber number;
  std::uint32_t symbol;
  Side taker_side;
  Price price;
  Quantity quantity;
  std::uint32_t maker_event;  // index in EventSink::events
  std::uint32_t taker_event;
};

// Takes the events of one frame. A buffer and not an interface: a virtual call per event would cost more than the
// event, and whoever reads it (encoder, tests, market data) reads it in one go.
struct EventSink {
  std::vector<Event> events;
  std::vector<Trade> trades;

  void clear() {
    events.clear();
    trades.clear();
  }
};

}  // namespace ordergate::core
