// DAY and GTD: when orders expire, in which order, and who is told.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::kB;
using testing::kDay;
using testing::kGtd;
using testing::kHour;
using testing::kIoc;
using testing::kS;
using testing::Lines;
using testing::New;
using testing::Tick;

class ExpiryTest : public testing::StoryTest {
 protected:
  ExpiryTest() : StoryTest(config()) {}
  static EngineConfig config() {
    EngineConfig config = usual();
    config.trading_day_end = {17 * kHour};
    return config;
  }
  static New until(const std::string& id, std::int64_t when, const std::string& account = "alice") {
    return {.id = id, .price = 100, .time_in_force = kGtd, .account = account, .expire_at = when};
  }
};

TEST_F(ExpiryTest, GtdExpiresBeforeTheFirstCommandOfTheNextFrame) {
  apply({until("a", 2000)});
  EXPECT_EQ(engine_.next_expiry(), Time{2000});
  EXPECT_EQ(apply({Tick{"t"}}, 1999), Lines{"admin#1 TICK"});
  EXPECT_EQ(apply({New{.id = "x", .side = kS, .price = 100, .account = "bob"}}, 2000),
            (Lines{"alice#2 EXPIRED a EXPIRED 0+0 v2", "bob#1 ACCEPTED x OPEN 0+1 v1"}));
  EXPECT_FALSE(told()[0].answers);
  EXPECT_EQ(told()[0].command, 0u);
  EXPECT_EQ(engine_.next_expiry(), Time{0});
}

TEST_F(ExpiryTest, FrameWithoutCommandsOnlyMovesTime) {
  apply({until("a", 2000)});
  EXPECT_EQ(apply({}, 3000), Lines{});
  EXPECT_EQ(bids(), "100: a 1");
  EXPECT_EQ(apply({Tick{"t"}}, 2500).front(), "alice#2 EXPIRED a EXPIRED 0+0 v2") << "time does not go back";
}

TEST_F(ExpiryTest, OrderIsThatOfExpiryThenOfAcceptance) {
  apply({until("late", 3000), until("b", 2000), until("c", 2000, "bob"), until("first", 1500)});
  EXPECT_EQ(apply({Tick{"t"}}, 5000),
            (Lines{"alice#4 EXPIRED first EXPIRED 0+0 v2", "alice#5 EXPIRED b EXPIRED 0+0 v2",
                   "bob#2 EXPIRED c EXPIRED 0+0 v2", "alice#6 EXPIRED late EXPIRED 0+0 v2", "admin#1 TICK"}));
}

TEST_F(ExpiryTest, DayLastsUntilTheNextEndOfTheTradingDay) {
  const auto end_of = [&](const std::string& id, std::int64_t time) {
    apply({New{.id = id, .price = 100, .time_in_force = kDay}}, time);
    return told().back().expire_at;
  };
  EXPECT_EQ(end_of("a", 16 * kHour), 17 * kHour);
  EXPECT_EQ(end_of("b", 17 * kHour), 41 * kHour) << "the end has come";
  EXPECT_EQ(end_of("c", 24 * 1000 * kHour + 1), (24 * 1000 + 17) * kHour);
}

TEST_F(ExpiryTest, WaitingStopsAndIcebergsExpireToo) {
  New stop = until("s", 2000), ice = until("i", 2000);
  stop.stop_price = 500;
  stop.price = 0;
  ice.quantity = 9;
  ice.display = 2;
  apply({stop, ice});
  EXPECT_EQ(apply({Tick{"t"}}, 2000).size(), 3u);
  EXPECT_EQ(engine_.open_orders(), 0u);
  EXPECT_EQ(engine_.book(0).hidden_at(kB, {100}), Quantity{0});
}

TEST_F(ExpiryTest, GtdInThePastIsStale) {
  EXPECT_EQ(reason(until("a", 1000), 1000), "STALE");
  EXPECT_EQ(reason(until("b", 1001), 1000), "-");
  EXPECT_EQ(reason(until("c", 0)), "INVALID_FIELD");
  EXPECT_EQ(reason(New{.id = "d", .price = 100, .expire_at = 5000}), "INVALID_FIELD") << "GTC";
}

TEST_F(ExpiryTest, OneThatEndedBeforeDoesNotExpireAgain) {
  apply({until("a", 2000), New{.id = "x", .side = kS, .price = 100, .time_in_force = kIoc, .account = "bob"}});
  EXPECT_EQ(engine_.next_expiry(), Time{0});
  EXPECT_EQ(apply({Tick{"t"}}, 2000), Lines{"admin#1 TICK"});
}

}  // namespace
}  // namespace ordergate::core
