// What must hold of the engine after every command, whatever the obvious engine says: its books are sound, and are
// those that a reader of its events would draw.
#include <gtest/gtest.h>

#include <set>

#include "core/engine.h"
#include "testing/domains.h"
#include "testing/flow.h"
#include "testing/ledger.h"
#include "testing/naive_state.h"

namespace ordergate::core {
namespace {

using testing::amount;
using testing::Domain;
using testing::Flow;
using testing::Ledger;

constexpr Side kSides[]{Side::kBuy, Side::kSell};

class Invariants : public ::testing::TestWithParam<Domain> {
 protected:
  static void expect_sound_level(const Engine& engine, const Book& book, Side side, Price price,
                                 std::set<std::uint32_t>& resting) {
    const Level& level = book.level(side, price);
    Quantity visible{0}, hidden{0};
    std::uint32_t last = 0;
    for (std::uint32_t at = level.head; at != 0; last = at, at = engine.nodes()[at].next) {
      const Node& node = engine.nodes()[at];
      const Order& order = engine.order(at);
      const Extras* const extras = engine.extras(order);
      ASSERT_TRUE(resting.insert(at).second) << "twice in the books";
      ASSERT_EQ(node.prev, last);
      ASSERT_EQ(node.price, price);
      ASSERT_EQ(order.price, price);
      ASSERT_EQ(order.side, side);
      ASSERT_TRUE(order.status == OrderStatus::kOpen || order.status == OrderStatus::kPartiallyFilled);
      ASSERT_GT(node.leaves.value, 0);
      const Quantity unseen = extras == nullptr ? Quantity{0} : extras->hidden;
      ASSERT_GE(unseen.value, 0);
      ASSERT_EQ(node.leaves + unseen, order.leaves());
      visible += node.leaves;
      hidden += unseen;
    }
    ASSERT_EQ(level.tail, last);
    ASSERT_NE(last, 0u) << "an empty level is listed";
    ASSERT_EQ(level.quantity, visible);
    ASSERT_EQ(book.quantity_at(side, price), visible);
    ASSERT_EQ(book.hidden_at(side, price), hidden);
  }

  // Books are not crossed, levels are what their orders are, and the walk over levels meets exactly the ledger's.
  static void expect_sound(const Engine& engine, Ledger& ledger) {
    std::set<std::uint32_t> resting;
    for (std::uint32_t i = 0; i < engine.instruments(); ++i) {
      const Book& book = engine.book(i);
      ASSERT_LT(book.best(Side::kBuy), book.best(Side::kSell)) << "crossed";
      for (const Side side : kSides) {
        Ledger::Side walked;
        for (Price price = book.best(side); price != Book::none(side); price = book.worse(side, price)) {
          ASSERT_NO_FATAL_FAILURE(expect_sound_level(engine, book, side, price, resting));
          for (std::uint32_t at = book.level(side, price).head; at != 0; at = engine.nodes()[at].next) {
            walked[price.value].push_back(at);
          }
        }
        ASSERT_EQ(walked, ledger.side(i, side)) << "queues are not what the events say";
      }
    }
    std::size_t waiting = 0;
    for (const auto& [index, entry] : ledger.open()) {
      const bool waits = entry.last.status == OrderStatus::kUntriggered;
      waiting += waits;
      ASSERT_EQ(resting.contains(index), !waits) << testing::text(entry.last);
      if (waits) continue;
      ASSERT_EQ(engine.nodes()[index].leaves.value, entry.visible);
    }
    ASSERT_EQ(resting.size() + waiting, engine.open_orders());
    ASSERT_EQ(ledger.open().size(), engine.open_orders()) << "an open order that no event tells of, or the reverse";
  }

  static void expect_conserved(const Engine& engine, const Ledger& ledger) {
    std::int64_t open = 0;
    for (const auto& [index, entry] : ledger.open()) {
      const Order& order = engine.order(index);
      ASSERT_EQ(order.executed.value, entry.executed);
      ASSERT_EQ(order.quantity.value, entry.last.total);
      ASSERT_EQ(order.version, entry.last.version);
      ASSERT_EQ(order.leaves().value, entry.last.leaves);
      open += order.leaves().value;
    }
    ASSERT_EQ(ledger.entered(), ledger.executed() + ledger.ended() + open) << "quantity came or went";
  }

  // What an account has, from the events alone.
  static void expect_accounts(const Engine& engine, Ledger& ledger, const EngineConfig& config) {
    std::map<std::string, std::uint32_t> orders;
    std::map<std::string, testing::Wide> notionals;
    for (const auto& [index, entry] : ledger.open()) {
      const InstrumentLimits& instrument = config.instruments[entry.symbol];
      const std::int64_t price = entry.last.price != 0 ? entry.last.price : entry.last.stop_price;
      const Decimal unit{instrument.price_increment.mantissa * instrument.lot_size.mantissa,
                         instrument.price_increment.digits + instrument.lot_size.digits};
      const std::string account(engine.account(engine.order(index).account));
      ++orders[account];
      notionals[account] += testing::Wide{price} * entry.last.leaves * amount(unit);
    }
    for (std::uint32_t i = 0; i < engine.accounts(); ++i) {
      const std::string account(engine.account(i));
      const auto view = engine.account_view(account);
      ASSERT_TRUE(view);
      ASSERT_EQ(view->open_orders, orders[account]);
      ASSERT_TRUE(amount(view->open_notional) == notionals[account]) << account;
      std::map<std::uint32_t, std::int64_t> positions(view->positions.begin(), view->positions.end());
      for (std::uint32_t s = 0; s < engine.instruments(); ++s) ASSERT_EQ(positions[s], ledger.position(account, s));
    }
  }

  // Everything that a refused command must leave as it is: books with their queues, all open orders, what accounts have
  // and may do, trades, and when orders expire.
  static std::string picture(const Engine& engine, const Ledger& ledger) {
    std::string text = std::to_string(engine.counters().trades) + " " + std::to_string(engine.open_orders()) + " " +
                       std::to_string(engine.next_expiry().value);
    for (std::uint32_t i = 0; i < engine.instruments(); ++i) {
      for (const Side side : kSides) text += "\n" + testing::picture(engine, side, i);
    }
    for (const auto& [index, entry] : ledger.open()) {
      const Order& order = engine.order(index);
      text += "\n" + std::string(order.command_id()) + " v" + std::to_string(order.version) + " " +
              std::to_string(order.executed.value) + "/" + std::to_string(order.quantity.value) + "@" +
              std::to_string(order.price.value) + " " + testing::name(order.status) + " " +
              std::to_string(order.last_seq.value) + " " + std::to_string(order.updated_at.value);
      if (const Extras* extras = engine.extras(order)) {
        text += " " + std::to_string(extras->stop_price.value) + " " + std::to_string(extras->expire_at.value);
      }
    }
    for (std::uint32_t i = 0; i < engine.accounts(); ++i) {
      const auto view = engine.account_view(engine.account(i));
      text += "\n" + testing::text(view->limits) + " " + std::to_string(view->open_orders) + " " +
              testing::text(view->open_notional);
      for (const auto& [symbol, lots] : view->positions) text += " " + std::to_string(lots);
    }
    return text;
  }

  static bool refused(const EventSink& sink) {
    switch (sink.events[0].kind) {
      case EventKind::kRejected:
      case EventKind::kCancelRejected:
      case EventKind::kAmendRejected:
      case EventKind::kCommandRejected:
      case EventKind::kDuplicate:
        return true;
      default:
        return false;
    }
  }
};

TEST_P(Invariants, HoldAfterEveryCommand) {
  const Domain& domain = GetParam();
  const EngineConfig config = config_of(domain);
  const bool large = domain.length > 4000;
  for (std::uint64_t seed = 501; seed <= 501 + 20'000 / domain.length; ++seed) {
    SCOPED_TRACE(domain.label + ", seed " + std::to_string(seed));
    Engine engine(config);
    Ledger ledger;
    Flow flow(domain, seed);
    for (std::size_t i = 0; i < std::min<std::size_t>(domain.length, 8000); ++i) {
      SCOPED_TRACE("command " + std::to_string(i));
      testing::Commands command({flow.next()});
      EventSink sink;
      engine.apply(command.frame(), {flow.now()}, sink);
      ASSERT_NO_FATAL_FAILURE(ledger.read(engine, sink));
      if (large && i % 97 != 0) continue;
      ASSERT_NO_FATAL_FAILURE(expect_sound(engine, ledger));
      ASSERT_NO_FATAL_FAILURE(expect_conserved(engine, ledger));
      ASSERT_NO_FATAL_FAILURE(expect_accounts(engine, ledger, config));
    }
  }
}

TEST_P(Invariants, RefusedCommandChangesNothingThatCanBeSeen) {
  const Domain& domain = GetParam();
  const std::size_t length = std::min<std::size_t>(domain.length, 1500);  // a picture of a large book takes long
  for (std::uint64_t seed = 701; seed <= 701 + 10'000 / domain.length; ++seed) {
    Engine engine(config_of(domain));
    Ledger ledger;
    Flow flow(domain, seed);
    std::size_t count = 0;
    for (std::size_t i = 0; i < length; ++i) {
      const testing::Command next = flow.next();
      EventSink sink;
      // Time first, in a frame with a tick, so that what expires does so before.
      testing::Commands tick({testing::Tick{.id = "tick " + std::to_string(i)}});
      engine.apply(tick.frame(), {flow.now()}, sink);
      ASSERT_NO_FATAL_FAILURE(ledger.read(engine, sink));
      const std::string before = picture(engine, ledger);
      const std::uint32_t accounts = engine.accounts();
      testing::Commands command({next});
      sink.clear();
      engine.apply(command.frame(), {flow.now()}, sink);
      ASSERT_NO_FATAL_FAILURE(ledger.read(engine, sink));
      if (!refused(sink) || engine.accounts() != accounts) continue;
      ASSERT_EQ(sink.events.size(), 1u);
      ASSERT_EQ(picture(engine, ledger), before) << domain.label << ", seed " << seed << ", command " << i;
      ++count;
    }
    EXPECT_GT(count, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, Invariants, ::testing::ValuesIn(testing::all_domains()), testing::label_of);

}  // namespace
}  // namespace ordergate::core
