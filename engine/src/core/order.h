// An order, from its command until it is forgotten; also a refused one.
#pragma once

#include <cstdint>

#include "core/pool.h"
#include "core/texts.h"
#include "core/types.h"

namespace ordergate::core {

// Two cache lines: the first is what matching and cancels read, the second what only events show.
struct alignas(64) Order {
  OrderId id;
  std::uint64_t content;  // digest of what the client asked for
  Price price;            // 0 for MARKET
  Quantity quantity;
  Quantity executed;
  std::uint32_t node;     // place in the book; 0 if it does not rest
  std::uint32_t account;  // index into Accounts
  std::uint32_t symbol;   // index into Symbols
  std::uint32_t version;

  Notional notional;  // sum of fills, price × quantity
  Time created_at;
  Time queued_at;
  Time updated_at;
  Sequence last_seq;  // of its owner's last event that changed it
  TextRef command_id;
  Side side;
  OrderType type;
  TimeInForce time_in_force;
  std::uint8_t flags;
  OrderStatus status;
  Reason reject_reason;

  // What may still trade; 0 once final.
  Quantity leaves() const { return {(quantity.value - executed.value) & -static_cast<std::int64_t>(is_live(status))}; }
};
static_assert(sizeof(Order) == 128);

using Orders = ChunkedPool<Order>;

// A cancel that was seen, whatever became of it.
struct CancelRecord {
  OrderId id;
  std::uint64_t content;
  std::uint32_t account;
  std::uint32_t order;  // the account's order that it named; 0 if there was none
};
static_assert(sizeof(CancelRecord) == 32);

}  // namespace ordergate::core
