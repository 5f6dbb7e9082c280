// Builds command frames for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/frame.h"
#include "core/state_hash.h"
#include "core/types.h"

namespace ordergate::testing {

// A new order in words that a test can be read by.
struct New {
  std::string id;
  core::Side side = core::Side::kBuy;
  std::int64_t price = 0;  // 0: MARKET
  std::int64_t quantity = 1;
  core::TimeInForce time_in_force = core::TimeInForce::kGtc;
  std::string account = "alice";
  std::string symbol = "ACME";
  bool post_only = false;
  std::int64_t valid_until = 0;
};

struct Cancel {
  std::string id;
  std::string target;
  std::string account = "alice";
  std::string owner = {};  // account of the order, if it is another
  std::int64_t valid_until = 0;
};

// Stands for the gateway's hash: as good for tests, and without OpenSSL.
inline core::OrderId id_of(std::string_view account, std::string_view command_id) {
  const std::uint64_t a = core::StateHash::of(account);
  return {core::StateHash::mix(a ^ core::StateHash::of(command_id)),
          core::StateHash::mix(a + 3 * core::StateHash::of(command_id))};
}

// One frame's columns, owned.
class Commands {
 public:
  Commands& add(const New& order) {
    start(core::CommandKind::kNewOrder, order.account, order.id, order.valid_until);
    symbol_index_.push_back(index(symbols_, order.symbol));
    sides_.push_back(order.side);
    types_.push_back(order.price == 0 ? core::OrderType::kMarket : core::OrderType::kLimit);
    times_in_force_.push_back(order.time_in_force);
    flags_.push_back(order.post_only ? core::kPostOnly : std::uint8_t{0});
    prices_.push_back({order.price});
    quantities_.push_back({order.quantity});
    return *this;
  }

  Commands& add(const Cancel& cancel) {
    start(core::CommandKind::kCancelOrder, cancel.account, cancel.id, cancel.valid_until);
    put(targets_, id_of(cancel.owner.empty() ? cancel.account : cancel.owner, cancel.target));
    return *this;
  }

  // Valid until the next add.
  core::CommandFrame frame() {
    views_.assign(command_ids_.begin(), command_ids_.end());
    account_views_.assign(accounts_.begin(), accounts_.end());
    symbol_views_.assign(symbols_.begin(), symbols_.end());
    return {.queued_at = {1'000'000},
            .accounts = account_views_,
            .symbols = symbol_views_,
            .kinds = kinds_,
            .ids = ids_.data(),
            .command_ids = views_,
            .account_index = account_index_,
            .age_us = age_us_,
            .valid_until = valid_until_,
            .symbol_index = symbol_index_,
            .sides = sides_,
            .types = types_,
            .times_in_force = times_in_force_,
            .flags = flags_,
            .prices = prices_,
            .quantities = quantities_,
            .targets = targets_.data()};
  }

 private:
  static void put(std::string& column, const core::OrderId& id) {
    char bytes[sizeof id];
    id.write(bytes);
    column.append(bytes, sizeof bytes);
  }

  static std::uint32_t index(std::deque<std::string>& names, const std::string& name) {
    for (std::uint32_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return i;
    }
    names.push_back(name);
    return static_cast<std::uint32_t>(names.size() - 1);
  }

  void start(core::CommandKind kind, const std::string& account, const std::string& id, std::int64_t valid_until) {
    kinds_.push_back(kind);
    put(ids_, id_of(account, id));
    command_ids_.push_back(id);
    account_index_.push_back(index(accounts_, account));
    age_us_.push_back(7);
    valid_until_.push_back({valid_until});
  }

  std::deque<std::string> accounts_, symbols_, command_ids_;
  std::vector<std::string_view> views_, account_views_, symbol_views_;
  std::vector<core::CommandKind> kinds_;
  std::string ids_, targets_;
  std::vector<std::uint32_t> account_index_, age_us_, symbol_index_;
  std::vector<core::Time> valid_until_;
  std::vector<core::Side> sides_;
  std::vector<core::OrderType> types_;
  std::vector<core::TimeInForce> times_in_force_;
  std::vector<std::uint8_t> flags_;
  std::vector<core::Price> prices_;
  std::vector<core::Quantity> quantities_;
};

}  // namespace ordergate::testing
