// An order, from its command until it is forgotten; also a refused one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/types.h"

namespace ordergate::core {

// Longest command id (ordergate.v1.Command.command_id), and longest tag, session and stp_group.
inline constexpr std::size_t kCommandIdMax = 64;

// Side, type, time in force and flags of an order, each in a byte of its own from the lowest on.
struct Kinds {
  std::uint32_t bits;

  Kinds(Side side, OrderType type, TimeInForce time_in_force, std::uint8_t flags)
      : bits(static_cast<std::uint32_t>(side) | static_cast<std::uint32_t>(type) << 8 |
             static_cast<std::uint32_t>(time_in_force) << 16 | static_cast<std::uint32_t>(flags) << 24) {}

  // LIMIT without flags that needs no time of its end: if there are no terms beside, it needs no Extras.
  bool plain() const {
    constexpr unsigned kPlain = 1u << static_cast<unsigned>(TimeInForce::kGtc) |
                                1u << static_cast<unsigned>(TimeInForce::kIoc) |
                                1u << static_cast<unsigned>(TimeInForce::kFok);
    return (bits & 0xFF00'FF00u) == static_cast<unsigned>(OrderType::kLimit) << 8 && (kPlain >> (bits >> 16) & 1u) != 0;
  }
};

// Three cache lines: the first is what matching and cancels read, the second what only events show and a short command
// id, the third the rest of a long one. An order's index is also that of its node in the book.
struct alignas(64) Order {
  OrderId id;
  Price price;  // 0 for MARKET and STOP
  Quantity quantity;
  Quantity executed;
  std::uint32_t account;  // index into Accounts
  std::uint32_t symbol;   // index into Symbols
  std::uint32_t version;
  std::uint32_t extras;  // index into Extras; 0: none
  Side side;
  OrderType type;
  TimeInForce time_in_force;
  std::uint8_t flags;
  OrderStatus status;
  Reason reject_reason;
  SelfTradePrevention stp;
  std::uint8_t command_id_size;

  Notional notional;  // sum of fills, price × quantity
  Time queued_at;
  Time updated_at;
  Sequence last_seq;      // of its owner's last event that changed it
  std::uint32_t age_us;   // queued_at less the time of receipt
  std::uint32_t content;  // digest of what the client asked for
  char text[kCommandIdMax];

  // What may still trade; 0 once final.
  Quantity leaves() const { return {(quantity.value - executed.value) & -static_cast<std::int64_t>(is_live(status))}; }
  std::string_view command_id() const { return {text, command_id_size}; }
  // Sets what the command says, and status and reason to none. REQUIRES: an id of at most kCommandIdMax bytes.
  void set_command(Kinds kinds, std::string_view command) {
    const std::size_t size = command.size();
    const char* const from = command.data();
    // In one store: bytes written one by one make whoever reads several of them at once wait.
    const std::uint64_t all = std::uint64_t{kinds.bits} | static_cast<std::uint64_t>(SelfTradePrevention::kNone) << 48 |
                              std::uint64_t{size} << 56;
    std::memcpy(static_cast<void*>(&side), &all, sizeof all);
    // In pieces that overlap: a call for so few bytes costs more than the copy.
    if (size > 32) {
      std::memcpy(text, from, 32);
      std::memcpy(text + size - 32, from + size - 32, 32);
    } else if (size >= 16) {
      std::memcpy(text, from, 16);
      std::memcpy(text + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
      std::memcpy(text, from, 8);
      std::memcpy(text + size - 8, from + size - 8, 8);
    } else {
      for (std::size_t i = 0; i < size; ++i) text[i] = from[i];
    }
  }
  Time created_at() const {
    const std::int64_t at = queued_at.value - std::int64_t{age_us} * 1000;
    return {at > 0 ? at : 0};
  }
};
static_assert(sizeof(Order) == 192);
static_assert(std::endian::native == std::endian::little && offsetof(Order, type) == offsetof(Order, side) + 1 &&
              offsetof(Order, time_in_force) == offsetof(Order, side) + 2 &&
              offsetof(Order, flags) == offsetof(Order, side) + 3 &&
              offsetof(Order, status) == offsetof(Order, side) + 4 &&
              offsetof(Order, stp) == offsetof(Order, side) + 6 &&
              offsetof(Order, command_id_size) == offsetof(Order, side) + 7);

// What few orders have.
struct Extras {
  Price stop_price;         // 0: none
  Quantity display;         // 0: all is visible
  Quantity hidden;          // of the leaves, while it rests
  Time expire_at;           // 0: never
  std::uint64_t arrival;    // number of its acceptance, or of the amend of its stop price
  std::uint64_t accepted;   // number of its acceptance
  std::uint32_t stp_group;  // index into Labels; 0: none
  std::uint32_t tag;        // index into Labels; 0: none
  std::uint32_t session;    // index into Labels; 0: none
  bool cancel_on_disconnect;
};

}  // namespace ordergate::core
