// Random flows of commands, the same on every machine.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"

namespace ordergate::testing {

using Command = std::variant<New, Cancel>;

// splitmix64; std::'s distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return core::StateHash::mix(state_ += 0x9E3779B97F4A7C15u); }
  // 0 to below.
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(limit));
  }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(below(static_cast<std::int64_t>(from.size())))];
  }

 private:
  std::uint64_t state_;
};

// What a flow draws from. Tiny domains find the most.
struct Domain {
  std::string label;
  std::int64_t ids;        // command ids per account
  std::int64_t prices;     // ticks around the middle
  std::int64_t step = 1;   // ticks between prices
  std::int64_t drift = 0;  // the middle moves by up to this much with each command
  std::int64_t quantity = 3;
  std::size_t open_orders_max = 1000;
  std::size_t length = 200;  // commands
};
inline void PrintTo(const Domain& domain, std::ostream* out) { *out << domain.label; }

class Flow {
 public:
  Flow(const Domain& domain, std::uint64_t seed) : domain_(domain), random_(seed) {}

  Command next() {
    ++now_;
    if (domain_.drift != 0) middle_ += random_.below(2 * domain_.drift + 1) - domain_.drift;
    if (middle_ < 1000) middle_ = 1000;
    return random_.one_in(3) ? Command(cancel()) : Command(order());
  }

  std::int64_t now() const { return now_; }

 private:
  std::string id() { return std::to_string(random_.below(domain_.ids)); }
  std::string account() { return random_.pick(accounts_); }
  std::int64_t deadline() { return random_.one_in(20) ? now_ + random_.below(3) - 1 : 0; }

  // Mostly an order that was entered lately: with many ids a random one would hardly ever be known.
  void aim(Cancel& cancel) {
    if (recent_.empty() || random_.one_in(5)) return;
    const auto& [account, id] = random_.pick(recent_);
    cancel.target = id;
    (random_.one_in(10) ? cancel.owner : cancel.account) = account;
  }

  void remember(const New& order) {
    constexpr std::size_t kRecent = 300;
    if (recent_.size() < kRecent) {
      recent_.emplace_back(order.account, order.id);
    } else {
      recent_[static_cast<std::size_t>(now_) % kRecent] = {order.account, order.id};
    }
  }

  New order() {
    New order{.id = id(), .side = random_.one_in(2) ? core::Side::kBuy : core::Side::kSell};
    order.account = account();
    order.symbol = random_.one_in(50) ? "NONE" : random_.one_in(4) ? "ZINC" : "ACME";
    order.price = middle_ + random_.below(domain_.prices) * domain_.step;
    order.quantity = 1 + random_.below(domain_.quantity);
    order.time_in_force = random_.pick(times_in_force_);
    order.post_only = random_.one_in(8);
    order.valid_until = deadline();
    if (random_.one_in(10)) order.price = 0;
    if (random_.one_in(60)) order.price = random_.one_in(2) ? 2'000'000'000'000 : -1;
    if (random_.one_in(60)) order.quantity = random_.one_in(2) ? 0 : 1'000'000'001;
    remember(order);
    return order;
  }

  Cancel cancel() {
    Cancel cancel{.id = id(), .target = id(), .account = account(), .valid_until = deadline()};
    if (random_.one_in(10)) cancel.owner = account();
    aim(cancel);
    return cancel;
  }

  Domain domain_;
  Random random_;
  std::int64_t now_ = 0;
  std::int64_t middle_ = 100'000;
  std::vector<std::pair<std::string, std::string>> recent_;
  std::vector<std::string> accounts_{"alice", "bob"};
  std::vector<core::TimeInForce> times_in_force_{core::TimeInForce::kGtc, core::TimeInForce::kGtc,
                                                 core::TimeInForce::kGtc, core::TimeInForce::kIoc,
                                                 core::TimeInForce::kFok};
};

inline std::vector<core::InstrumentLimits> test_instruments() {
  return {{"ACME", {1}, {100'000'000'000}, {1'000'000'000}}, {"ZINC", {1}, {100'000'000'000}, {1'000'000'000}}};
}

}  // namespace ordergate::testing
