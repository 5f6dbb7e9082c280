// What breaks engines in the wild, one test for each.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::Cancel;
using testing::Command;
using testing::kB;
using testing::kFok;
using testing::kIoc;
using testing::kS;
using testing::Lines;
using testing::MassCancel;
using testing::New;

class Wild : public testing::StoryTest {};

TEST_F(Wild, FifoBrokenByAPartialFill) {
  apply({New{"a", kS, 100, 5}, New{"b", kS, 100, 5}, New{"x", kB, 100, 2}});
  EXPECT_EQ(asks(), "100: a 3, b 5");
  apply({New{"y", kB, 100, 4}});
  EXPECT_EQ(asks(), "100: b 4");
}

TEST_F(Wild, StaleBestAfterACancel) {
  apply({New{"a", kS, 100, 1}, New{"b", kS, 105, 1}, Cancel{"c", "a"}});
  EXPECT_EQ(engine_.book(0).best(kS), Price{105});
  apply({Cancel{"d", "b"}});
  EXPECT_EQ(engine_.book(0).best(kS), Book::kNoAsk);
  EXPECT_EQ(apply({New{"t", kB, 110, 1}}), Lines{"alice#5 ACCEPTED t OPEN 0+1 v1"});
}

TEST_F(Wild, StaleBestAfterAMassCancel) {
  apply({New{"a", kB, 100, 1}, New{"b", kB, 99, 1}, New{.id = "c", .price = 98, .account = "bob"}});
  apply({MassCancel{"m"}});
  EXPECT_EQ(bids(), "98: c 1");
  EXPECT_EQ(engine_.book(0).best(kB), Price{98});
}

TEST_F(Wild, CrossingAmendThatRests) {
  apply({New{"a", kS, 105, 3}, New{"b", kB, 100, 2}});
  EXPECT_EQ(apply({Amend{.id = "m", .target = "b", .price = 105}}),
            (Lines{"alice#3 AMENDED b OPEN 0+2 v2 2@105 lost", "alice#4 FILL a PARTIALLY_FILLED 2+1 v2 2@105 maker",
                   "alice#5 FILL b FILLED 2+0 v3 2@105 taker"}));
  EXPECT_EQ(bids() + asks(), "105: a 1");
}

TEST_F(Wild, OrderLostByAnAmend) {
  apply({New{"a", kB, 100, 5}, New{"b", kB, 100, 5}});
  apply({Amend{.id = "1", .target = "a", .price = 101}, Amend{.id = "2", .target = "a", .price = 100},
         Amend{.id = "3", .target = "a", .quantity = 9}, Amend{.id = "4", .target = "a", .quantity = 3}});
  EXPECT_EQ(bids(), "100: b 5, a 3");
  EXPECT_EQ(engine_.open_orders(), 2u);
  EXPECT_EQ(apply({Cancel{"c", "a"}}), Lines{"alice#7 CANCELED a CANCELED 0+0 v6 USER"});
}

TEST_F(Wild, AmendThatIsRefusedLosesNothing) {
  apply({New{"a", kB, 100, 5}, New{"b", kB, 100, 5}});
  EXPECT_EQ(reason(Amend{.id = "1", .target = "a", .price = 200'000'000'000}), "PRICE_BAND");
  EXPECT_EQ(reason(Amend{.id = "2", .target = "a", .quantity = 2'000'000'000}), "MAX_ORDER_QUANTITY");
  EXPECT_EQ(bids(), "100: a 5, b 5");
}

TEST_F(Wild, FilledIdLeftInTheIndex) {
  apply({New{"a", kB, 100, 1}, New{"b", kS, 100, 1}});
  EXPECT_EQ(last({Cancel{"c", "a"}}), "alice#5 CANCEL_REJECTED a FILLED 1+0 v2 TOO_LATE");
  EXPECT_EQ(last({Amend{.id = "d", .target = "b", .price = 5}}), "alice#6 AMEND_REJECTED b FILLED 1+0 v2 TOO_LATE");
  EXPECT_EQ(last({MassCancel{"m"}}), "alice#7 MASS_CANCEL_DONE 0 matched 0 canceled");
  EXPECT_EQ(engine_.open_orders(), 0u);
}

TEST_F(Wild, LevelVolumeNotConserved) {
  apply({New{"a", kS, 100, 5}, New{"b", kS, 100, 7}, New{"c", kS, 100, 9}});
  apply({Amend{.id = "m", .target = "b", .quantity = 4}, New{"x", kB, 100, 2}, Cancel{"d", "c"}});
  EXPECT_EQ(engine_.book(0).quantity_at(kS, {100}), Quantity{7});
  EXPECT_EQ(asks(), "100: a 3, b 4");
}

TEST_F(Wild, TradeAtTheTakersPriceOrOnOneSideOnly) {
  apply({New{"a", kS, 100, 5}});
  EXPECT_EQ(apply({New{.id = "b", .side = kB, .price = 103, .quantity = 2, .account = "bob"}}),
            (Lines{"bob#1 ACCEPTED b OPEN 0+2 v1", "alice#2 FILL a PARTIALLY_FILLED 2+3 v2 2@100 maker",
                   "bob#2 FILL b FILLED 2+0 v2 2@100 taker"}));
}

TEST_F(Wild, IocRemainderResting) {
  apply({New{"a", kS, 100, 1}});
  EXPECT_EQ(last({New{"t", kB, 100, 3, kIoc}}), "alice#5 CANCELED t CANCELED 1+0 v3 IOC_REMAINDER");
  EXPECT_EQ(last({New{"m", kB, 0, 3, kIoc}}), "alice#7 CANCELED m CANCELED 0+0 v2 IOC_REMAINDER");
  EXPECT_EQ(bids(), "");
}

TEST_F(Wild, DuplicateLiveIdAccepted) {
  apply({New{"a", kB, 100, 5}});
  EXPECT_EQ(last({New{"a", kB, 100, 5}}), "alice#2 DUPLICATE a OPEN 0+5 v1");
  EXPECT_EQ(last({New{"a", kB, 101, 5}}), "alice#3 COMMAND_REJECTED a OPEN 0+5 v1 ID_CONFLICT");
  EXPECT_EQ(bids(), "100: a 5");
}

TEST_F(Wild, FokCheckedOnTheBestLevelOnly) {
  apply({New{"a", kS, 100, 2}, New{"b", kS, 101, 2}});
  EXPECT_EQ(last({New{"no", kB, 101, 5, kFok}}), "alice#4 CANCELED no CANCELED 0+0 v2 FOK_UNFILLED");
  EXPECT_EQ(last({New{"no2", kB, 100, 3, kFok}}), "alice#6 CANCELED no2 CANCELED 0+0 v2 FOK_UNFILLED");
  EXPECT_EQ(last({New{"yes", kB, 101, 4, kFok}}), "alice#11 FILL yes FILLED 4+0 v3 2@101 taker");
}

TEST_F(Wild, ZeroQuantityTrades) {
  apply({New{"a", kS, 100, 2}, New{"x", kB, 100, 2}, New{"y", kB, 100, 1}});
  for (const Trade& trade : sink_.trades) EXPECT_GT(trade.quantity.value, 0);
  EXPECT_EQ(sink_.trades.size(), 1u);
  EXPECT_EQ(bids(), "100: y 1");
  EXPECT_EQ(reason(New{"z", kS, 100, 0}), "INVALID_FIELD");
}

TEST_F(Wild, IdReuseAfterAFill) {
  apply({New{"a", kB, 100, 1}, New{"b", kS, 100, 1}});
  EXPECT_EQ(last({New{"a", kB, 100, 1}}), "alice#5 DUPLICATE a FILLED 1+0 v2");
  EXPECT_EQ(last({New{"b", kB, 100, 1}}), "alice#6 COMMAND_REJECTED b FILLED 1+0 v2 ID_CONFLICT");
  EXPECT_EQ(bids(), "");
}

TEST_F(Wild, PriceWindowEdges) {
  // The ladder stands around the first price; these lie on its last ticks, right behind them, and far away.
  constexpr std::int64_t kMiddle = 1'000'000, kHalf = Ladder::kTicks / 2;
  apply({New{"mid", kB, kMiddle}});
  int number = 0;
  for (const std::int64_t at : {kMiddle - kHalf - 1, kMiddle - kHalf, kMiddle - kHalf + 1, std::int64_t{1}}) {
    apply({New{"b" + std::to_string(++number), kB, at}});
  }
  for (const std::int64_t at : {kMiddle + kHalf, kMiddle + kHalf - 1, kMiddle + kHalf + 1, testing::kPriceMax}) {
    apply({New{"s" + std::to_string(++number), kS, at}});
  }
  EXPECT_EQ(bids(), "1000000: mid 1 | 991809: b3 1 | 991808: b2 1 | 991807: b1 1 | 1: b4 1");
  EXPECT_EQ(asks(), "1008191: s6 1 | 1008192: s5 1 | 1008193: s7 1 | 100000000000: s8 1");
  apply({New{"all", kS, 1, 5, kIoc}, New{"rest", kB, testing::kPriceMax, 4, kIoc}});
  EXPECT_EQ(sink_.trades.size(), 9u);
  EXPECT_EQ(bids() + asks(), "");
  EXPECT_EQ(reason(New{"over", kB, testing::kPriceMax + 1}), "PRICE_BAND");
  EXPECT_EQ(reason(New{"under", kB, -1}), "PRICE_BAND");
}

TEST(WildPool, PoolEdges) {
  Engine engine({.instruments = testing::test_instruments(), .open_orders_max = 2});
  const auto apply = [&](const Command& command) {
    testing::Commands commands({command});
    EventSink sink;
    engine.apply(commands.frame(), {1}, sink);
    return testing::lines(engine, sink).back();
  };
  apply(New{"a", kB, 100, 1});
  apply(New{.id = "stop", .price = 0, .stop_price = 200});  // waits, and takes room as well
  EXPECT_EQ(apply(New{"b", kB, 99, 1}), "alice#3 REJECTED b REJECTED 0+0 v1 ENGINE_CAPACITY");
  EXPECT_EQ(apply(New{"now", kS, 100, 1, kIoc}), "alice#6 FILL now FILLED 1+0 v2 1@100 taker");
  EXPECT_EQ(apply(New{"c", kB, 99, 1}), "alice#7 ACCEPTED c OPEN 0+1 v1");
  EXPECT_EQ(apply(New{"d", kS, 99, 1}), "alice#8 REJECTED d REJECTED 0+0 v1 ENGINE_CAPACITY");
  for (int i = 0; i < 100'000; ++i) {  // each takes the room that the one before leaves
    ASSERT_EQ(apply(Cancel{"x" + std::to_string(i), i == 0 ? "c" : "c" + std::to_string(i - 1)}).find("CANCELED") !=
                  std::string::npos,
              true);
    ASSERT_NE(apply(New{"c" + std::to_string(i), kB, 99, 1}).find("ACCEPTED"), std::string::npos);
  }
  EXPECT_EQ(engine.open_orders(), 2u);
}

}  // namespace
}  // namespace ordergate::core
