// Self-trade prevention: the incoming order's mode rules.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::kB;
using testing::kFok;
using testing::kIoc;
using testing::kS;
using testing::Lines;
using testing::New;
using Stp = SelfTradePrevention;

class StpTest : public testing::StoryTest {
 protected:
  // bob's 1 at 100 behind alice's 2, then alice's 4 at 101.
  StpTest() {
    apply({New{"a", kS, 100, 2}, New{.id = "b", .side = kS, .price = 100, .account = "bob"}, New{"c", kS, 101, 4}});
  }
  Lines take(Stp mode, std::int64_t quantity, TimeInForce time_in_force = kIoc, std::int64_t price = 101) {
    New taker{"t", kB, price, quantity, time_in_force};
    taker.stp = mode;
    Lines told = apply({taker});
    told.erase(told.begin());
    return told;
  }
};

TEST_F(StpTest, NoneLetsThemTrade) {
  EXPECT_EQ(take(Stp::kNone, 1),
            (Lines{"alice#4 FILL a PARTIALLY_FILLED 1+1 v2 1@100 maker", "alice#5 FILL t FILLED 1+0 v2 1@100 taker"}));
}

TEST_F(StpTest, CancelTaker) {
  EXPECT_EQ(take(Stp::kCancelTaker, 5), Lines{"alice#4 CANCELED t CANCELED 0+0 v2 SELF_TRADE_PREVENTION"});
  EXPECT_EQ(asks(), "100: a 2, b 1 | 101: c 4");
}

TEST_F(StpTest, CancelMaker) {
  EXPECT_EQ(take(Stp::kCancelMaker, 5),
            (Lines{"alice#4 CANCELED a CANCELED 0+0 v2 SELF_TRADE_PREVENTION", "bob#2 FILL b FILLED 1+0 v2 1@100 maker",
                   "alice#5 FILL t PARTIALLY_FILLED 1+4 v2 1@100 taker",
                   "alice#6 CANCELED c CANCELED 0+0 v2 SELF_TRADE_PREVENTION",
                   "alice#7 CANCELED t CANCELED 1+0 v3 IOC_REMAINDER"}));
  EXPECT_FALSE(told()[1].answers);
  EXPECT_TRUE(told()[5].answers);
}

TEST_F(StpTest, CancelBoth) {
  EXPECT_EQ(take(Stp::kCancelBoth, 5), (Lines{"alice#4 CANCELED a CANCELED 0+0 v2 SELF_TRADE_PREVENTION",
                                              "alice#5 CANCELED t CANCELED 0+0 v2 SELF_TRADE_PREVENTION"}));
  EXPECT_EQ(asks(), "100: b 1 | 101: c 4");
}

TEST_F(StpTest, DecrementTakesTheSmallerOffBoth) {
  EXPECT_EQ(take(Stp::kDecrement, 5),
            (Lines{"alice#4 CANCELED a CANCELED 0+0 v2 SELF_TRADE_PREVENTION",
                   "alice#5 RESTATED t OPEN 0+3 v2 SELF_TRADE_PREVENTION", "bob#2 FILL b FILLED 1+0 v2 1@100 maker",
                   "alice#6 FILL t PARTIALLY_FILLED 1+2 v3 1@100 taker",
                   "alice#7 RESTATED c OPEN 0+2 v2 SELF_TRADE_PREVENTION",
                   "alice#8 CANCELED t CANCELED 1+0 v4 SELF_TRADE_PREVENTION"}));
  EXPECT_EQ(told()[1].total, 2) << "one with nothing left keeps its total";
  EXPECT_EQ(told()[2].total, 3);
  EXPECT_EQ(told()[5].total, 2);
  EXPECT_EQ(told()[6].total, 3);
  EXPECT_EQ(asks(), "101: c 2");
}

TEST_F(StpTest, GroupCountsAsOneOwner) {
  New maker{.id = "g", .side = kS, .price = 90, .account = "carol"}, taker{"t", kB, 90, 1, kIoc};
  maker.stp_group = taker.stp_group = "desk";
  taker.stp = Stp::kCancelTaker;
  apply({maker});
  EXPECT_EQ(last({taker}), "alice#4 CANCELED t CANCELED 0+0 v2 SELF_TRADE_PREVENTION");
  taker.id = "u";
  taker.stp_group = "other";
  EXPECT_EQ(last({taker}), "alice#6 FILL u FILLED 1+0 v2 1@90 taker");
}

TEST_F(StpTest, MakersModeHasNoSay) {
  New maker{.id = "m", .side = kS, .price = 90};
  maker.stp = Stp::kCancelBoth;
  apply({maker});
  EXPECT_EQ(last({New{"t", kB, 90, 1, kIoc}}), "alice#6 FILL t FILLED 1+0 v2 1@90 taker");
}

TEST_F(StpTest, FokDoesNotCountWhatItMayNotTradeWith) {
  EXPECT_EQ(take(Stp::kCancelMaker, 2, kFok), Lines{"alice#4 CANCELED t CANCELED 0+0 v2 FOK_UNFILLED"});
  EXPECT_EQ(asks(), "100: a 2, b 1 | 101: c 4");
}

TEST_F(StpTest, FokCountsOnlyWhatStandsBeforeTheFirstOwnOrder) {
  apply({New{.id = "d", .side = kS, .price = 99, .quantity = 2, .account = "bob"}});
  for (const Stp mode : {Stp::kCancelTaker, Stp::kCancelBoth, Stp::kDecrement}) {
    New taker{"three " + std::to_string(static_cast<int>(mode)), kB, 101, 3, kFok};
    taker.stp = mode;
    EXPECT_NE(last({taker}).find("FOK_UNFILLED"), std::string::npos);
  }
  EXPECT_EQ(asks(), "99: d 2 | 100: a 2, b 1 | 101: c 4");
  EXPECT_EQ(take(Stp::kDecrement, 2, kFok).back(), "alice#10 FILL t FILLED 2+0 v2 2@99 taker");
}

TEST_F(StpTest, FokCountsOnTheVisibleAheadOfTheFirstOwnOrder) {
  New iceberg{.id = "ice", .side = kS, .price = 99, .quantity = 5, .account = "bob", .display = 2};
  apply({iceberg, New{"own", kS, 99, 1}});
  New three{"three", kB, 99, 3, kFok}, two{"two", kB, 99, 2, kFok};
  three.stp = two.stp = Stp::kCancelTaker;
  EXPECT_NE(last({three}).find("FOK_UNFILLED"), std::string::npos) << "the next part would stand behind its own";
  EXPECT_EQ(apply({two}).back(), "bob#4 RESTATED ice PARTIALLY_FILLED 2+3 v3");
  EXPECT_EQ(asks(), "99: own 1, ice 2(+1) | 100: a 2, b 1 | 101: c 4");
}

}  // namespace
}  // namespace ordergate::core
