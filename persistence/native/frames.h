// Frames of the log as columns: what persistence/frames.py reads, by the same
// rules. Texts are views of the frame.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ordergate::rows {

class Reader;

inline constexpr std::size_t kKeySize = 16;

// What few new orders have (ordergate.log.v1.OrderTerms).
struct More {
  std::uint32_t order = 0;  // which of the frame's new orders
  std::int64_t stop_price = 0;
  std::int64_t display = 0;
  std::int64_t expire_us = 0;
  std::uint32_t stp = 0;
  std::string_view stp_group;
  std::string_view tag;
  std::string_view session;
  bool cancel_on_disconnect = false;
};

class CommandFrame {
 public:
  static constexpr char kNewOrder = 1, kCancelOrder = 2, kAmendOrder = 3, kTick = 7, kFence = 8;

  // False for what is not a faultless frame of known kinds, and for frames with
  // operations: persistence/rows.py reads these, or says what is wrong.
  bool read(std::string_view frame);

  std::int64_t queued_us;
  std::vector<std::string_view> accounts, symbols, command_ids;
  std::string_view kinds, keys, sides, order_types, times_in_force, flags, targets;
  std::vector<std::uint32_t> account_index, age_us, symbol_index;
  std::vector<std::int64_t> limit_prices, quantities;
  std::vector<More> more;

 private:
  void clear();
  bool read_fields(std::string_view frame);
  bool read_rare(Reader& in);
  bool read_more(std::string_view row);
  bool is_even() const;

  std::vector<std::int64_t> amend_prices_, amend_quantities_;
  std::vector<std::uint32_t> amend_symbols_, amend_rows_, version_rows_;
  std::uint64_t format_ = 0;
  bool has_operations_ = false;
};

// Terms of an order after an event (ordergate.log.v1.Terms).
struct Revision {
  std::uint32_t event = 0;
  std::int64_t quantity = 0;
  std::int64_t limit_price = 0;
  std::int64_t stop_price = 0;
  std::int64_t expire_us = 0;
};

// Events of one account as clients get them (ordergate.log.v1.AccountEvents).
struct AccountEvents {
  std::uint32_t account = 0;
  std::int64_t first_seq = 0;
  std::uint32_t count = 0;
  std::string_view events;
};

class EventFrame {
 public:
  // As above.
  bool read(std::string_view frame);

  // Whether the event changed its order.
  bool changes(std::size_t event) const {
    return (0b110'1101'1110u >> static_cast<unsigned char>(kinds[event]) & 1u) != 0;
  }

  std::int64_t engine_time_ns;
  std::vector<std::string_view> accounts, symbols, notionals;
  std::vector<AccountEvents> account_events;
  std::string_view kinds, order_ids, statuses, reasons, causes, taker_sides;
  std::vector<std::uint32_t> account_index, versions, trade_symbols, maker_events, taker_events;
  std::vector<std::int64_t> seqs, executed, leaves, trade_numbers, trade_prices, trade_quantities;
  std::vector<Revision> revisions;

 private:
  void clear();
  bool read_fields(std::string_view frame);
  void read_trades(Reader& in);
  bool read_account_events(std::string_view part);
  bool read_revision(std::string_view row);
  bool is_even() const;
  bool is_within() const;

  std::vector<std::uint32_t> command_index_;
  std::string_view answers_;
  std::uint64_t format_ = 0;
};

}  // namespace ordergate::rows
