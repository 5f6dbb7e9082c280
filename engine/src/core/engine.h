// The matching engine of one shard: a pure function of command frames and their engine times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/accounts.h"
#include "core/book.h"
#include "core/event.h"
#include "core/frame.h"
#include "core/order.h"
#include "core/types.h"

namespace ordergate::core {

// What the core needs to know of an instrument. REQUIRES: all limits within 1..kValueMax.
struct InstrumentLimits {
  std::string symbol;
  Price min_price;
  Price max_price;
  Quantity max_quantity;
  Price reference_price = {0};  // 0: none
  std::uint32_t band_ppm = 0;   // millionths of the reference; 0: no band
  Decimal price_increment = {1, 0};
  Decimal lot_size = {1, 0};
};

// Fixed at construction; two engines agree only if these do.
struct EngineConfig {
  std::vector<InstrumentLimits> instruments;
  Limits default_limits = {};                 // of accounts that have none of their own
  Time trading_day_end = {0};                 // of every day, ns after midnight UTC
  std::uint32_t open_orders_max = 4'194'304;  // that rest or wait
  std::uint32_t ended_orders = 16'384;        // that are held for late cancels and repeats; RULES.md
  std::uint32_t ids_window = 1'048'576;       // commands whose repeat is recognised
  Time ids_age = {std::int64_t{24} * 3600 * 1'000'000'000};
};

// Totals since the beginning of the log.
struct Counters {
  std::uint64_t commands = 0;
  std::uint64_t events = 0;
  std::uint64_t trades = 0;
};

// What an account may do, and what it uses of it.
struct AccountView {
  Limits limits;
  std::uint32_t open_orders;
  Decimal open_notional;
  std::vector<std::pair<std::uint32_t, std::int64_t>> positions;  // instrument, lots; those that are not 0
};

// Not thread-safe. Makes no system call but for memory, reads no clock.
class Engine {
 public:
  // Throws std::invalid_argument if sums of notionals could overflow: see instruments_fit().
  explicit Engine(EngineConfig config);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Applies the frame at the later of `time` and the last engine time, and appends its events to `sink`, which the
  // caller has cleared. Every command yields at least one event.
  void apply(const CommandFrame& frame, Time time, EventSink& sink) {
    begin(frame, time, sink);
    while (more()) step(sink);
    end(sink);
  }
  // The same in steps: one command each. REQUIRES: the frame stays as it is until end().
  void begin(const CommandFrame& frame, Time time, EventSink& sink);
  bool more() const;
  void step(EventSink& sink);
  void end(EventSink& sink);

  // Engine time of the last frame.
  Time time() const;
  const Counters& counters() const;
  // Orders that rest or wait.
  std::uint32_t open_orders() const;
  // When the next order is due to expire; 0: none is.
  Time next_expiry() const;

  // What an event's indices stand for; valid until the next frame.
  const Order& order(std::uint32_t index) const;
  // Its less usual terms and state, or nullptr.
  const Extras* extras(const Order& order) const;
  // A tag, session or group.
  std::string_view label(std::uint32_t index) const;
  std::string_view account(std::uint32_t index) const;
  std::uint32_t accounts() const;
  // Symbols below instruments() are those of the configuration, in its order; the others are unknown ones.
  std::string_view symbol(std::uint32_t index) const;
  std::uint32_t instruments() const;
  const Book& book(std::uint32_t instrument) const;
  const NodePool& nodes() const;
  // Nothing for an account that was never seen: it has the default limits.
  std::optional<AccountView> account_view(std::string_view name) const;

  // Hash over all state, the same however the commands were divided into frames.
  std::string state_hash() const;
};

}  // namespace ordergate::core
