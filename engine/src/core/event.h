// What the core tells of a frame.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/buffer.h"
#include "core/types.h"

namespace ordergate::core {

// One event: a cache line. Carries what may change again before it is encoded; the rest is in the order, or in the
// sink's other lists.
struct alignas(64) Event {
  EventKind kind;
  Reason reason;
  Cause cause;
  Liquidity liquidity;  // kNone unless a fill
  OrderStatus status;   // kNone if there is no order
  bool answers;         // the command's own subject (RULES.md)
  bool priority_kept;   // only for kAmended
  std::uint8_t unused;
  std::uint32_t command;  // index in the frame
  std::uint32_t account;
  std::uint32_t order;  // 0 if there is none
  std::uint32_t version;
  Sequence seq;
  Quantity executed;
  Quantity leaves;
  Notional notional;
};
static_assert(sizeof(Event) == 64);
// Engine::tell writes the first eight bytes as one number.
static_assert(std::endian::native == std::endian::little && offsetof(Event, cause) == 2 &&
              offsetof(Event, liquidity) == 3 && offsetof(Event, status) == 4 && offsetof(Event, answers) == 5 &&
              offsetof(Event, priority_kept) == 6 && offsetof(Event, command) == 8);

// One trade: two events, the maker's and right after it the taker's. Trade number n of a frame belongs to its n-th pair
// of fills.
struct Trade {
  TradeNumber number;
  Price price;
  Quantity quantity;
  std::uint32_t symbol;
  std::uint32_t maker_event;  // index of the maker's fill; the taker's is the next one
  Side taker_side;
};

// When an order that an event only shows was changed last (changes_order(kind) is false).
struct LastChange {
  std::uint32_t event;
  Time updated_at;
  Sequence seq;
};

// The terms that an order had before an event changed them: they hold for all events about it before that one, back to
// the order's last revision.
struct Revision {
  std::uint32_t event;  // the first one with the new terms
  std::uint32_t order;
  Price price;
  Quantity quantity;
  Price stop_price;
  Time expire_at;
};

struct MassCancelTold {
  std::uint32_t event;
  std::uint32_t matched;
  std::uint32_t canceled;
};

struct TradingStateTold {
  std::uint32_t event;
  std::uint32_t account;  // kNone: all
  std::uint32_t symbol;   // kNone: all
  TradingState state;

  static constexpr std::uint32_t kNone = 0xFFFF'FFFFu;
};

struct LimitsTold {
  std::uint32_t event;
  Limits limits;
};

// A level of a book whose visible quantity may be another than before.
struct TouchedLevel {
  std::uint32_t symbol;
  Side side;
  Price price;
};

// Takes the events of one frame. A buffer and not an interface: a virtual call per event would cost more than the
// event, and whoever reads it (encoder, tests, market data) reads it in one go.
struct EventSink {
  Buffer<Event> events;
  Buffer<Trade> trades;
  std::vector<LastChange> last_changes;  // in order of their events, as all of these
  std::vector<Revision> revisions;
  std::vector<MassCancelTold> mass_cancels;
  std::vector<TradingStateTold> trading_states;
  std::vector<LimitsTold> limits;

  void clear() {
    events.clear();
    trades.clear();
    last_changes.clear();
    revisions.clear();
    mass_cancels.clear();
    trading_states.clear();
    limits.clear();
  }
};

}  // namespace ordergate::core
