// Display quantity: what shows, and where the next part goes.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::Cancel;
using testing::kB;
using testing::kFok;
using testing::kIoc;
using testing::kS;
using testing::Lines;
using testing::New;

class IcebergTest : public testing::StoryTest {
 protected:
  static New iceberg(const std::string& id, std::int64_t quantity, std::int64_t display) {
    return {.id = id, .side = kS, .price = 100, .quantity = quantity, .display = display};
  }
};

TEST_F(IcebergTest, OnlyItsDisplayShows) {
  apply({iceberg("a", 10, 3)});
  EXPECT_EQ(asks(), "100: a 3(+7)");
  EXPECT_EQ(engine_.book(0).quantity_at(kS, {100}), Quantity{3});
}

TEST_F(IcebergTest, NextPartGoesToTheBackAndIsToldAfterBothFills) {
  apply({iceberg("a", 7, 3), New{"b", kS, 100, 1}});
  EXPECT_EQ(apply({New{.id = "t", .price = 100, .quantity = 3, .account = "bob"}}),
            (Lines{"bob#1 ACCEPTED t OPEN 0+3 v1", "alice#3 FILL a PARTIALLY_FILLED 3+4 v2 3@100 maker",
                   "bob#2 FILL t FILLED 3+0 v2 3@100 taker", "alice#4 RESTATED a PARTIALLY_FILLED 3+4 v3"}));
  EXPECT_EQ(asks(), "100: b 1, a 3(+1)");
  apply({New{.id = "u", .price = 100, .quantity = 4, .account = "bob"}});
  EXPECT_EQ(asks(), "100: a 1");
}

TEST_F(IcebergTest, PartOfItKeepsItsPlace) {
  apply({iceberg("a", 7, 3), New{"b", kS, 100, 1}, New{.id = "t", .price = 100, .quantity = 2, .account = "bob"}});
  EXPECT_EQ(asks(), "100: a 1(+4), b 1");
}

TEST_F(IcebergTest, OneTakerMayMeetItSeveralTimes) {
  apply({iceberg("a", 5, 2), iceberg("b", 2, 1)});
  apply({New{.id = "t", .price = 100, .quantity = 7, .account = "bob"}});
  EXPECT_EQ(sink_.trades.size(), 5u);  // 2, 1, 2, 1, 1
  EXPECT_EQ(asks() + bids(), "");
}

TEST_F(IcebergTest, HiddenPartCountsForFok) {
  apply({iceberg("a", 9, 1)});
  EXPECT_EQ(last({New{.id = "t", .price = 100, .quantity = 9, .time_in_force = kFok, .account = "bob"}}),
            "bob#10 FILL t FILLED 9+0 v10 1@100 taker");
}

TEST_F(IcebergTest, AmendDownTakesTheHiddenPartFirst) {
  apply({iceberg("a", 10, 3), New{"b", kS, 100, 1}});
  apply({Amend{.id = "1", .target = "a", .quantity = 4}});
  EXPECT_EQ(asks(), "100: a 3(+1), b 1");
  apply({Amend{.id = "2", .target = "a", .quantity = 2}});
  EXPECT_EQ(asks(), "100: a 2, b 1");
  apply({Amend{.id = "3", .target = "a", .quantity = 8}});
  EXPECT_EQ(asks(), "100: b 1, a 3(+5)") << "a fresh part";
}

TEST_F(IcebergTest, TakerRestsWithAFreshPart) {
  apply({New{"b", kB, 100, 4}, iceberg("a", 10, 3)});
  EXPECT_EQ(asks(), "100: a 3(+3)");
}

TEST_F(IcebergTest, CancelTakesAllOfIt) {
  apply({iceberg("a", 10, 3)});
  EXPECT_EQ(apply({Cancel{"c", "a"}}), Lines{"alice#2 CANCELED a CANCELED 0+0 v2 USER"});
  EXPECT_EQ(engine_.book(0).hidden_at(kS, {100}), Quantity{0});
  EXPECT_EQ(asks(), "");
}

TEST_F(IcebergTest, DecrementShowsTheNextPartWithoutAnEventOfItsOwn) {
  New taker{"t", kB, 100, 2, kIoc};
  taker.stp = SelfTradePrevention::kDecrement;
  apply({iceberg("a", 5, 2), New{.id = "b", .side = kS, .price = 100, .account = "bob"}});
  EXPECT_EQ(apply({taker}),
            (Lines{"alice#2 ACCEPTED t OPEN 0+2 v1", "alice#3 RESTATED a OPEN 0+3 v2 SELF_TRADE_PREVENTION",
                   "alice#4 CANCELED t CANCELED 0+0 v2 SELF_TRADE_PREVENTION"}));
  EXPECT_EQ(asks(), "100: b 1, a 2(+1)");
}

TEST_F(IcebergTest, TermsThatMakeNoSenseAreRefused) {
  EXPECT_EQ(reason(iceberg("1", 5, 6)), "INVALID_FIELD");
  EXPECT_EQ(reason(iceberg("2", 5, -1)), "INVALID_FIELD");
  EXPECT_EQ(reason(iceberg("3", 5, 5)), "-");
  New immediate = iceberg("4", 5, 2);
  immediate.time_in_force = kIoc;
  EXPECT_EQ(reason(immediate), "INVALID_FIELD");
  EXPECT_EQ(reason(New{.id = "5", .time_in_force = kIoc, .display = 1}), "INVALID_FIELD") << "MARKET";
}

}  // namespace
}  // namespace ordergate::core
