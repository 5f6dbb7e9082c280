// Writes ordergate.v1.OrderEvent as protobuf would, byte for byte.
#pragma once

#include <cstdint>
#include <string>

#include "core/engine.h"
#include "core/event.h"
#include "core/frame.h"
#include "instruments/instruments.h"
#include "rpc/log_id.h"
#include "rpc/terms.h"

namespace ordergate::rpc {

// Room that one event needs at most: two names, five texts of clients, eight decimals, and numbers.
inline constexpr std::size_t kOrderEventMax = 4096;

class OrderEventWriter {
 public:
  OrderEventWriter(const core::Engine& engine, const instruments::Instruments& instruments, std::uint32_t shard)
      : engine_(engine),
        instruments_(instruments),
        shard_(shard),
        trade_prefix_(std::to_string(shard) + "-"),
        history_(engine) {}

  // Starts a frame, which was just applied under `id` and made `sink`. REQUIRES: both stay until the last event is
  // written.
  void begin(LogId id, const core::CommandFrame& frame, const core::EventSink& sink);

  // Writes event number `index` of the frame as field 2 of SessionResponse and FollowResponse; returns the end.
  // REQUIRES: all events before it were written; kOrderEventMax bytes at `out`.
  char* write(std::uint32_t index, char* out);

  // The terms that its order has after event number `index`. REQUIRES: it has an order.
  Terms terms(std::uint32_t index) const;

 private:
  // The parts of an event in which the sink's other lists are told; `next_` follows them.
  struct Next {
    std::size_t trade = 0;
    std::size_t last_change = 0;
    std::size_t mass_cancel = 0;
    std::size_t trading_state = 0;
    std::size_t limits = 0;
  };

  char* write_order(const core::Event& event, std::uint32_t index, char* out);
  char* write_terms(const core::Order& order, const Terms& terms, char* out) const;
  char* write_state(const core::Event& event, const core::Order& order, char* out) const;
  char* write_last_change(const core::Event& event, std::uint32_t index, char* out);
  char* write_extras(const core::Order& order, const Terms& terms, char* out) const;
  char* write_fill(const core::Event& event, char* out);
  char* write_refusal(const core::Event& event, char* out) const;
  bool has_stop_beyond(const core::Order& order) const;
  char* write_cursor(std::uint32_t index, char* out) const;
  // What is not told of one order.
  char* write_operation(const core::Event& event, char* out);
  char* write_mass_cancel(char* out);
  char* write_trading_state(char* out);
  char* write_limits(char* out);
  // Nothing for a symbol that the installation does not have: its units are unknown.
  const instruments::Instrument* instrument(const core::Order& order) const;

  const core::Engine& engine_;
  const instruments::Instruments& instruments_;
  const std::uint32_t shard_;
  const std::string trade_prefix_;  // all of a trade's id but its number

  // Of the frame.
  const core::CommandFrame* frame_ = nullptr;
  const core::EventSink* sink_ = nullptr;
  TermsHistory history_;
  Next next_;
  std::string cursor_;      // all of an event's cursor but its index
  std::string engine_at_;   // field engine_at, ready
  std::string updated_at_;  // field updated_at of an order that the event changed, ready
};

}  // namespace ordergate::rpc
