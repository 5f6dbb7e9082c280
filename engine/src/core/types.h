// Words of the core: strong types for what is counted, and the enumerations of the contract.
//
// Enumerators have the values of the enums of the same name in ordergate.v1 (rpc/contract.cc proves it), so that the
// one-byte columns of the frames need no translation.
#pragma once

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
// Sums of quantities over many orders.
using Wide = __int128;

// Largest price and quantity of any instrument. Leaves room for sentinels and for one addition.
inline constexpr std::int64_t kValueMax = std::int64_t{1} << 62;
// Limits of MARKET orders: they cross every price there is, but not the sentinel of an empty side (book.h).
inline constexpr Price kMarketBuy{std::numeric_limits<std::int64_t>::max() - 1};
inline constexpr Price kMarketSell{std::numeric_limits<std::int64_t>::min() + 1};

// The bits of a number, for digests.
constexpr std::uint64_t word(std::int64_t value) { return static_cast<std::uint64_t>(value); }

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

  // Where tables look for the id (by the high bits), and by what they tell it there. The id is a cryptographic hash
  // already; the multiplication only protects against an id whose bits are not.
  std::uint64_t place() const { return first * 0x9E3779B97F4A7C15u; }
  std::uint32_t tag() const { return static_cast<std::uint32_t>(second); }
};
static_assert(sizeof(OrderId) == 16);

enum class CommandKind : std::uint8_t {
  kNewOrder = 1,
  kCancelOrder = 2,
  kAmendOrder = 3,
  kMassCancel = 4,
  kSetTradingState = 5,
  kSetLimits = 6,
  kTick = 7,
  kFence = 8
};
enum class Side : std::uint8_t { kBuy = 1, kSell = 2 };
enum class OrderType : std::uint8_t { kLimit = 1, kMarket = 2, kStop = 3, kStopLimit = 4 };
enum class TimeInForce : std::uint8_t { kGtc = 1, kDay = 2, kGtd = 3, kIoc = 4, kFok = 5 };
enum class SelfTradePrevention : std::uint8_t {
  kUnspecified = 0,
  kNone = 1,
  kCancelTaker = 2,
  kCancelMaker = 3,
  kCancelBoth = 4,
  kDecrement = 5
};
enum class TradingState : std::uint8_t { kActive = 1, kCancelOnly = 2, kBlocked = 3 };
enum class OrderStatus : std::uint8_t {
  kNone = 0,
  kOpen = 2,
  kPartiallyFilled = 3,
  kFilled = 4,
  kCanceled = 5,
  kExpired = 6,
  kRejected = 7,
  kUntriggered = 8
};
enum class EventKind : std::uint8_t {
  kAccepted = 1,
  kRejected = 2,
  kFill = 3,
  kCanceled = 4,
  kCancelRejected = 5,
  kExpired = 6,
  kAmended = 7,
  kAmendRejected = 8,
  kTriggered = 9,
  kRestated = 10,
  kMassCancelDone = 11,
  kTradingState = 12,
  kDuplicate = 13,
  kCommandRejected = 14,
  kLimits = 15,
  kTick = 16,
  kFenced = 17
};

// False for events that only tell of an order, or of none.
constexpr bool changes_order(EventKind kind) {
  constexpr unsigned kChanging = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 7 | 1u << 9 | 1u << 10;
  return (kChanging >> static_cast<unsigned>(kind) & 1u) != 0;
}

enum class Reason : std::uint8_t {
  kNone = 0,
  kInvalidField = 1,
  kUnknownSymbol = 3,
  kPriceIncrement = 4,
  kLotSize = 5,
  kPriceBand = 6,
  kMaxOrderQuantity = 7,
  kMaxOrderNotional = 8,
  kMaxOpenOrders = 9,
  kMaxOpenNotional = 10,
  kMaxPosition = 11,
  kTradingState = 13,
  kIdConflict = 14,
  kStale = 15,
  kUnknownOrder = 16,
  kTooLate = 17,
  kVersionMismatch = 18,
  kWouldCross = 19,
  kFenced = 20,
  kEngineCapacity = 26
};
enum class Cause : std::uint8_t {
  kNone = 0,
  kUser = 1,
  kMassCancel = 2,
  kDisconnect = 3,
  kKillSwitch = 4,
  kSelfTradePrevention = 5,
  kIocRemainder = 6,
  kFokUnfilled = 7
};
enum class Liquidity : std::uint8_t { kNone = 0, kMaker = 1, kTaker = 2 };

// True for orders whose rest stays in the book.
constexpr bool stays(TimeInForce time_in_force) { return time_in_force <= TimeInForce::kGtd; }

// Bits of a new order's flags (ordergate.log.v1.OrderFlag).
inline constexpr std::uint8_t kPostOnly = 1;

// A number that is not negative: mantissa × 10^-digits. REQUIRES: mantissa <= kValueMax, digits <= 18.
struct Decimal {
  std::uint64_t mantissa = 0;
  std::uint32_t digits = 0;
};

// What an account may do; 0 is no limit. Quantities and notionals in decimals, since lots differ between instruments.
struct Limits {
  Decimal max_order_quantity;
  Decimal max_order_notional;
  std::uint32_t max_open_orders = 0;
  Decimal max_open_notional;
  Decimal max_position;
  std::uint32_t band_ppm = 0;  // millionths of the reference price
};

constexpr Side opposite(Side side) { return side == Side::kBuy ? Side::kSell : Side::kBuy; }
constexpr bool is_live(OrderStatus status) {
  constexpr unsigned kLive = 1u << 2 | 1u << 3 | 1u << 8;
  return (kLive >> static_cast<unsigned>(status) & 1u) != 0;
}

}  // namespace ordergate::core
