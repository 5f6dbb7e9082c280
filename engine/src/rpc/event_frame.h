// Encodes ordergate.log.v1.EventFrame.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/event.h"
#include "core/frame.h"
#include "instruments/instruments.h"
#include "rpc/log_id.h"
#include "rpc/order_event.h"
#include "rpc/wire.h"

namespace ordergate::rpc {

// Turns the events of one frame into bytes: equal events, equal bytes. Buffers are kept from frame to frame.
class EventFrameEncoder {
 public:
  // Both must outlive the encoder; `instruments` are those of the engine's configuration.
  EventFrameEncoder(const core::Engine& engine, const instruments::Instruments& instruments, std::uint32_t shard)
      : engine_(engine), writer_(engine, instruments, shard) {}

  // The event frame of `frame`, which was just applied under `id` and made `sink`.
  std::string encode(LogId id, const core::CommandFrame& frame, const core::EventSink& sink);

 private:
  // Events of one account in this frame.
  struct Slot {
    std::uint32_t account = 0;
    core::Sequence first_seq{};
    std::uint32_t count = 0;
    wire::Buffer events;
  };
  // Columns, in the order of their fields: kinds (6) to terms (27).
  static constexpr unsigned kFirstColumn = 6;
  static constexpr unsigned kLastColumn = 27;

  void clear();
  wire::Buffer& column(unsigned field) { return columns_[field - kFirstColumn]; }
  std::uint32_t slot_of(std::uint32_t account, core::Sequence seq);
  std::uint32_t symbol_index(std::uint32_t symbol);
  void add_event(const core::Event& event, std::uint32_t index);
  void add_columns(const core::Event& event, std::uint32_t slot, core::OrderId id);
  void add_terms(std::uint32_t index);
  void add_trade(const core::Trade& trade);
  void assemble(const core::CommandFrame& frame);
  void assemble_accounts();

  const core::Engine& engine_;
  OrderEventWriter writer_;
  std::vector<Slot> slots_;  // the first used_ are of this frame
  std::uint32_t used_ = 0;
  std::vector<std::uint32_t> slot_of_account_;  // slot + 1; 0: none in this frame
  std::vector<std::uint32_t> symbols_;          // symbols of this frame's trades
  std::array<wire::Buffer, kLastColumn - kFirstColumn + 1> columns_;
  wire::Buffer out_;
};

}  // namespace ordergate::rpc
