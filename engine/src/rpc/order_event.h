// Writes ordergate.v1.OrderEvent as protobuf would, byte for byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/engine.h"
#include "core/event.h"
#include "instruments/instruments.h"
#include "rpc/log_id.h"

namespace ordergate::rpc {

// Room that one event needs at most: three texts of clients, four decimals, and numbers.
inline constexpr std::size_t kOrderEventMax = 4096;

class OrderEventWriter {
 public:
  OrderEventWriter(const core::Engine& engine, const instruments::Instruments& instruments, std::uint32_t shard)
      : engine_(engine), instruments_(instruments), shard_(shard) {}

  // Starts a frame: its id and engine time stand in all of its events.
  void begin(LogId id, core::Time time);

  // Writes event number `index` of the frame as field 2 of SessionResponse and FollowResponse; returns the end.
  // `command_id` is that of the command that caused it. REQUIRES: kOrderEventMax bytes at `out`.
  char* write(const core::Event& event, std::uint32_t index, std::string_view command_id, char* out) const;

 private:
  char* write_order(const core::Event& event, char* out) const;
  char* write_terms(const core::Order& order, char* out) const;
  char* write_state(const core::Event& event, const core::Order& order, char* out) const;
  char* write_fill(const core::Event& event, char* out) const;
  // Nothing for a symbol that the installation does not have: its units are unknown.
  const instruments::Instrument* instrument(const core::Order& order) const;

  const core::Engine& engine_;
  const instruments::Instruments& instruments_;
  std::uint32_t shard_;
  core::Time time_{0};
  std::string cursor_;     // all of an event's cursor but its index
  std::string engine_at_;  // field engine_at, ready
};

}  // namespace ordergate::rpc
