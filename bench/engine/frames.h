// Operations of a workload as command frames of the core.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contestant.h"
#include "core/frame.h"

namespace ordergate::bench {

// The core knows orders by account and command id, the workload by a number. A REPLACE is an amend: the workload gives
// what is to be open, the core takes totals, so that what was executed before is looked up beforehand.
class Frames {
 public:
  explicit Frames(const workload::Workload& workload);

  // Lays out frames of at most `operations_max` operations each.
  void build(Operations operations, std::size_t operations_max);

  const std::vector<core::CommandFrame>& frames() const { return frames_; }

  // The workload's number of an order, by its command id.
  static std::uint64_t number_of(std::string_view command_id);

 private:
  // Where a frame begins in the columns.
  struct Start {
    std::size_t command;
    std::size_t order;
    std::size_t target;
    std::size_t amend;
    std::size_t symbol;
  };

  void clear();
  void add(const workload::Record& operation);
  void add_new(const workload::Record& operation);
  void add_cancel(const workload::Record& operation);
  void add_amend(const workload::Record& operation);
  void add_command(core::CommandKind kind, std::uint64_t number);
  std::uint32_t symbol_slot(std::uint32_t symbol);
  Start here() const {
    return {kinds_.size(), sides_.size(), targets_.size(), amend_prices_.size(), frame_symbols_.size()};
  }
  void view(const Start& from, const Start& to);

  std::vector<std::string> symbols_;
  std::vector<std::string> accounts_;
  std::vector<std::string_view> account_views_;
  std::shared_ptr<const std::vector<std::uint64_t>> executed_;  // before each REPLACE of the workload
  std::size_t replaced_ = 0;                                    // how many of them were laid out
  std::uint64_t commands_ = 0;
  std::int64_t now_ns_ = 1'700'000'000'000'000'000;

  // Columns of all frames.
  std::vector<core::CommandKind> kinds_;
  std::vector<core::OrderId> ids_;
  std::string texts_;
  std::vector<std::string_view> command_ids_;
  std::vector<std::uint32_t> account_index_, age_us_, symbol_index_;
  std::vector<core::Side> sides_;
  std::vector<core::OrderType> types_;
  std::vector<core::TimeInForce> times_in_force_;
  std::vector<std::uint8_t> flags_;
  std::vector<core::Price> prices_;
  std::vector<core::Quantity> quantities_;
  std::vector<core::OrderId> targets_;
  std::vector<core::Price> amend_prices_;
  std::vector<core::Quantity> amend_quantities_;
  std::vector<std::uint32_t> amend_symbols_;
  std::vector<std::string_view> frame_symbols_;
  std::vector<std::uint32_t> slots_;  // by symbol: 1 + its index in the current frame
  std::size_t first_symbol_ = 0;      // where the current frame's symbols begin

  std::vector<core::CommandFrame> frames_;
};

}  // namespace ordergate::bench
