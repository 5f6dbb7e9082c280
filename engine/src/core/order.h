// An order, from its command until it is forgotten; also a refused one.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/types.h"

namespace ordergate::core {

// Longest command id (ordergate.v1.Command.command_id), and longest tag, session and stp_group.
inline constexpr std::size_t kCommandIdMax = 64;

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
  // REQUIRES: at most kCommandIdMax bytes. In pieces that overlap: a call for so few bytes costs more than the copy.
  void set_command_id(std::string_view id) {
    const std::size_t size = id.size();
    command_id_size = static_cast<std::uint8_t>(size);
    if (size > 32) {
      std::memcpy(text, id.data(), 32);
      std::memcpy(text + size - 32, id.data() + size - 32, 32);
    } else if (size >= 16) {
      std::memcpy(text, id.data(), 16);
      std::memcpy(text + size - 16, id.data() + size - 16, 16);
    } else if (size >= 8) {
      std::memcpy(text, id.data(), 8);
      std::memcpy(text + size - 8, id.data() + size - 8, 8);
    } else {
      for (std::size_t i = 0; i < size; ++i) text[i] = id[i];
    }
  }
  Time created_at() const {
    const std::int64_t at = queued_at.value - std::int64_t{age_us} * 1000;
    return {at > 0 ? at : 0};
  }
};
static_assert(sizeof(Order) == 192);

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
