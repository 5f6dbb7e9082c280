// The obvious engine: maps, lists and strings, written from the contract and sharing no code with the core. The oracle
// of the lockstep test.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"

namespace ordergate::testing {

class NaiveEngine {
 public:
  NaiveEngine(std::vector<core::InstrumentLimits> instruments, std::size_t open_orders_max) : max_(open_orders_max) {
    for (auto& instrument : instruments) limits_.emplace(instrument.symbol, instrument);
  }

  // Events of the command as describe() (print.h) writes them.
  std::vector<std::string> apply(const New& command, std::int64_t now) {
    start(now);
    const Key key{command.account, command.id};
    const std::string content = command.symbol + "/" + std::to_string(static_cast<int>(command.side)) + "/" +
                                std::to_string(command.price) + "/" + std::to_string(command.quantity) + "/" +
                                std::to_string(static_cast<int>(command.time_in_force)) +
                                (command.post_only ? "/p" : "");
    if (repeated(key, content)) return std::move(told_);
    seen_[key] = {content, key};
    Order& order = orders_[key];
    order = {.terms = command};
    if (const std::string why = refusal(command); !why.empty()) {
      order.status = "REJECTED";
      ++order.version;
      tell(key, "REJECTED", &key, why);
      return std::move(told_);
    }
    order.status = "OPEN";
    order.leaves = command.quantity;
    ++order.version;
    tell(key, "ACCEPTED", &key, "");
    if (command.time_in_force == core::TimeInForce::kFok && available(command) < command.quantity) {
      cancel(key, "FOK_UNFILLED");
      return std::move(told_);
    }
    match(key, order);
    if (order.leaves > 0) {
      if (command.time_in_force == core::TimeInForce::kGtc) {
        side(command.symbol, command.side)[rank(command.side, command.price)].push_back(key);
        ++resting_;
      } else {
        cancel(key, "IOC_REMAINDER");
      }
    }
    return std::move(told_);
  }

  std::vector<std::string> apply(const Cancel& command, std::int64_t now) {
    start(now);
    const Key key{command.account, command.id};
    const Key target{command.owner.empty() ? command.account : command.owner, command.target};
    if (repeated(key, "cancel/" + target.first + "/" + target.second)) return std::move(told_);
    const auto found = orders_.find(target);
    const bool known = found != orders_.end() && target.first == command.account;
    seen_[key] = {"cancel/" + target.first + "/" + target.second, known ? std::optional(target) : std::nullopt};
    const Key* shown = known ? &target : nullptr;
    if (command.valid_until != 0 && command.valid_until < now) {
      tell(key, "CANCEL_REJECTED", shown, "STALE");
    } else if (!known) {
      tell(key, "CANCEL_REJECTED", nullptr, "UNKNOWN_ORDER");
    } else if (found->second.leaves == 0) {
      tell(key, "CANCEL_REJECTED", shown, "TOO_LATE");
    } else {
      unlist(target);
      cancel(target, "USER");
    }
    return std::move(told_);
  }

  // The side as picture() writes it.
  std::string picture(const std::string& symbol, core::Side of) {
    std::string text;
    for (const auto& [rank, keys] : side(symbol, of)) {
      if (keys.empty()) continue;
      if (!text.empty()) text += " | ";
      text += std::to_string(std::abs(rank)) + ":";
      const char* separator = " ";
      for (const Key& key : keys) {
        text += separator + key.second + " " + std::to_string(orders_[key].leaves);
        separator = ", ";
      }
    }
    return text;
  }

 private:
  using Key = std::pair<std::string, std::string>;  // account, command id
  struct Order {
    New terms;
    std::string status = {};
    std::int64_t executed = 0;
    std::int64_t leaves = 0;
    int version = 0;
    core::Notional notional = 0;
  };
  struct Seen {
    std::string content;
    std::optional<Key> order;
  };
  using Levels = std::map<std::int64_t, std::list<Key>>;  // by rank: the best price first

  static std::int64_t rank(core::Side side, std::int64_t price) { return side == core::Side::kBuy ? -price : price; }
  Levels& side(const std::string& symbol, core::Side side) { return books_[{symbol, static_cast<int>(side)}]; }
  Levels& makers(const New& taker) {
    return side(taker.symbol, taker.side == core::Side::kBuy ? core::Side::kSell : core::Side::kBuy);
  }

  static bool trades_at(const New& taker, std::int64_t price) {
    if (taker.price == 0) return true;
    return taker.side == core::Side::kBuy ? price <= taker.price : price >= taker.price;
  }

  void start(std::int64_t now) {
    now_ = now;
    told_.clear();
  }

  bool repeated(const Key& key, const std::string& content) {
    const auto found = seen_.find(key);
    if (found == seen_.end()) return false;
    const bool same = found->second.content == content;
    const bool is_order = orders_.contains(key);
    const Key* shown = found->second.order && (same || is_order) ? &*found->second.order : nullptr;
    tell(key, same ? "DUPLICATE" : "COMMAND_REJECTED", shown, same ? "" : "ID_CONFLICT");
    return true;
  }

  std::string refusal(const New& order) {
    if (order.valid_until != 0 && order.valid_until < now_) return "STALE";
    if (!limits_.contains(order.symbol)) return "UNKNOWN_SYMBOL";
    const core::InstrumentLimits& limits = limits_[order.symbol];
    const bool gtc = order.time_in_force == core::TimeInForce::kGtc;
    const bool market = order.price == 0;
    if ((market && gtc) || (order.post_only && (market || !gtc)) || order.quantity <= 0) return "INVALID_FIELD";
    if (order.quantity > limits.max_quantity.value) return "MAX_ORDER_QUANTITY";
    const bool banded = order.price >= limits.min_price.value && order.price <= limits.max_price.value;
    if (!market && !banded) return "PRICE_BAND";
    if (order.post_only && available(order) > 0) return "WOULD_CROSS";
    if (gtc && resting_ >= max_) return "ENGINE_CAPACITY";
    return "";
  }

  std::int64_t available(const New& taker) {
    std::int64_t sum = 0;
    for (const auto& [rank, keys] : makers(taker)) {
      if (!trades_at(taker, std::abs(rank))) break;
      for (const Key& key : keys) sum += orders_[key].leaves;
    }
    return sum;
  }

  void match(const Key& key, Order& taker) {
    Levels& levels = makers(taker.terms);
    while (taker.leaves > 0 && !levels.empty()) {
      auto best = levels.begin();
      const std::int64_t price = std::abs(best->first);
      if (!trades_at(taker.terms, price)) break;
      const Key maker_key = best->second.front();
      Order& maker = orders_[maker_key];
      const std::int64_t quantity = std::min(maker.leaves, taker.leaves);
      fill(maker, price, quantity);
      tell(maker_key, "FILL", &maker_key, std::to_string(quantity) + "@" + std::to_string(price) + " maker");
      fill(taker, price, quantity);
      tell(key, "FILL", &key, std::to_string(quantity) + "@" + std::to_string(price) + " taker");
      if (maker.leaves > 0) continue;
      best->second.pop_front();
      --resting_;
      if (best->second.empty()) levels.erase(best);
    }
  }

  static void fill(Order& order, std::int64_t price, std::int64_t quantity) {
    order.executed += quantity;
    order.leaves -= quantity;
    order.notional += core::Notional(price) * core::Notional(quantity);
    order.status = order.leaves == 0 ? "FILLED" : "PARTIALLY_FILLED";
    ++order.version;
  }

  void unlist(const Key& key) {
    const New& terms = orders_[key].terms;
    Levels& levels = side(terms.symbol, terms.side);
    const auto level = levels.find(rank(terms.side, terms.price));
    level->second.remove(key);
    if (level->second.empty()) levels.erase(level);
    --resting_;
  }

  void cancel(const Key& key, const std::string& cause) {
    Order& order = orders_[key];
    order.leaves = 0;
    order.status = "CANCELED";
    ++order.version;
    tell(key, "CANCELED", &key, cause);
  }

  void tell(const Key& whose, const std::string& kind, const Key* about, const std::string& what) {
    std::string line = whose.first + "#" + std::to_string(++seqs_[whose.first]) + " " + kind;
    if (about != nullptr) {
      const Order& order = orders_[*about];
      line += " " + about->second + " " + order.status + " " + std::to_string(order.executed) + "+" +
              std::to_string(order.leaves) + " v" + std::to_string(order.version);
    }
    told_.push_back(what.empty() ? line : line + " " + what);
  }

  std::map<std::string, core::InstrumentLimits> limits_;
  std::size_t max_;
  std::size_t resting_ = 0;
  std::int64_t now_ = 0;
  std::map<std::pair<std::string, int>, Levels> books_;
  std::map<Key, Order> orders_;
  std::map<Key, Seen> seen_;
  std::map<std::string, int> seqs_;
  std::vector<std::string> told_;
};

}  // namespace ordergate::testing
