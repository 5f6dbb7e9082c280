// The matching engine of one shard: a pure function of command frames and their engine times.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/accounts.h"
#include "core/book.h"
#include "core/event.h"
#include "core/frame.h"
#include "core/ids.h"
#include "core/order.h"
#include "core/pool.h"
#include "core/texts.h"
#include "core/types.h"

namespace ordergate::core {

// What the core needs to know of an instrument. REQUIRES: all limits within 1..kValueMax.
struct InstrumentLimits {
  std::string symbol;
  Price min_price;
  Price max_price;
  Quantity max_quantity;
};

// Fixed at construction; two engines agree only if these do.
struct EngineConfig {
  std::vector<InstrumentLimits> instruments;
  std::uint32_t open_orders_max = 4'194'304;
  // Commands for whose records memory is taken at once, and not as they come; changes nothing else.
  std::uint32_t reserved_commands = 0;
};

// Totals since the beginning of the log.
struct Counters {
  std::uint64_t commands = 0;
  std::uint64_t events = 0;
  std::uint64_t trades = 0;
};

// Not thread-safe. Makes no system call, reads no clock. Memory grows with the number of commands seen: finished orders
// and the ids of commands are remembered.
class Engine {
 public:
  explicit Engine(EngineConfig config);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Applies the frame at the later of `time` and the last engine time, and appends its events to `sink`, which the
  // caller has cleared. Every command yields at least one event.
  void apply(const CommandFrame& frame, Time time, EventSink& sink);

  // Engine time of the last frame.
  Time time() const { return time_; }
  const Counters& counters() const { return counters_; }
  std::uint32_t open_orders() const { return nodes_.live(); }

  // What an event's indices stand for.
  const Order& order(std::uint32_t index) const { return orders_[index]; }
  std::string_view command_id(const Order& order) const { return texts_.get(order.command_id); }
  std::string_view account(std::uint32_t index) const { return accounts_.name(index); }
  std::uint32_t accounts() const { return accounts_.size(); }
  // Symbols below instruments() are those of the configuration, in its order; the others are unknown ones.
  std::string_view symbol(std::uint32_t index) const { return symbols_.name(index); }
  std::uint32_t instruments() const { return static_cast<std::uint32_t>(books_.size()); }
  const Book& book(std::uint32_t instrument) const { return books_[instrument]; }
  const NodePool& nodes() const { return nodes_; }

  // Hash over all state, the same however the commands were divided into frames.
  std::string state_hash() const;

 private:
  // A command under way: where it stands in the frame, and whose it is.
  struct Place {
    std::uint32_t command;
    std::uint32_t account;
    bool stale;
  };

  // A symbol of a frame as ours.
  struct Symbol {
    std::uint32_t number;
    std::uint64_t hash;  // of its name
  };

  void reserve(std::uint32_t commands);
  void bind(const CommandFrame& frame);
  void look_ahead(const CommandFrame& frame, std::size_t cancel);
  std::uint32_t account_of(const CommandFrame& frame, std::uint32_t index);
  void new_order(const CommandFrame& frame, Place place, std::size_t row, EventSink& sink);
  void cancel_order(const CommandFrame& frame, Place place, std::size_t row, EventSink& sink);

  std::uint64_t content_of_new(const CommandFrame& frame, std::size_t row) const;
  std::uint32_t record_order(const CommandFrame& frame, Place place, std::size_t row, const OrderId& id,
                             std::uint64_t content);
  Reason refusal(const Order& order) const;
  void seen_before(Known known, std::uint64_t content, Place place, EventSink& sink);
  void execute(std::uint32_t index, Place place, EventSink& sink);
  void match(std::uint32_t index, Price limit, Place place, EventSink& sink);
  void trade(std::uint32_t maker, std::uint32_t taker, Place place, EventSink& sink);
  void rest(std::uint32_t index);
  void cancel_rest(std::uint32_t index, Cause cause, Place place, EventSink& sink);
  static Price limit_of(const Order& order);

  // Appends an event about the order as it is now (order 0: about none).
  Event& tell(EventSink& sink, EventKind kind, Place place, std::uint32_t account, std::uint32_t order);
  void change(Order& order, OrderStatus status);

  // Configuration.
  std::vector<InstrumentLimits> limits_;
  std::vector<bool> level_may_fill_;  // by instrument: so many orders of the largest quantity don't add up

  // State.
  Time time_{0};
  Counters counters_;
  NodePool nodes_;
  std::vector<Book> books_;
  Orders orders_;
  ChunkedPool<CancelRecord> cancels_;
  Texts texts_;
  Accounts accounts_;
  Names symbols_;
  Ids ids_{orders_, cancels_};

  // Scratch of one frame: its accounts and symbols as ours.
  std::vector<std::uint32_t> frame_accounts_;
  std::vector<Symbol> frame_symbols_;
};

}  // namespace ordergate::core
