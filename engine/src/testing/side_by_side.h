// The core and the obvious engine, side by side.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"
#include "testing/naive.h"
#include "testing/print.h"

namespace ordergate::testing {

class SideBySide {
 public:
  explicit SideBySide(const core::EngineConfig& config) : engine_(config), naive_(config) {}

  // Applies the frame to both. What they tell differently, or nothing.
  std::optional<std::string> apply(const std::vector<Command>& frame, std::int64_t time) {
    Commands commands(frame);
    sink_.clear();
    engine_.apply(commands.frame(), {time}, sink_);
    const std::vector<Told> ours = told(engine_, sink_), expected = naive_.apply(frame, time);
    if (ours == expected) return std::nullopt;
    std::string difference;
    for (std::size_t i = 0; i < std::max(ours.size(), expected.size()); ++i) {
      const std::string one = i < ours.size() ? text(ours[i]) : "nothing";
      const std::string other = i < expected.size() ? text(expected[i]) : "nothing";
      if (one == other) continue;
      difference += "\nengine:  " + one + "\nobvious: " + other;
      if (difference.size() > 3000) break;
    }
    return difference;
  }

  // In what their states differ, or nothing.
  std::optional<std::string> difference() {
    if (auto found = difference_of_books()) return found;
    if (engine_.open_orders() != naive_.open_orders()) {
      return "open orders: " + std::to_string(engine_.open_orders()) + ", " + std::to_string(naive_.open_orders());
    }
    if (engine_.next_expiry().value != naive_.next_expiry()) {
      return "next expiry: " + std::to_string(engine_.next_expiry().value) + ", " +
             std::to_string(naive_.next_expiry());
    }
    for (std::uint32_t i = 0; i < engine_.accounts(); ++i) {
      if (auto found = difference_of_account(std::string(engine_.account(i)))) return found;
    }
    return std::nullopt;
  }

  const core::Engine& engine() const { return engine_; }
  const core::EventSink& sink() const { return sink_; }

 private:
  std::optional<std::string> difference_of_books() {
    for (std::uint32_t i = 0; i < engine_.instruments(); ++i) {
      for (const core::Side side : {core::Side::kBuy, core::Side::kSell}) {
        const std::string ours = picture(engine_, side, i);
        const std::string expected = naive_.picture(std::string(engine_.symbol(i)), side);
        if (ours != expected) return "\nengine:  " + ours + "\nobvious: " + expected;
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> difference_of_account(const std::string& account) {
    const auto view = engine_.account_view(account);
    if (!view) return account + " has no view";
    if (text(view->limits) != text(naive_.limits(account))) return account + ": limits";
    if (view->open_orders != naive_.open_orders(account)) {
      return account + ": open orders " + std::to_string(view->open_orders);
    }
    if (amount(view->open_notional) != naive_.open_notional(account)) {
      return account + ": open notional " + text(view->open_notional);
    }
    std::map<std::string, std::int64_t> positions;
    for (const auto& [instrument, lots] : view->positions) positions[std::string(engine_.symbol(instrument))] = lots;
    for (std::uint32_t i = 0; i < engine_.instruments(); ++i) {
      const std::string symbol(engine_.symbol(i));
      if (positions[symbol] != naive_.position(account, symbol)) return account + ": position in " + symbol;
    }
    return std::nullopt;
  }

  core::Engine engine_;
  NaiveEngine naive_;
  core::EventSink sink_;
};

}  // namespace ordergate::testing
