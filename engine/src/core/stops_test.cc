// STOP and STOP_LIMIT: when they wait, when they are triggered, in which order, and how far they go.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::Cancel;
using testing::kB;
using testing::kFok;
using testing::kS;
using testing::Lines;
using testing::New;

class StopsTest : public testing::StoryTest {
 protected:
  // Prints a trade between two accounts that have nothing else, and leaves nothing in the book.
  Lines print(std::int64_t price, std::int64_t quantity = 1) {
    const std::string id = std::to_string(++prints_);
    return apply({New{.id = "m" + id, .side = kS, .price = price, .quantity = quantity, .account = "maker"},
                  New{.id = "t" + id, .side = kB, .price = price, .quantity = quantity, .account = "taker"}});
  }
  static New stop(const std::string& id, core::Side side, std::int64_t stop_price, std::int64_t price = 0) {
    return {.id = id, .side = side, .price = price, .stop_price = stop_price};
  }
  int prints_ = 0;
};

TEST_F(StopsTest, WaitsOutsideOfTheBook) {
  EXPECT_EQ(apply({stop("s", kB, 105)}), Lines{"alice#1 ACCEPTED s UNTRIGGERED 0+1 v1"});
  EXPECT_EQ(bids(), "");
  EXPECT_EQ(engine_.open_orders(), 1u);
  EXPECT_EQ(engine_.account_view("alice")->open_notional.mantissa, 105u);
}

TEST_F(StopsTest, IsTriggeredByATradeAtOrBeyondItsPrice) {
  apply({stop("buy", kB, 105), stop("sell", kS, 95)});
  EXPECT_EQ(print(104).size(), 4u);
  EXPECT_EQ(print(96).size(), 4u);
  EXPECT_EQ(print(105)[4], "alice#3 TRIGGERED buy OPEN 0+1 v2");
  EXPECT_EQ(print(94)[4], "alice#5 TRIGGERED sell OPEN 0+1 v2");
}

TEST_F(StopsTest, GoesOnAsMarketAndItsRestIsCanceled) {
  apply({stop("s", kB, 105), New{.id = "a", .side = kS, .price = 300, .quantity = 1, .account = "bob"}});
  const Lines told = print(105);
  EXPECT_EQ(told[5], "bob#2 FILL a FILLED 1+0 v2 1@300 maker");
  EXPECT_EQ(told[6], "alice#3 FILL s FILLED 1+0 v3 1@300 taker");
  apply({New{.id = "big", .quantity = 3, .stop_price = 400}, New{.id = "b", .side = kS, .price = 400}});
  EXPECT_EQ(last({New{.id = "t", .price = 400, .account = "bob"}}),
            "alice#8 CANCELED big CANCELED 0+0 v3 IOC_REMAINDER");
}

TEST_F(StopsTest, StopLimitGoesOnAsLimitAndRests) {
  apply({stop("s", kB, 105, 106), New{.id = "a", .side = kS, .price = 107, .account = "bob"}});
  EXPECT_EQ(print(105).back(), "alice#2 TRIGGERED s OPEN 0+1 v2");
  EXPECT_EQ(bids(), "106: s 1");
}

TEST_F(StopsTest, FokStopIsDecidedWhenItIsTriggered) {
  apply({New{.id = "s", .quantity = 2, .time_in_force = kFok, .stop_price = 105},
         New{.id = "a", .side = kS, .price = 106, .account = "bob"}});
  EXPECT_EQ(print(105).back(), "alice#3 CANCELED s CANCELED 0+0 v3 FOK_UNFILLED");
  EXPECT_EQ(asks(), "106: a 1");
}

TEST_F(StopsTest, IsTriggeredAtOnceIfTheLastTradeIsBeyondAlready) {
  print(105);
  EXPECT_EQ(apply({stop("s", kB, 105)}),
            (Lines{"alice#1 ACCEPTED s UNTRIGGERED 0+1 v1", "alice#2 TRIGGERED s OPEN 0+1 v2",
                   "alice#3 CANCELED s CANCELED 0+0 v3 IOC_REMAINDER"}));
  for (const auto& one : told()) EXPECT_TRUE(one.answers);
  EXPECT_EQ(apply({stop("below", kB, 106)}).size(), 1u);
  EXPECT_EQ(apply({stop("sell", kS, 104)}).size(), 1u);
}

TEST_F(StopsTest, ReferencePriceTriggersNothing) {
  EngineConfig config{.instruments = testing::test_instruments()};
  config.instruments[0].reference_price = {200};
  Engine engine(config);
  testing::Commands commands({stop("s", kB, 105)});
  EventSink sink;
  engine.apply(commands.frame(), {1}, sink);
  EXPECT_EQ(testing::lines(engine, sink), Lines{"alice#1 ACCEPTED s UNTRIGGERED 0+1 v1"});
}

TEST_F(StopsTest, AreTriggeredTogetherInOrderOfArrival) {
  apply({stop("late price", kB, 105, 50), stop("early price", kB, 101, 50), stop("other", kS, 200, 900)});
  // One command trades at 101 and at 105: whoever arrived first goes first.
  apply({New{.id = "m1", .side = kS, .price = 101, .account = "bob"},
         New{.id = "m2", .side = kS, .price = 105, .account = "bob"}});
  const Lines told = apply({New{.id = "t", .price = 105, .quantity = 2, .account = "bob"}});
  EXPECT_EQ(told[5], "alice#4 TRIGGERED late price OPEN 0+1 v2");
  EXPECT_EQ(told[6], "alice#5 TRIGGERED early price OPEN 0+1 v2");
  EXPECT_EQ(told[7], "alice#6 TRIGGERED other OPEN 0+1 v2");
}

TEST_F(StopsTest, TriggerStopsThatJoinTheEndOfTheQueue) {
  // a trades at 110, which triggers c; b was triggered with a and goes before c.
  apply({stop("a", kB, 105), stop("b", kB, 105, 50), stop("c", kB, 110, 50),
         New{.id = "m", .side = kS, .price = 110, .account = "bob"}});
  const Lines told = print(105);
  EXPECT_EQ(Lines(told.begin() + 4, told.end()),
            (Lines{"alice#4 TRIGGERED a OPEN 0+1 v2", "bob#2 FILL m FILLED 1+0 v2 1@110 maker",
                   "alice#5 FILL a FILLED 1+0 v3 1@110 taker", "alice#6 TRIGGERED b OPEN 0+1 v2",
                   "alice#7 TRIGGERED c OPEN 0+1 v2"}));
  for (const auto& one : this->told())
    EXPECT_EQ(one.answers, one.account == "maker" ? one.kind == EventKind::kAccepted : one.account == "taker");
}

TEST_F(StopsTest, AmendOfTheStopPriceRenewsTheArrival) {
  apply({stop("a", kB, 105, 50), stop("b", kB, 105, 50)});
  EXPECT_EQ(last({Amend{.id = "1", .target = "a", .quantity = 7}}), "alice#3 AMENDED a UNTRIGGERED 0+7 v2 7@50 kept");
  EXPECT_EQ(last({Amend{.id = "2", .target = "a", .price = 51}}), "alice#4 AMENDED a UNTRIGGERED 0+7 v3 7@51 kept");
  EXPECT_EQ(last({Amend{.id = "3", .target = "a", .stop_price = 104}}),
            "alice#5 AMENDED a UNTRIGGERED 0+7 v4 7@51 lost");
  EXPECT_EQ(print(110)[4], "alice#6 TRIGGERED b OPEN 0+1 v2");
}

TEST_F(StopsTest, AmendToAPriceThatIsMetTriggersAtOnce) {
  print(105);
  apply({stop("s", kB, 110, 50)});
  EXPECT_EQ(apply({Amend{.id = "1", .target = "s", .stop_price = 105}}),
            (Lines{"alice#2 AMENDED s UNTRIGGERED 0+1 v2 1@50 lost", "alice#3 TRIGGERED s OPEN 0+1 v3"}));
  for (const auto& one : told()) EXPECT_TRUE(one.answers);
  EXPECT_EQ(reason(Amend{.id = "2", .target = "s", .stop_price = 120}), "INVALID_FIELD") << "triggered already";
}

TEST_F(StopsTest, CanBeCanceledWhileItWaits) {
  apply({stop("s", kB, 105)});
  EXPECT_EQ(apply({Cancel{"c", "s"}}), Lines{"alice#2 CANCELED s CANCELED 0+0 v2 USER"});
  EXPECT_EQ(print(105).size(), 4u);
}

}  // namespace
}  // namespace ordergate::core
