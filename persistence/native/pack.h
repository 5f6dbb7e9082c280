// From the frames of a batch to the rows of its transaction: what
// persistence/rows.py builds, packed for COPY.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "copy.h"
#include "frames.h"

namespace ordergate::rows {

// One entry of a stream. REQUIRES: the frame stays as long as what is packed of
// it is under way.
struct Entry {
  std::uint64_t ms;
  std::uint64_t seq;
  std::string_view frame;

  std::pair<std::uint64_t, std::uint64_t> id() const { return {ms, seq}; }
};

// In the order in which persistence/packed.py names them.
enum class Table : std::uint8_t {
  kOrders,
  kFullOrders,
  kUpdates,
  kFullUpdates,
  kExecutions,
  kAccountEvents,
  kFrames,
  kTimes,
};
inline constexpr std::size_t kTables = 8;

class Packer {
 public:
  explicit Packer(std::uint16_t shard) : shard_(shard) {}

  // Both false for what CommandFrame and EventFrame don't read; the batch is
  // then not to be packed. Commands come first, both in the order of their ids.
  bool add_commands(const Entry& entry);
  bool add_events(const Entry& entry);
  // After the last entry.
  void finish();

  Copy& copy(std::size_t table) { return copies_[table]; }

 private:
  // A new order as it was sent; texts are views of its frame.
  struct Terms {
    std::string_view account, command_id, symbol;
    std::uint8_t side, type, time_in_force, flags;
    std::int64_t quantity, limit_price;
    const Entry* frame;
    std::size_t index;
    std::int64_t queued_us, age_us;
    const More* more;  // or nullptr
  };
  // An order after its last event.
  struct State {
    std::uint8_t status = 0, reason = 0, cause = 0;
    std::int64_t executed = 0, leaves = 0;
    std::string_view notional = {};
    std::uint32_t version = 0;
    std::int64_t seq = 0;
    const Entry* frame = nullptr;
    std::int64_t engine_us = 0;
  };
  // What an event changed of an order's terms, and the event's sequence.
  struct Revised {
    Revision terms;
    std::int64_t seq;
  };
  // What the batch has of one order; places in the lists, kNone if it is not
  // there.
  struct Slot {
    std::string_view key;
    std::uint32_t terms = kNone;
    std::uint32_t state = kNone;
    std::uint32_t revised = kNone;
  };
  static constexpr std::uint32_t kNone = 0xFFFF'FFFFu;
  // The first eight bytes of a key are a hash already, but for a few bits.
  struct KeyHash {
    std::size_t operator()(std::string_view key) const {
      std::uint64_t first;
      std::memcpy(&first, key.data(), sizeof first);
      return first;
    }
  };
  struct Execution {
    std::int64_t number;
    std::string_view symbol;
    std::int64_t price, quantity;
    std::uint8_t taker_side;
    std::string_view maker, taker, maker_account, taker_account;
    std::int64_t maker_seq, taker_seq;
    const Entry* frame;
    std::int64_t engine_us;
  };

  Copy& at(Table table) { return copies_[static_cast<std::size_t>(table)]; }
  Slot& slot(std::string_view key);
  void add_state(const Entry& entry, std::size_t event);
  void add_trades(const Entry& entry);
  void put_account_events(const Entry& entry);
  void put_frames();
  void put_executions();
  void put_plain(const Slot& order);
  void put_full(const Slot& order);
  void put_update(const Slot& order);
  State state_of(const Slot& order) const;
  static void put_what(Copy& out, const Terms& terms);
  static void put_state(Copy& out, const State& state);
  static void put_progress(Copy& out, const State& state);
  static void put_event(Copy& out, const State& state);

  std::uint16_t shard_;
  CommandFrame commands_;
  EventFrame events_;
  std::deque<Entry> frames_;        // of commands
  std::deque<Entry> event_frames_;  // and of events, with their times
  std::vector<std::int64_t> times_;
  std::deque<More> more_;
  std::vector<Terms> terms_;
  std::vector<State> states_;
  std::vector<Revised> revised_;
  std::unordered_map<std::string_view, Slot, KeyHash> slots_;
  std::vector<Execution> executions_;
  std::array<Copy, kTables> copies_;
};

}  // namespace ordergate::rows
