// State of the obvious engine (naive.h): maps and lists of everything, and how it tells events.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"
#include "testing/told.h"

namespace ordergate::testing {

// Room for any product and sum that a test makes.
using Wide = __int128;

// Quantities and notionals in 10^-12. Limits of tests have at most so many digits.
inline Wide amount(const core::Decimal& value) {
  Wide scaled = value.mantissa;
  for (std::uint32_t digits = value.digits; digits < 12; ++digits) scaled *= 10;
  return scaled;
}

using NaiveKey = std::pair<std::string, std::string>;  // account, command id

struct NaiveOrder {
  NaiveKey key = {};
  New terms = {};
  std::string content = {};
  std::int64_t total = 0;
  std::int64_t price = 0;
  std::int64_t stop_price = 0;
  std::int64_t expire_at = 0;
  core::OrderStatus status = core::OrderStatus::kNone;
  core::Reason reject_reason = core::Reason::kNone;
  std::int64_t executed = 0;
  std::int64_t shown = 0;  // visible part of the leaves, while it rests
  core::Notional notional = 0;
  std::uint32_t version = 0;
  std::int64_t updated_at = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t accepted = 0;
  bool rests = false;
  bool waits = false;

  bool live() const {
    return status == core::OrderStatus::kOpen || status == core::OrderStatus::kPartiallyFilled ||
           status == core::OrderStatus::kUntriggered;
  }
  std::int64_t leaves() const { return live() ? total - executed : 0; }
  std::int64_t hidden() const { return rests ? leaves() - shown : 0; }
  bool buys() const { return terms.side == core::Side::kBuy; }
  bool is_stop() const {
    return terms.order_type() == core::OrderType::kStop || terms.order_type() == core::OrderType::kStopLimit;
  }
  bool is_priced() const {
    return terms.order_type() == core::OrderType::kLimit || terms.order_type() == core::OrderType::kStopLimit;
  }
  // At once, or not at all.
  bool is_immediate() const {
    return terms.time_in_force == core::TimeInForce::kIoc || terms.time_in_force == core::TimeInForce::kFok;
  }
  bool can_rest() const { return is_stop() || (terms.order_type() != core::OrderType::kMarket && !is_immediate()); }
  // What its notional is measured by, once it is open.
  std::int64_t open_price() const { return terms.order_type() == core::OrderType::kStop ? stop_price : price; }
};

using NaiveLevels = std::map<std::int64_t, std::list<NaiveOrder*>>;  // by rank: the best price first

struct NaiveBook {
  core::InstrumentLimits instrument;
  NaiveLevels bids = {};
  NaiveLevels asks = {};
  std::list<NaiveOrder*> waiting = {};  // stops, in order of arrival
  std::optional<std::int64_t> last_price = {};

  NaiveLevels& side(core::Side of) { return of == core::Side::kBuy ? bids : asks; }
  static std::int64_t rank(core::Side of, std::int64_t price) { return of == core::Side::kBuy ? -price : price; }
  // 0: none.
  std::int64_t reference() const { return last_price.value_or(instrument.reference_price.value); }
};

class NaiveState {
 public:
  explicit NaiveState(core::EngineConfig config) : config_(std::move(config)) {
    for (const core::InstrumentLimits& instrument : config_.instruments) {
      symbols_.push_back(instrument.symbol);
      books_.emplace(instrument.symbol, NaiveBook{.instrument = instrument});
    }
  }

  // Orders that rest or wait.
  std::uint32_t open_orders() const { return open_; }
  // When the next order is due to expire; 0: none is.
  std::int64_t next_expiry() const {
    std::int64_t next = 0;
    for (const auto& [account, orders] : open_of_) {
      for (const NaiveOrder* order : orders) {
        if (order->expire_at != 0 && (next == 0 || order->expire_at < next)) next = order->expire_at;
      }
    }
    return next;
  }

  // The side as picture() of print.h writes it.
  std::string picture(const std::string& symbol, core::Side of) {
    std::string text;
    for (const auto& [rank, orders] : book(symbol).side(of)) {
      if (!text.empty()) text += " | ";
      text += std::to_string(std::abs(rank)) + ":";
      const char* separator = " ";
      for (const NaiveOrder* order : orders) {
        text += separator + order->key.second + " " + std::to_string(order->shown);
        if (order->hidden() != 0) text += "(+" + std::to_string(order->hidden()) + ")";
        separator = ", ";
      }
    }
    return text;
  }

  // Of an account, over its open orders.
  std::uint32_t open_orders(const std::string& account) { return static_cast<std::uint32_t>(open_of_[account].size()); }

 protected:
  NaiveBook& book(const std::string& symbol) { return books_.at(symbol); }
  NaiveBook& book(const NaiveOrder& order) { return book(order.terms.symbol); }

  // The order, if it is held and belongs to the account.
  NaiveOrder* own(const std::string& account, const NaiveKey& key) {
    const auto found = orders_.find(key);
    return found != orders_.end() && key.first == account ? &found->second : nullptr;
  }

  // Tells the account of the order as it is.
  Told& tell(const std::string& account, core::EventKind kind, const NaiveOrder* order, bool answers) {
    Told& told = told_.emplace_back(
        Told{.account = account, .seq = ++seqs_[account], .kind = kind, .command = command_, .answers = answers});
    if (order != nullptr) show(told, *order);
    return told;
  }

  // Tells the owner of what has changed the order.
  Told& tell_change(NaiveOrder& order, core::EventKind kind, bool answers) {
    ++order.version;
    order.updated_at = now_;
    order.last_seq = seqs_[order.key.first] + 1;
    return tell(order.key.first, kind, &order, answers);
  }

  // Takes an order that has ended out of everything, and tells it.
  void end(NaiveOrder& order, core::OrderStatus status, core::EventKind kind, core::Cause cause, bool answers) {
    withdraw(order);
    order.status = status;
    ended_.push_back(order.key);
    tell_change(order, kind, answers).cause = cause;
  }
  void cancel(NaiveOrder& order, core::Cause cause, bool answers) {
    end(order, core::OrderStatus::kCanceled, core::EventKind::kCanceled, cause, answers);
  }

  void wait(NaiveOrder& order) {
    order.waits = true;
    book(order).waiting.push_back(&order);
    enter(order);
  }

  // At the back of its level, with a fresh visible part.
  void rest(NaiveOrder& order) {
    order.rests = true;
    refresh(order);
    level(order).push_back(&order);
    enter(order);
  }

  // The next visible part.
  static void refresh(NaiveOrder& order) {
    const std::int64_t display = order.terms.display;
    order.shown = display == 0 ? order.leaves() : std::min(display, order.leaves());
  }

  std::list<NaiveOrder*>& level(const NaiveOrder& order) {
    return book(order).side(order.terms.side)[NaiveBook::rank(order.terms.side, order.price)];
  }

  // Out of the book, or out of the waiting stops.
  void withdraw(NaiveOrder& order) {
    if (order.rests) {
      NaiveLevels& levels = book(order).side(order.terms.side);
      level(order).remove(&order);
      if (level(order).empty()) levels.erase(NaiveBook::rank(order.terms.side, order.price));
    }
    if (order.waits) book(order).waiting.remove(&order);
    if (order.rests || order.waits) leave(order);
    order.rests = order.waits = false;
    order.shown = 0;
  }

  const core::EngineConfig config_;
  std::vector<std::string> symbols_;
  std::map<std::string, NaiveBook> books_;
  std::map<NaiveKey, NaiveOrder> orders_;  // those that are held
  std::list<NaiveKey> ended_;              // of these, those that have ended, in order
  std::int64_t now_ = 0;
  std::uint32_t command_ = 0;
  std::uint64_t acceptances_ = 0;
  std::uint64_t trades_ = 0;
  std::map<std::string, std::uint64_t> seqs_;
  std::map<std::string, std::map<std::string, std::int64_t>> positions_;  // account, symbol
  std::vector<Told> told_;
  std::map<std::string, std::list<NaiveOrder*>> open_of_;  // account
  std::uint32_t open_ = 0;

 private:
  void enter(NaiveOrder& order) {
    open_of_[order.key.first].push_back(&order);
    ++open_;
  }
  void leave(NaiveOrder& order) {
    open_of_[order.key.first].remove(&order);
    --open_;
  }

  static void show(Told& told, const NaiveOrder& order) {
    told.order = order.key.second;
    told.status = order.status;
    told.executed = order.executed;
    told.leaves = order.leaves();
    told.version = order.version;
    told.total = order.total;
    told.price = order.price;
    told.stop_price = order.stop_price;
    told.expire_at = order.expire_at;
    told.notional = order.notional;
    told.updated_at = order.updated_at;
    told.last_seq = order.last_seq;
    told.reject_reason = order.reject_reason;
    if (told.kind == core::EventKind::kAccepted || told.kind == core::EventKind::kRejected) {
      told.terms = fixed_terms(order.terms);
    }
  }

  static std::string fixed_terms(const New& terms) {
    std::string text;
    for (const int value :
         {static_cast<int>(terms.side), static_cast<int>(terms.order_type()), static_cast<int>(terms.time_in_force),
          int{terms.post_only}, static_cast<int>(terms.prevention())}) {
      text += std::to_string(value) + "/";
    }
    return text + terms.symbol + "/" + std::to_string(terms.display) + "/" + terms.stp_group + "/" + terms.tag + "/" +
           terms.session + "/" + (terms.cancel_on_disconnect ? "1" : "0");
  }
};

}  // namespace ordergate::testing
