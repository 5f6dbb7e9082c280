// Words of the core: strong types for what is counted, and the enumerations of the contract.
//
// Enumerators have the values of the enums of the same name in ordergate.v1 (rpc/contract.cc proves it), so that the
// one-byte columns of the frames need no translation.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <limits>

namespace ordergate::core {

// An integer that does not mix with integers of another kind. Trivial, so that pools of it stay untouched until used.
template <class Tag, class Rep>
struct Strong {
  Rep value;
  constexpr auto operator<=>(const Strong&) const = default;
};

// Price in price increments of its instrument.
using Price = Strong<struct PriceTag, std::int64_t>;
// Quantity in lots of its instrument.
using Quantity = Strong<struct QuantityTag, std::int64_t>;
// Sequence of an account's events, dense from 1.
using Sequence = Strong<struct SequenceTag, std::uint64_t>;
// Number of a trade, dense per shard from 1.
using TradeNumber = Strong<struct TradeNumberTag, std::uint64_t>;
// Instant, ns since 1970.
using Time = Strong<struct TimeTag, std::int64_t>;

constexpr Quantity operator+(Quantity a, Quantity b) { return {a.value + b.value}; }
constexpr Quantity operator-(Quantity a, Quantity b) { return {a.value - b.value}; }
constexpr Quantity& operator+=(Quantity& a, Quantity b) { return a = a + b; }
constexpr Quantity& operator-=(Quantity& a, Quantity b) { return a = a - b; }

// Sum of price × quantity. Quantities of one order sum up to less than 2^62 and prices are below 2^62 (instruments.h
// refuses more), so that 128 bits can't overflow.
using Notional = unsigned __int128;

// Largest price and quantity of any instrument. Leaves room for sentinels and for one addition.
inline constexpr std::int64_t kValueMax = std::int64_t{1} << 62;
// Limits of MARKET orders: they cross every price there is, but not the sentinel of an empty side (book.h).
inline constexpr Price kMarketBuy{std::numeric_limits<std::int64_t>::max() - 1};
inline constexpr Price kMarketSell{std::numeric_limits<std::int64_t>::min() + 1};

// Hash of (account, command_id): names a command, and for a new order its order.
struct OrderId {
  std::uint64_t first;
  std::uint64_t second;
  constexpr auto operator<=>(const OrderId&) const = default;

  // REQUIRES: 16 readable bytes.
  static OrderId read(const char* bytes) {
    OrderId id;
    std::memcpy(&id, bytes, sizeof id);
    return id;
  }
  void write(char* bytes) const { std::memcpy(bytes, this, sizeof *this); }

  // The id is a cryptographic hash already; the multiplication only protects against an id whose bits are not.
  std::uint32_t hash() const {
    return static_cast<std::uint32_t>(((first ^ std::rotl(second, 32)) * 0x9E3779B97F4A7C15u) >> 32);
  }
};
static_assert(sizeof(OrderId) == 16);

enum class CommandKind : std::uint8_t { kNewOrder = 1, kCancelOrder = 2 };
enum class Side : std::uint8_t { kBuy = 1, kSell = 2 };
enum class OrderType : std::uint8_t { kLimit = 1, kMarket = 2 };
enum class TimeInForce : std::uint8_t { kGtc = 1, kIoc = 4, kFok = 5 };
enum class OrderStatus : std::uint8_t {
  kNone = 0,
  kOpen = 2,
  kPartiallyFilled = 3,
  kFilled = 4,
  kCanceled = 5,
  kRejected = 7
};
enum class EventKind : std::uint8_t {
  kAccepted = 1,
  kRejected = 2,
  kFill = 3,
  kCanceled = 4,
  kCancelRejected = 5,
  kDuplicate = 13,
  kCommandRejected = 14
};

// False for events that only tell of an order.
constexpr bool changes_order(EventKind kind) {
  return kind != EventKind::kCancelRejected && kind != EventKind::kDuplicate && kind != EventKind::kCommandRejected;
}

enum class Reason : std::uint8_t {
  kNone = 0,
  kInvalidField = 1,
  kUnknownSymbol = 3,
  kPriceBand = 6,
  kMaxOrderQuantity = 7,
  kIdConflict = 14,
  kStale = 15,
  kUnknownOrder = 16,
  kTooLate = 17,
  kWouldCross = 19,
  kEngineCapacity = 26
};
enum class Cause : std::uint8_t { kNone = 0, kUser = 1, kIocRemainder = 6, kFokUnfilled = 7 };
enum class Liquidity : std::uint8_t { kNone = 0, kMaker = 1, kTaker = 2 };

// Bits of a new order's flags (ordergate.log.v1.OrderFlag).
inline constexpr std::uint8_t kPostOnly = 1;

constexpr Side opposite(Side side) { return side == Side::kBuy ? Side::kSell : Side::kBuy; }
constexpr bool is_live(OrderStatus status) {
  static_assert(static_cast<int>(OrderStatus::kPartiallyFilled) == static_cast<int>(OrderStatus::kOpen) + 1);
  return static_cast<unsigned>(status) - static_cast<unsigned>(OrderStatus::kOpen) <= 1u;
}

}  // namespace ordergate::core
