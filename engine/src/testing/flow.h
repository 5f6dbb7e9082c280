// Random flows of commands of every kind.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "testing/commands.h"
#include "testing/domain.h"
#include "testing/random.h"

namespace ordergate::testing {

class Flow {
 public:
  Flow(Domain domain, std::uint64_t seed) : domain_(std::move(domain)), random_(seed) {
    accounts_.resize(static_cast<std::size_t>(domain_.accounts));
  }

  Command next() {
    advance();
    if (random_.one_in(25) && !sent_.empty()) return random_.pick(sent_);
    Command command = fresh();
    constexpr std::size_t kSent = 20;
    if (sent_.size() < kSent) sent_.push_back(command);
    sent_[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(sent_.size())))] = command;
    return command;
  }

  // Time of the command that came last.
  std::int64_t now() const { return now_; }

 private:
  // An order that was entered lately.
  struct Entered {
    std::string account, id, symbol;
  };

  void advance() {
    ++now_;
    if (random_.one_in(50)) now_ += 1 + random_.below(9) * kHour;
    if (domain_.drift != 0) middle_ += random_.below(2 * domain_.drift + 1) - domain_.drift;
    if (middle_ < 1000) middle_ = 1000;
  }

  Command fresh() {
    if (closed_ && random_.one_in(5)) return reopen();
    if (!limited_.empty() && random_.one_in(20)) return unlimit();
    const std::int64_t dice = random_.below(100);
    if (dice < 54) return order();
    if (dice < 69) return cancel();
    if (dice < 92) return amend();
    if (dice < 94) return mass_cancel();
    if (dice < 96) return trading_state();
    if (dice < 98) return domain_.limits ? Command(limits()) : Command(cancel());
    if (dice < 99) return Tick{.id = id(), .account = account()};
    return Fence{.id = id(), .account = account()};
  }

  std::string id() { return std::to_string(random_.below(domain_.ids)); }
  std::string account() { return random_.pick(accounts_); }
  std::string symbol() { return random_.one_in(60) ? "NONE" : random_.one_in(3) ? "ZINC" : "ACME"; }
  std::int64_t deadline() { return random_.one_in(25) ? now_ + random_.below(3) - 1 : 0; }
  std::int64_t price() {
    if (random_.one_in(80)) return random_.one_in(2) ? 2 * kPriceMax : -1;
    return middle_ + random_.below(domain_.prices) * domain_.step;
  }
  std::int64_t quantity() {
    if (random_.one_in(80)) return random_.one_in(2) ? 1'000'000'001 : -1;
    return 1 + random_.below(domain_.quantity);
  }
  std::int64_t expiry() { return now_ + (random_.one_in(3) ? random_.below(40 * kHour) : random_.below(30)); }

  New order() {
    New order{.id = id(), .side = random_.one_in(2) ? core::Side::kBuy : core::Side::kSell};
    // Two draws, the more patient one mostly: books that stand have more to get wrong.
    const std::int64_t one = price(), other = price();
    const bool buys = order.side == core::Side::kBuy;
    order.price = random_.one_in(3) ? one : buys ? std::min(one, other) : std::max(one, other);
    order.account = account();
    order.symbol = symbol();
    order.quantity = quantity();
    order.time_in_force = random_.pick(times_in_force_);
    order.valid_until = deadline();
    choose_type(order);
    choose_rest(order);
    if (random_.one_in(20)) spoil(order);
    remember(order);
    return order;
  }

  void choose_type(New& order) {
    const bool immediate =
        order.time_in_force == core::TimeInForce::kIoc || order.time_in_force == core::TimeInForce::kFok;
    const std::int64_t dice = random_.below(10);
    if (dice >= 8) order.stop_price = price();
    if (dice == 8 || (dice == 7 && immediate)) order.price = 0;
    const bool limit = order.price != 0 && order.stop_price == 0;
    order.post_only = limit && !immediate && random_.one_in(8);
    if (order.price != 0 && !immediate && random_.one_in(4) && order.quantity > 0) {
      order.display = 1 + random_.below(order.quantity);
    }
    if (order.time_in_force == core::TimeInForce::kGtd) order.expire_at = expiry();
  }

  void choose_rest(New& order) {
    order.stp = random_.one_in(2) ? core::SelfTradePrevention::kUnspecified
                                  : static_cast<core::SelfTradePrevention>(1 + random_.below(5));
    order.stp_group = random_.pick(groups_);
    order.tag = random_.one_in(3) ? "t" : "";
    order.session = random_.one_in(3) ? "s" : "";
    order.cancel_on_disconnect = random_.one_in(3);
  }

  // Terms that mostly contradict each other.
  void spoil(New& order) {
    const std::int64_t dice = random_.below(6);
    if (dice == 0) order.type = static_cast<core::OrderType>(1 + random_.below(4));
    if (dice == 1) order.stop_price = random_.one_in(2) ? price() : 0;
    if (dice == 2) order.display = random_.below(5) - 1;
    if (dice == 3) order.expire_at = random_.one_in(2) ? expiry() : 0;
    if (dice == 4) order.price = 0;
    if (dice == 5) order.post_only = true;
  }

  void remember(const New& order) {
    const bool lasts = order.time_in_force <= core::TimeInForce::kGtd && order.symbol != "NONE";
    if (!lasts && !random_.one_in(4)) return;
    constexpr std::size_t kEntered = 300;
    if (entered_.size() == kEntered) entered_.erase(entered_.begin(), entered_.begin() + kEntered / 2);
    entered_.push_back({order.account, order.id, order.symbol});
  }

  // One of the last few mostly: it is probably still open.
  const Entered& one_entered() {
    constexpr std::size_t kFew = 12;
    if (random_.one_in(4) || entered_.size() <= kFew) return random_.pick(entered_);
    return entered_[entered_.size() - 1 - static_cast<std::size_t>(random_.below(kFew))];
  }

  // Mostly an order that was entered lately: with many ids a random one would hardly ever be known.
  template <class Any>
  std::string aim(Any& command) {
    command.id = id();
    command.account = account();
    command.target = id();
    command.valid_until = deadline();
    if (random_.one_in(12)) command.expected_version = 1 + random_.below(4);
    if (entered_.empty() || random_.one_in(8)) return "ACME";
    const Entered& one = one_entered();
    command.target = one.id;
    (random_.one_in(15) ? command.owner : command.account) = one.account;
    return one.symbol;
  }

  Cancel cancel() {
    Cancel cancel;
    aim(cancel);
    return cancel;
  }

  Amend amend() {
    Amend amend;
    const std::string of = aim(amend);
    if (random_.one_in(2)) amend.price = price();
    if (random_.one_in(2)) amend.quantity = random_.one_in(2) ? quantity() : quantity() * 2;
    if (random_.one_in(5)) amend.stop_price = price();
    if (random_.one_in(6)) amend.expire_at = expiry();
    if (random_.one_in(6)) {
      amend.symbol = random_.one_in(8) ? symbol() : of;
    } else if (random_.one_in(4)) {
      to_decimals(amend, of);
    }
    return amend;
  }

  // The same in decimals of the symbol, mostly.
  void to_decimals(Amend& amend, const std::string& of) {
    const bool zinc = random_.one_in(10) ? random_.one_in(2) : of == "ZINC";
    amend.decimal = true;
    amend.price_digits = amend.stop_digits = zinc ? 3 : 2;
    amend.price *= zinc ? 5 : 1;
    amend.stop_price *= zinc ? 5 : 1;
    amend.quantity_digits = zinc ? 1 : 0;
    if (random_.one_in(4)) amend.quantity_digits = static_cast<std::uint8_t>(random_.below(19));
    if (random_.one_in(4)) amend.price_digits = static_cast<std::uint8_t>(random_.below(19));
  }

  MassCancel mass_cancel() {
    MassCancel command{.id = id(), .account = account()};
    if (random_.one_in(2)) command.symbol = symbol();
    if (random_.one_in(4)) command.side = static_cast<std::uint8_t>(1 + random_.below(2));
    if (random_.one_in(4)) command.tag = "t";
    if (random_.one_in(4)) command.session = "s";
    command.disconnected = random_.one_in(4);
    command.valid_until = deadline();
    return command;
  }

  SetTradingState trading_state() {
    SetTradingState command{.id = id(), .state = static_cast<std::uint8_t>(1 + random_.below(3))};
    if (random_.one_in(10)) command.state = random_.one_in(2) ? 0 : 4;
    if (!random_.one_in(3)) (random_.one_in(2) ? command.of_account : command.of_symbol) = account();
    if (!command.of_symbol.empty()) command.of_symbol = symbol();
    if (random_.one_in(20)) command.of_symbol = symbol();
    command.cancel_open_orders = random_.one_in(2);
    command.account = command.of_account.empty() ? "admin" : command.of_account;
    command.valid_until = deadline();
    closed_ = true;
    last_closed_ = command;
    return command;
  }

  // What was closed last is opened again, so that the flow goes on.
  SetTradingState reopen() {
    closed_ = random_.one_in(10);
    last_closed_.id = id();
    last_closed_.state = 1;
    last_closed_.cancel_open_orders = false;
    last_closed_.valid_until = 0;
    return last_closed_;
  }

  // Close to what the orders come to.
  SetLimits limits() {
    SetLimits command{.id = id(), .account = account()};
    core::Limits& limits = command.limits;
    const auto some = [&](std::int64_t most) {
      return random_.one_in(3) ? static_cast<std::uint64_t>(1 + random_.below(most)) : 0;
    };
    const std::int64_t lots = 10 * domain_.quantity;
    const std::int64_t notional = lots * middle_;
    limits.max_order_quantity = {some(lots), 1};
    limits.max_order_notional = {some(notional), 3};
    limits.max_open_orders = static_cast<std::uint32_t>(some(5));
    limits.max_open_notional = {some(4 * notional), 3};
    limits.max_position = {some(2 * lots), 1};
    limits.band_ppm = static_cast<std::uint32_t>(some(60));
    limited_.push_back(command.account);
    return command;
  }

  SetLimits unlimit() {
    SetLimits command{.id = id(), .account = limited_.back()};
    limited_.pop_back();
    return command;
  }

  Domain domain_;
  Random random_;
  std::int64_t now_ = 0;
  std::int64_t middle_ = 100'000;
  bool closed_ = false;
  SetTradingState last_closed_{};
  std::vector<std::string> limited_;
  std::vector<Entered> entered_;
  std::vector<Command> sent_;
  std::vector<std::string> accounts_{"alice", "bob", "carol", "dave"};
  std::vector<std::string> groups_{"", "", "", "g", "h"};
  std::vector<core::TimeInForce> times_in_force_{
      core::TimeInForce::kGtc, core::TimeInForce::kGtc, core::TimeInForce::kGtc, core::TimeInForce::kGtc,
      core::TimeInForce::kDay, core::TimeInForce::kGtd, core::TimeInForce::kIoc, core::TimeInForce::kFok};
};

}  // namespace ordergate::testing
