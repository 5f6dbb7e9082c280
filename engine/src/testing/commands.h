// Commands in words that a test can be read by, and frames made of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/frame.h"
#include "core/state_hash.h"
#include "core/types.h"

namespace ordergate::testing {

// A new order. Without `type` it is what its prices make it: no price MARKET, a stop price STOP or STOP_LIMIT.
struct New {
  std::string id = {};
  core::Side side = core::Side::kBuy;
  std::int64_t price = 0;
  std::int64_t quantity = 1;
  core::TimeInForce time_in_force = core::TimeInForce::kGtc;
  std::string account = "alice";
  std::string symbol = "ACME";
  bool post_only = false;
  std::int64_t valid_until = 0;
  std::int64_t stop_price = 0;
  std::int64_t display = 0;
  std::int64_t expire_at = 0;
  core::SelfTradePrevention stp = core::SelfTradePrevention::kUnspecified;
  std::string stp_group = {};
  std::string tag = {};
  std::string session = {};
  bool cancel_on_disconnect = false;
  std::optional<core::OrderType> type = {};

  // Unspecified is NONE.
  core::SelfTradePrevention prevention() const {
    return stp == core::SelfTradePrevention::kUnspecified ? core::SelfTradePrevention::kNone : stp;
  }
  core::OrderType order_type() const {
    if (type) return *type;
    if (stop_price != 0) return price == 0 ? core::OrderType::kStop : core::OrderType::kStopLimit;
    return price == 0 ? core::OrderType::kMarket : core::OrderType::kLimit;
  }
};

struct Cancel {
  std::string id = {};
  std::string target = {};
  std::string account = "alice";
  std::string owner = {};  // account of the order, if it is another
  std::int64_t valid_until = 0;
  std::optional<std::uint64_t> expected_version = {};
};

// 0: unchanged.
struct Amend {
  std::string id = {};
  std::string target = {};
  std::int64_t price = 0;
  std::int64_t quantity = 0;
  std::int64_t stop_price = 0;
  std::int64_t expire_at = 0;
  std::string account = "alice";
  std::string owner = {};
  std::string symbol = {};  // empty: not said
  std::optional<std::uint64_t> expected_version = {};
  bool decimal = false;  // the three values are value × 10^-digits
  std::uint8_t price_digits = 0;
  std::uint8_t quantity_digits = 0;
  std::uint8_t stop_digits = 0;
  std::int64_t valid_until = 0;
};

struct MassCancel {
  std::string id = {};
  std::string account = "alice";
  std::string symbol = {};
  std::uint8_t side = 0;
  std::string tag = {};
  std::string session = {};
  bool disconnected = false;
  std::int64_t valid_until = 0;
};

struct SetTradingState {
  std::string id = {};
  std::uint8_t state = 1;
  std::string of_account = {};
  std::string of_symbol = {};
  bool cancel_open_orders = false;
  std::string account = "admin";  // whose command it is
  std::int64_t valid_until = 0;
};

struct SetLimits {
  std::string id = {};
  core::Limits limits = {};
  std::string account = "alice";
  std::int64_t valid_until = 0;
};

struct Tick {
  std::string id = {};
  std::string account = "admin";
  std::int64_t valid_until = 0;
};

// Its id is the one that shall be unusable.
struct Fence {
  std::string id = {};
  std::string account = "alice";
  std::int64_t valid_until = 0;
};

using Command = std::variant<New, Cancel, Amend, MassCancel, SetTradingState, SetLimits, Tick, Fence>;

// Stands for the gateway's hash: as good for tests, and without OpenSSL.
inline core::OrderId id_of(std::string_view account, std::string_view command_id) {
  const std::uint64_t a = core::StateHash::of(account);
  return {core::StateHash::mix(a ^ core::StateHash::of(command_id)),
          core::StateHash::mix(a + 3 * core::StateHash::of(command_id))};
}

// One frame's columns, owned.
class Commands {
 public:
  Commands() = default;
  explicit Commands(const std::vector<Command>& list) {
    for (const Command& command : list) add(command);
  }

  Commands& add(const Command& command) {
    std::visit([this](const auto& one) { add(one); }, command);
    return *this;
  }

  Commands& add(const New& order) {
    start(core::CommandKind::kNewOrder, order);
    add_terms(order);
    symbol_index_.push_back(index(symbols_, order.symbol));
    sides_.push_back(order.side);
    types_.push_back(order.order_type());
    times_in_force_.push_back(order.time_in_force);
    flags_.push_back(order.post_only ? core::kPostOnly : std::uint8_t{0});
    prices_.push_back({order.price});
    quantities_.push_back({order.quantity});
    return *this;
  }

  Commands& add(const Cancel& cancel) {
    start(core::CommandKind::kCancelOrder, cancel);
    aim(cancel);
    return *this;
  }

  Commands& add(const Amend& amend) {
    start(core::CommandKind::kAmendOrder, amend);
    aim(amend);
    if (amend.decimal || amend.stop_price != 0 || amend.expire_at != 0) {
      amend_terms_.push_back({.row = static_cast<std::uint32_t>(amend_prices_.size()),
                              .stop_price = {amend.stop_price},
                              .expire_at = {amend.expire_at},
                              .decimal = amend.decimal,
                              .limit_price_digits = amend.price_digits,
                              .quantity_digits = amend.quantity_digits,
                              .stop_price_digits = amend.stop_digits});
    }
    amend_prices_.push_back({amend.price});
    amend_quantities_.push_back({amend.quantity});
    amend_symbols_.push_back(symbol_or_none(amend.symbol));
    return *this;
  }

  Commands& add(const MassCancel& command) {
    start(core::CommandKind::kMassCancel, command);
    mass_cancels_.push_back({.symbol = symbol_or_none(command.symbol),
                             .side = command.side,
                             .disconnected = command.disconnected,
                             .tag = keep(command.tag),
                             .session = keep(command.session)});
    return *this;
  }

  Commands& add(const SetTradingState& command) {
    start(core::CommandKind::kSetTradingState, command);
    trading_states_.push_back({.account = keep(command.of_account),
                               .symbol = symbol_or_none(command.of_symbol),
                               .state = static_cast<core::TradingState>(command.state),
                               .cancel_open_orders = command.cancel_open_orders});
    return *this;
  }

  Commands& add(const SetLimits& command) {
    start(core::CommandKind::kSetLimits, command);
    limits_.push_back({.account = keep(command.account), .limits = command.limits});
    return *this;
  }

  Commands& add(const Tick& tick) {
    start(core::CommandKind::kTick, tick);
    return *this;
  }

  Commands& add(const Fence& fence) {
    start(core::CommandKind::kFence, fence);
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
            .terms = terms_,
            .targets = targets_.data(),
            .expected_versions = expected_versions_,
            .amend_prices = amend_prices_,
            .amend_quantities = amend_quantities_,
            .amend_symbols = amend_symbols_,
            .amend_terms = amend_terms_,
            .mass_cancels = mass_cancels_,
            .trading_states = trading_states_,
            .limits = limits_};
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

  std::uint32_t symbol_or_none(const std::string& name) {
    return name.empty() ? core::kNoSymbol : index(symbols_, name);
  }

  std::string_view keep(const std::string& text) { return texts_.emplace_back(text); }

  template <class Any>
  void start(core::CommandKind kind, const Any& command) {
    kinds_.push_back(kind);
    put(ids_, id_of(command.account, command.id));
    command_ids_.push_back(command.id);
    account_index_.push_back(index(accounts_, command.account));
    age_us_.push_back(7);
    valid_until_.push_back({command.valid_until});
  }

  // Target and expected version of a cancel or an amend that was just started.
  template <class Any>
  void aim(const Any& command) {
    put(targets_, id_of(command.owner.empty() ? command.account : command.owner, command.target));
    if (!command.expected_version) return;
    expected_versions_.push_back({static_cast<std::uint32_t>(kinds_.size() - 1), *command.expected_version});
  }

  void add_terms(const New& order) {
    const bool usual = order.stop_price == 0 && order.display == 0 && order.expire_at == 0 && order.stp_group.empty() &&
                       order.tag.empty() && order.session.empty() && !order.cancel_on_disconnect &&
                       order.stp == core::SelfTradePrevention::kUnspecified;
    if (usual) return;
    terms_.push_back({.row = static_cast<std::uint32_t>(sides_.size()),
                      .stop_price = {order.stop_price},
                      .display = {order.display},
                      .expire_at = {order.expire_at},
                      .stp = order.stp,
                      .cancel_on_disconnect = order.cancel_on_disconnect,
                      .stp_group = keep(order.stp_group),
                      .tag = keep(order.tag),
                      .session = keep(order.session)});
  }

  std::deque<std::string> accounts_, symbols_, command_ids_, texts_;
  std::vector<std::string_view> views_, account_views_, symbol_views_;
  std::vector<core::CommandKind> kinds_;
  std::string ids_, targets_;
  std::vector<std::uint32_t> account_index_, age_us_, symbol_index_, amend_symbols_;
  std::vector<core::Time> valid_until_;
  std::vector<core::Side> sides_;
  std::vector<core::OrderType> types_;
  std::vector<core::TimeInForce> times_in_force_;
  std::vector<std::uint8_t> flags_;
  std::vector<core::Price> prices_, amend_prices_;
  std::vector<core::Quantity> quantities_, amend_quantities_;
  std::vector<core::OrderTerms> terms_;
  std::vector<core::AmendTerms> amend_terms_;
  std::vector<core::ExpectedVersion> expected_versions_;
  std::vector<core::MassCancel> mass_cancels_;
  std::vector<core::TradingStateChange> trading_states_;
  std::vector<core::LimitsChange> limits_;
};

}  // namespace ordergate::testing
