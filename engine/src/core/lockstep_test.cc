// The engine beside the obvious one, command by command, and invariants that need no other engine.
#include <gtest/gtest.h>

#include <map>

#include "core/engine.h"
#include "testing/commands.h"
#include "testing/flow.h"
#include "testing/naive.h"
#include "testing/print.h"

namespace ordergate::core {
namespace {

using testing::Command;
using testing::Commands;
using testing::describe;
using testing::Domain;
using testing::Flow;
using testing::NaiveEngine;
using testing::picture;

const std::vector<Domain> kDomains{
    {.label = "four ids", .ids = 4, .prices = 5, .length = 60},
    {.label = "few orders", .ids = 40, .prices = 5, .length = 300},
    {.label = "many orders", .ids = 1'000'000, .prices = 5, .length = 2000},
    {.label = "a pool of three", .ids = 1'000'000, .prices = 5, .open_orders_max = 3, .length = 500},
    {.label = "deep book", .ids = 1'000'000, .prices = 200, .quantity = 100, .length = 3000},
    {.label = "prices beyond the ladder", .ids = 1'000'000, .prices = 5, .step = 20'000, .length = 2000},
    {.label = "a middle that wanders",
     .ids = 1'000'000,
     .prices = 300,
     .step = 7,
     .drift = 400,
     .quantity = 50,
     .open_orders_max = 100'000,
     .length = 40'000},
};

// Everything that must hold of a book at any time.
void expect_sound(const Engine& engine, const Book& book, std::uint32_t& resting) {
  ASSERT_LT(book.best(Side::kBuy), book.best(Side::kSell)) << "crossed";
  for (const Side side : {Side::kBuy, Side::kSell}) {
    for (Price price = book.best(side); price != Book::none(side); price = book.worse(side, price)) {
      const Level& level = book.level(side, price);
      Quantity sum{0};
      std::uint32_t last = 0;
      for (std::uint32_t node = level.head; node != 0; last = node, node = engine.nodes()[node].next) {
        const Node& at = engine.nodes()[node];
        const Order& order = engine.order(at.order);
        ASSERT_EQ(at.prev, last);
        ASSERT_EQ(at.price, price);
        ASSERT_EQ(order.node, node);
        ASSERT_EQ(order.side, side);
        ASSERT_TRUE(is_live(order.status));
        ASSERT_EQ(at.leaves, order.leaves());
        ASSERT_GT(at.leaves.value, 0);
        sum += at.leaves;
        ++resting;
      }
      ASSERT_EQ(level.tail, last);
      ASSERT_EQ(level.quantity, sum);
      ASSERT_EQ(book.quantity_at(side, price), sum);
    }
  }
}

void expect_sound(const Engine& engine) {
  std::uint32_t resting = 0;
  for (std::uint32_t i = 0; i < engine.instruments(); ++i) expect_sound(engine, engine.book(i), resting);
  ASSERT_EQ(resting, engine.open_orders()) << "orders in the books and nodes in use differ";
}

void expect_sound(const Engine& engine, const EventSink& sink) {
  for (const Trade& trade : sink.trades) {
    const Event& maker = sink.events[trade.maker_event];
    const Event& taker = sink.events[trade.taker_event];
    ASSERT_GT(trade.quantity.value, 0);
    ASSERT_EQ(trade.price, engine.order(maker.order).price) << "not the maker's price";
    const Order& aggressor = engine.order(taker.order);
    const bool within =
        aggressor.type == OrderType::kMarket ||
        (aggressor.side == Side::kBuy ? trade.price <= aggressor.price : trade.price >= aggressor.price);
    ASSERT_TRUE(within) << "beyond the taker's limit";
  }
  for (const Event& event : sink.events) {
    if (event.order == 0) continue;
    const Order& order = engine.order(event.order);
    ASSERT_LE(event.executed + event.leaves, std::max(order.quantity, Quantity{0}));
    if (is_live(event.status)) {
      ASSERT_EQ(event.executed + event.leaves, order.quantity);
    }
  }
}

class Lockstep : public ::testing::TestWithParam<Domain> {};

TEST_P(Lockstep, TellsTheSameEventsAsTheObviousEngine) {
  const Domain& domain = GetParam();
  const std::uint64_t seeds = 60'000 / domain.length + 1;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(domain.label + ", seed " + std::to_string(seed));
    Engine engine({testing::test_instruments(), static_cast<std::uint32_t>(domain.open_orders_max)});
    NaiveEngine naive(testing::test_instruments(), domain.open_orders_max);
    Flow flow(domain, seed);
    EventSink sink;
    const std::size_t every = domain.length > 5000 ? 997 : 1;  // a full look at a large book, now and then
    for (std::size_t i = 0; i < domain.length; ++i) {
      const Command command = flow.next();
      Commands commands;
      std::visit([&](const auto& c) { commands.add(c); }, command);
      sink.clear();
      engine.apply(commands.frame(), {flow.now()}, sink);
      const auto expected = std::visit([&](const auto& c) { return naive.apply(c, flow.now()); }, command);

      std::vector<std::string> told;
      for (const Event& event : sink.events) told.push_back(describe(engine, event));
      ASSERT_EQ(told, expected) << "command " << i;
      ASSERT_NO_FATAL_FAILURE(expect_sound(engine, sink)) << "command " << i;
      if (i % every != 0) continue;
      ASSERT_NO_FATAL_FAILURE(expect_sound(engine)) << "command " << i;
      for (const Side side : {Side::kBuy, Side::kSell}) {
        ASSERT_EQ(picture(engine, side, 0), naive.picture("ACME", side)) << "command " << i;
        ASSERT_EQ(picture(engine, side, 1), naive.picture("ZINC", side)) << "command " << i;
      }
    }
  }
}

TEST_P(Lockstep, SameCommandsInOtherFramesMakeTheSameStateAndEvents) {
  const Domain& domain = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    std::vector<std::string> first_told;
    std::string first_hash;
    for (const std::size_t frame_size : {std::size_t{1}, std::size_t{7}, std::size_t{100}}) {
      Engine engine({testing::test_instruments(), static_cast<std::uint32_t>(domain.open_orders_max)});
      Flow flow(domain, seed);
      std::vector<std::string> told;
      for (std::size_t done = 0; done < domain.length; done += frame_size) {
        Commands commands;
        for (std::size_t i = 0; i < frame_size; ++i) {
          const Command command = done + i < domain.length ? flow.next() : Command(testing::Cancel{"-", "-"});
          if (done + i < domain.length) std::visit([&](const auto& c) { commands.add(c); }, command);
        }
        EventSink sink;
        engine.apply(commands.frame(), {1}, sink);
        for (const Event& event : sink.events) told.push_back(describe(engine, event));
      }
      if (frame_size == 1) {
        first_told = told;
        first_hash = engine.state_hash();
      }
      ASSERT_EQ(told, first_told) << domain.label << ", frames of " << frame_size;
      ASSERT_EQ(engine.state_hash(), first_hash) << domain.label << ", frames of " << frame_size;
    }
  }
}

// Buyers and sellers change places, prices are reflected: the trades are the same.
TEST_P(Lockstep, MirroredFlowMakesMirroredTrades) {
  const Domain& domain = GetParam();
  constexpr std::int64_t kMirror = 50'000'000'000;
  Engine engine({testing::test_instruments(), static_cast<std::uint32_t>(domain.open_orders_max)});
  Engine mirror({testing::test_instruments(), static_cast<std::uint32_t>(domain.open_orders_max)});
  Flow flow(domain, 99);
  EventSink sink, mirrored;
  for (std::size_t i = 0; i < domain.length; ++i) {
    Command command = flow.next();
    Commands commands, reflected;
    std::visit([&](const auto& c) { commands.add(c); }, command);
    if (auto* order = std::get_if<testing::New>(&command)) {
      order->side = opposite(order->side);
      if (order->price > 0) order->price = kMirror - order->price;
    }
    std::visit([&](const auto& c) { reflected.add(c); }, command);
    sink.clear();
    mirrored.clear();
    engine.apply(commands.frame(), {flow.now()}, sink);
    mirror.apply(reflected.frame(), {flow.now()}, mirrored);
    ASSERT_EQ(sink.events.size(), mirrored.events.size()) << "command " << i;
    ASSERT_EQ(sink.trades.size(), mirrored.trades.size()) << "command " << i;
    for (std::size_t t = 0; t < sink.trades.size(); ++t) {
      ASSERT_EQ(sink.trades[t].quantity, mirrored.trades[t].quantity);
      ASSERT_EQ(sink.trades[t].price.value, kMirror - mirrored.trades[t].price.value);
    }
  }
}

TEST_P(Lockstep, CancellingAllEmptiesTheBooks) {
  const Domain& domain = GetParam();
  Engine engine({testing::test_instruments(), static_cast<std::uint32_t>(domain.open_orders_max)});
  Flow flow(domain, 7);
  EventSink sink;
  std::map<std::pair<std::string, std::string>, bool> ids;
  for (std::size_t i = 0; i < domain.length; ++i) {
    const Command command = flow.next();
    Commands commands;
    std::visit([&](const auto& c) { commands.add(c); }, command);
    if (const auto* order = std::get_if<testing::New>(&command)) ids[{order->account, order->id}] = true;
    sink.clear();
    engine.apply(commands.frame(), {flow.now()}, sink);
  }
  Commands sweep;
  for (const auto& [key, unused] : ids) {
    sweep.add(testing::Cancel{.id = "sweep" + key.second, .target = key.second, .account = key.first});
  }
  sink.clear();
  engine.apply(sweep.frame(), {flow.now()}, sink);
  EXPECT_EQ(engine.open_orders(), 0u);
  for (std::uint32_t i = 0; i < engine.instruments(); ++i) {
    EXPECT_EQ(engine.book(i).best(Side::kBuy), Book::kNoBid);
    EXPECT_EQ(engine.book(i).best(Side::kSell), Book::kNoAsk);
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, Lockstep, ::testing::ValuesIn(kDomains), [](const auto& domain) {
  std::string label = domain.param.label;
  for (char& c : label) c = c == ' ' ? '_' : c;
  return label;
});

}  // namespace
}  // namespace ordergate::core
