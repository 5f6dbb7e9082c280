// The rows of a command frame: what only few commands have.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/frame.h"

namespace ordergate::rpc {

// How many commands of each kind a frame has, by core::CommandKind.
struct CommandCounts {
  std::uint32_t of[9] = {};

  std::uint32_t operator[](core::CommandKind kind) const { return of[static_cast<std::size_t>(kind)]; }
};

// Lists of rows, reused from frame to frame.
class CommandRows {
 public:
  // True if the field of CommandFrame is one of these lists.
  static bool has(std::uint64_t field) { return field == 20 || (field >= 24 && field <= 28); }

  // Takes one row of the field's list. False if its bytes are none, have an unknown field, or a number that its place
  // in the core can't hold. REQUIRES: has(field).
  bool read(std::uint64_t field, std::string_view bytes);

  // Why the lists may not go with a frame of these commands; nothing if they may. `amend_symbols` as in the core's
  // frame, `symbols` is the number of names that indices may point to.
  std::optional<std::string> check(std::string_view kinds, const CommandCounts& counts, std::size_t symbols,
                                   const std::vector<std::uint32_t>& amend_symbols) const;

  void clear();

  // The lists, as core::CommandFrame wants them.
  std::span<const core::OrderTerms> terms() const { return terms_; }
  std::span<const core::AmendTerms> amend_terms() const { return amend_terms_; }
  std::span<const core::ExpectedVersion> expected_versions() const { return expected_versions_; }
  std::span<const core::MassCancel> mass_cancels() const { return mass_cancels_; }
  std::span<const core::TradingStateChange> trading_states() const { return trading_states_; }
  std::span<const core::LimitsChange> limits() const { return limits_; }

 private:
  using Fault = std::optional<std::string>;

  Fault check_terms(std::uint32_t orders) const;
  Fault check_amend_terms(std::uint32_t amends, const std::vector<std::uint32_t>& amend_symbols) const;
  Fault check_expected_versions(std::string_view kinds) const;
  Fault check_mass_cancels(std::size_t symbols) const;
  Fault check_trading_states(std::size_t symbols) const;
  Fault check_limits() const;

  bool any_ = false;
  std::vector<core::OrderTerms> terms_;
  std::vector<core::AmendTerms> amend_terms_;
  std::vector<core::ExpectedVersion> expected_versions_;
  std::vector<core::MassCancel> mass_cancels_;
  std::vector<core::TradingStateChange> trading_states_;
  std::vector<core::LimitsChange> limits_;
};

}  // namespace ordergate::rpc
