// What the engine promises, as stories: commands, the events they yield, and the book they leave.
#include "core/engine.h"

#include <gtest/gtest.h>

#include <limits>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Cancel;
using testing::Command;
using testing::Commands;
using testing::kB;
using testing::kFok;
using testing::kIoc;
using testing::kS;
using testing::Lines;
using testing::New;
class EngineTest : public testing::StoryTest {
 protected:
  EngineTest() : StoryTest(config()) {}
  static EngineConfig config() {
    EngineConfig config = usual();
    config.open_orders_max = 100;
    return config;
  }
};

TEST_F(EngineTest, LimitOrderThatDoesNotCrossRests) {
  EXPECT_EQ(apply({New{"a", kB, 100, 5}}), Lines{"alice#1 ACCEPTED a OPEN 0+5 v1"});
  EXPECT_EQ(bids(), "100: a 5");
}

TEST_F(EngineTest, TradePrintsAtTheMakersPriceOnBothSides) {
  apply({New{"a", kS, 100, 5}});
  EXPECT_EQ(apply({New{.id = "b", .side = kB, .price = 103, .quantity = 2, .account = "bob"}}),
            (Lines{"bob#1 ACCEPTED b OPEN 0+2 v1", "alice#2 FILL a PARTIALLY_FILLED 2+3 v2 2@100 maker",
                   "bob#2 FILL b FILLED 2+0 v2 2@100 taker"}));
  EXPECT_EQ(asks(), "100: a 3");
}

TEST_F(EngineTest, BestPriceTradesFirstThenTheOldest) {
  apply({New{"late", kS, 101, 1}, New{"first", kS, 100, 1}, New{"second", kS, 100, 1}});
  apply({New{"taker", kB, 101, 2}});
  EXPECT_EQ(asks(), "101: late 1");
}

TEST_F(EngineTest, PartialFillKeepsItsPlaceInTheQueue) {
  apply({New{"a", kS, 100, 5}, New{"b", kS, 100, 5}, New{"x", kB, 100, 2}});
  EXPECT_EQ(asks(), "100: a 3, b 5");
  apply({New{"y", kB, 100, 4}});
  EXPECT_EQ(asks(), "100: b 4");
}

TEST_F(EngineTest, TakerWalksTheBookAndRestsWithWhatIsLeft) {
  apply({New{"a", kS, 100, 1}, New{"b", kS, 101, 1}, New{"c", kS, 103, 1}});
  EXPECT_EQ(apply({New{"t", kB, 102, 5}}).back(), "alice#8 FILL t PARTIALLY_FILLED 2+3 v3 1@101 taker");
  EXPECT_EQ(bids(), "102: t 3");
  EXPECT_EQ(asks(), "103: c 1");
}

TEST_F(EngineTest, BestPriceIsFreshAfterItsLevelIsCancelled) {
  apply({New{"a", kS, 100, 1}, New{"b", kS, 105, 1}, Cancel{"c", "a"}});
  EXPECT_EQ(apply({New{"t", kB, 101, 1}}), Lines{"alice#4 ACCEPTED t OPEN 0+1 v1"});
  EXPECT_EQ(engine_.book(0).best(kS), Price{105});
}

TEST_F(EngineTest, IocRemainderIsCancelledAndNeverRests) {
  apply({New{"a", kS, 100, 1}});
  EXPECT_EQ(apply({New{"t", kB, 100, 3, kIoc}}).back(), "alice#5 CANCELED t CANCELED 1+0 v3 IOC_REMAINDER");
  EXPECT_EQ(bids(), "");
}

TEST_F(EngineTest, MarketOrderTakesAnyPriceAndNeverRests) {
  apply({New{"a", kS, 100'000'000'000, 1}, New{"z", kB, 1, 1}});
  EXPECT_EQ(apply({New{"t", kB, 0, 3, kIoc}}).back(), "alice#6 CANCELED t CANCELED 1+0 v3 IOC_REMAINDER");
  EXPECT_EQ(apply({New{"u", kS, 0, 1, kIoc}}).back(), "alice#9 FILL u FILLED 1+0 v2 1@1 taker");
  EXPECT_EQ(bids() + asks(), "");
}

TEST_F(EngineTest, MarketOrderOnAnEmptyBookIsCancelled) {
  EXPECT_EQ(apply({New{"t", kB, 0, 3, kIoc}}),
            (Lines{"alice#1 ACCEPTED t OPEN 0+3 v1", "alice#2 CANCELED t CANCELED 0+0 v2 IOC_REMAINDER"}));
}

TEST_F(EngineTest, FokIsDecidedOverAllLevelsBeforeAnythingTrades) {
  apply({New{"a", kS, 100, 2}, New{"b", kS, 101, 2}, New{"c", kS, 102, 9}});
  EXPECT_EQ(apply({New{"no", kB, 101, 5, kFok}}),
            (Lines{"alice#4 ACCEPTED no OPEN 0+5 v1", "alice#5 CANCELED no CANCELED 0+0 v2 FOK_UNFILLED"}));
  EXPECT_EQ(asks(), "100: a 2 | 101: b 2 | 102: c 9");
  EXPECT_EQ(apply({New{"yes", kB, 101, 4, kFok}}).back(), "alice#10 FILL yes FILLED 4+0 v3 2@101 taker");
  EXPECT_EQ(asks(), "102: c 9");
}

TEST_F(EngineTest, PostOnlyRestsOrIsRefused) {
  apply({New{"a", kS, 100, 1}});
  EXPECT_EQ(apply({New{.id = "p", .price = 100, .post_only = true}}),
            Lines{"alice#2 REJECTED p REJECTED 0+0 v1 WOULD_CROSS"});
  EXPECT_EQ(apply({New{.id = "q", .price = 99, .post_only = true}}), Lines{"alice#3 ACCEPTED q OPEN 0+1 v1"});
}

TEST_F(EngineTest, CancelOfARestingOrderIsToldOnce) {
  apply({New{"a", kB, 100, 5}});
  EXPECT_EQ(apply({Cancel{"c1", "a"}}), Lines{"alice#2 CANCELED a CANCELED 0+0 v2 USER"});
  EXPECT_EQ(apply({Cancel{"c2", "a"}}), Lines{"alice#3 CANCEL_REJECTED a CANCELED 0+0 v2 TOO_LATE"});
  EXPECT_EQ(bids(), "");
}

TEST_F(EngineTest, CancelOfAFilledOrderIsTooLateAndShowsIt) {
  apply({New{"a", kB, 100, 5}, New{"b", kS, 100, 5}});
  EXPECT_EQ(apply({Cancel{"c", "a"}}), Lines{"alice#5 CANCEL_REJECTED a FILLED 5+0 v2 TOO_LATE"});
}

TEST_F(EngineTest, CancelOfAnUnknownOrAForeignOrderShowsNothing) {
  apply({New{"a", kB, 100, 5}});
  EXPECT_EQ(apply({Cancel{"c", "nothing"}}), Lines{"alice#2 CANCEL_REJECTED UNKNOWN_ORDER"});
  EXPECT_EQ(apply({Cancel{"c", "a", "bob", "alice"}}), Lines{"bob#1 CANCEL_REJECTED UNKNOWN_ORDER"});
  EXPECT_EQ(bids(), "100: a 5");
}

TEST_F(EngineTest, CancelThatNamesACancelIsUnknown) {
  apply({New{"a", kB, 100, 5}, Cancel{"c", "x"}});
  EXPECT_EQ(apply({Cancel{"d", "c"}}), Lines{"alice#3 CANCEL_REJECTED UNKNOWN_ORDER"});
}

TEST_F(EngineTest, RepeatedCommandChangesNothingAndShowsTheOrderAsItIs) {
  apply({New{"a", kB, 100, 5}, New{"b", kS, 100, 2}});
  EXPECT_EQ(apply({New{"a", kB, 100, 5}}), Lines{"alice#5 DUPLICATE a PARTIALLY_FILLED 2+3 v2"});
  apply({Cancel{"c", "a"}});
  EXPECT_EQ(apply({Cancel{"c", "a"}}), Lines{"alice#7 DUPLICATE a CANCELED 2+0 v3"});
  EXPECT_EQ(apply({New{"a", kB, 100, 5}}), Lines{"alice#8 DUPLICATE a CANCELED 2+0 v3"});
  EXPECT_EQ(bids(), "");
}

TEST_F(EngineTest, IdWithOtherContentIsAConflictThatTouchesNothing) {
  const New first{"a", kB, 100, 5};
  apply({first, Cancel{"c", "a2"}});
  std::vector<New> others(7, first);
  others[0].side = kS;
  others[1].price = 101;
  others[2].quantity = 6;
  others[3].time_in_force = kIoc;
  others[4].symbol = "ZINC";
  others[5].post_only = true;
  others[6].price = 0;
  std::uint64_t seq = 2;
  for (const New& other : others) {
    EXPECT_EQ(apply({other}), Lines{"alice#" + std::to_string(++seq) + " COMMAND_REJECTED a OPEN 0+5 v1 ID_CONFLICT"});
  }
  EXPECT_EQ(apply({Cancel{"a", "a"}}), Lines{"alice#10 COMMAND_REJECTED a OPEN 0+5 v1 ID_CONFLICT"});
  EXPECT_EQ(apply({New{"c", kB, 100, 5}}), Lines{"alice#11 COMMAND_REJECTED ID_CONFLICT"});
  EXPECT_EQ(apply({Cancel{"c", "a"}}), Lines{"alice#12 COMMAND_REJECTED ID_CONFLICT"});
  EXPECT_EQ(bids(), "100: a 5");
}

TEST_F(EngineTest, IdStaysTakenAfterAFill) {
  apply({New{"a", kB, 100, 1}, New{"b", kS, 100, 1}});
  EXPECT_EQ(apply({New{"a", kB, 100, 1}}), Lines{"alice#5 DUPLICATE a FILLED 1+0 v2"});
  EXPECT_EQ(bids(), "");
}

TEST_F(EngineTest, SameIdOfAnotherAccountIsAnotherOrder) {
  apply({New{"a", kB, 100, 1}});
  EXPECT_EQ(apply({New{.id = "a", .price = 100, .account = "bob"}}), Lines{"bob#1 ACCEPTED a OPEN 0+1 v1"});
}

TEST_F(EngineTest, StaleCommandIsRefusedAndStaysRefused) {
  New late{.id = "a", .price = 100, .valid_until = 999};
  EXPECT_EQ(apply({late}), Lines{"alice#1 REJECTED a REJECTED 0+0 v1 STALE"});
  late.valid_until = 5000;  // when to give up is not what was asked for
  EXPECT_EQ(apply({late}), Lines{"alice#2 DUPLICATE a REJECTED 0+0 v1"});
  EXPECT_EQ(apply({New{.id = "b", .price = 100, .valid_until = 1000}}), Lines{"alice#3 ACCEPTED b OPEN 0+1 v1"});
  EXPECT_EQ(apply({Cancel{.id = "c", .target = "b", .valid_until = 999}}),
            Lines{"alice#4 CANCEL_REJECTED b OPEN 0+1 v1 STALE"});
  EXPECT_EQ(bids(), "100: b 1");
}

TEST_F(EngineTest, EngineTimeNeverGoesBack) {
  apply({New{"a", kB, 100, 1}}, 2000);
  apply({New{"b", kB, 100, 1}}, 1000);
  EXPECT_EQ(engine_.time(), Time{2000});
  EXPECT_EQ(told()[0].updated_at, 2000);
}

TEST_F(EngineTest, RefusalsHaveAnOrderOfPrecedence) {
  // Each row mends what the one before was refused for.
  New order{.id = "0", .price = -1, .quantity = 0, .account = "alice", .symbol = "NONE", .post_only = true};
  order.time_in_force = kIoc;
  order.valid_until = 1;
  apply({New{"ask", kS, 50, 1}});
  const auto refused = [&] {
    order.id += "'";
    const std::string line = apply({order}).front();
    return line.substr(line.rfind(' ') + 1);
  };
  EXPECT_EQ(refused(), "STALE");
  order.valid_until = 0;
  EXPECT_EQ(refused(), "UNKNOWN_SYMBOL");
  order.symbol = "ACME";
  EXPECT_EQ(refused(), "INVALID_FIELD");  // post_only IOC
  order.time_in_force = TimeInForce::kGtc;
  EXPECT_EQ(refused(), "INVALID_FIELD");  // quantity 0
  order.quantity = 1'000'000'001;
  EXPECT_EQ(refused(), "MAX_ORDER_QUANTITY");
  order.quantity = 1'000'000'000;
  EXPECT_EQ(refused(), "PRICE_BAND");  // price -1
  order.price = 100'000'000'001;
  EXPECT_EQ(refused(), "PRICE_BAND");
  order.price = 50;
  EXPECT_EQ(refused(), "WOULD_CROSS");
  order.price = 49;
  EXPECT_EQ(refused(), "v1");  // accepted
}

TEST_F(EngineTest, MarketOrderMustNotRest) {
  EXPECT_EQ(apply({New{"a", kB, 0, 1}}), Lines{"alice#1 REJECTED a REJECTED 0+0 v1 INVALID_FIELD"});
}

TEST_F(EngineTest, FullPoolRefusesWhatMightRestAndNothingElse) {
  std::vector<Command> fill;
  for (int i = 0; i < 100; ++i) fill.push_back(New{"r" + std::to_string(i), kB, 100 - i % 5, 1});
  apply(fill);
  EXPECT_EQ(apply({New{"over", kB, 90, 1}}), Lines{"alice#101 REJECTED over REJECTED 0+0 v1 ENGINE_CAPACITY"});
  EXPECT_EQ(apply({New{"ioc", kS, 100, 1, kIoc}}).back(), "alice#104 FILL ioc FILLED 1+0 v2 1@100 taker");
  EXPECT_EQ(apply({New{"fits", kB, 90, 1}}), Lines{"alice#105 ACCEPTED fits OPEN 0+1 v1"});
}

TEST(EngineLimits, LevelThatWouldOverflowIsRefused) {
  Engine engine({.instruments = {{"ACME", {1}, {kValueMax}, {kValueMax}}}, .open_orders_max = 3});
  EventSink sink;
  Commands commands;
  commands.add(New{"a", kB, 5, kValueMax}).add(New{"b", kB, 5, 1}).add(New{"c", kB, 4, kValueMax});
  engine.apply(commands.frame(), {1}, sink);
  EXPECT_EQ(testing::lines(engine, sink)[1], "alice#2 REJECTED b REJECTED 0+0 v1 ENGINE_CAPACITY");
  EXPECT_EQ(sink.events[2].kind, EventKind::kAccepted);
}

TEST(EngineLimits, LargestPriceTimesLargestQuantityIsExact) {
  Engine engine({.instruments = {{"ACME", {1}, {kValueMax}, {kValueMax}}}, .open_orders_max = 3});
  EventSink sink;
  Commands commands;
  commands.add(New{"a", kS, kValueMax, kValueMax}).add(New{"b", kB, kValueMax, kValueMax, kFok});
  engine.apply(commands.frame(), {1}, sink);
  ASSERT_EQ(sink.events.size(), 4u);
  EXPECT_TRUE(sink.events[3].notional == Notional(kValueMax) * Notional(kValueMax));
}

TEST(EngineLimits, FokSumOverManyFullLevelsDoesNotOverflow) {
  Engine engine({.instruments = {{"ACME", {1}, {1000}, {kValueMax}}}, .open_orders_max = 100});
  EventSink sink;
  Commands commands;
  for (int i = 0; i < 8; ++i) commands.add(New{"m" + std::to_string(i), kS, 10 + i, kValueMax});
  commands.add(New{"t", kB, 1000, kValueMax, kFok});
  engine.apply(commands.frame(), {1}, sink);
  EXPECT_EQ(sink.events.back().status, OrderStatus::kFilled);
  EXPECT_EQ(engine.open_orders(), 7u);
}

TEST(EngineTimes, OrderIsNeverCreatedBeforeTime0) {
  Engine engine({.instruments = testing::test_instruments(), .open_orders_max = 100});
  EventSink sink;
  Commands commands;
  commands.add(New{"a", kB, 5, 1});
  CommandFrame frame = commands.frame();
  const std::uint32_t age = std::numeric_limits<std::uint32_t>::max();
  frame.age_us = {&age, 1};
  engine.apply(frame, {1}, sink);
  EXPECT_EQ(engine.order(sink.events[0].order).created_at(), Time{0});
}

TEST_F(EngineTest, RefusedCommandChangesOnlySequencesAndWhatIsRemembered) {
  apply({New{"a", kB, 100, 5}, New{"b", kS, 105, 5}});
  const std::string before = bids() + asks();
  apply({New{"a", kB, 101, 5}, Cancel{"x", "nothing"}, New{.id = "p", .price = 105, .post_only = true},
         New{"q", kB, 0, 1}, New{"f", kB, 105, 6, kFok}});
  EXPECT_EQ(bids() + asks(), before);
}

TEST_F(EngineTest, StateHashTellsStatesApart) {
  const std::string empty = engine_.state_hash();
  apply({New{"a", kB, 100, 5}});
  const std::string one = engine_.state_hash();
  EXPECT_NE(one, empty);
  apply({New{"a", kB, 100, 5}});
  EXPECT_NE(engine_.state_hash(), one) << "the account's sequence is state";
}

}  // namespace
}  // namespace ordergate::core
