// AmendOrder: what keeps priority and what loses it, and each refusal in its order.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::kB;
using testing::kGtd;
using testing::kS;
using testing::New;
using testing::SetLimits;
using testing::SetTradingState;

class AmendTest : public testing::StoryTest {};

TEST_F(AmendTest, LessAtTheSamePriceKeepsItsPlace) {
  apply({New{"a", kB, 100, 5}, New{"b", kB, 100, 5}});
  EXPECT_EQ(last({Amend{.id = "1", .target = "a", .quantity = 2}}), "alice#3 AMENDED a OPEN 0+2 v2 2@100 kept");
  EXPECT_EQ(bids(), "100: a 2, b 5");
  EXPECT_EQ(last({Amend{.id = "2", .target = "a", .price = 100}}), "alice#4 AMENDED a OPEN 0+2 v3 2@100 kept");
}

TEST_F(AmendTest, MoreOrAnotherPriceLosesIt) {
  apply({New{"a", kB, 100, 5}, New{"b", kB, 100, 5}});
  EXPECT_EQ(last({Amend{.id = "1", .target = "a", .quantity = 6}}), "alice#3 AMENDED a OPEN 0+6 v2 6@100 lost");
  EXPECT_EQ(bids(), "100: b 5, a 6");
  apply({Amend{.id = "2", .target = "b", .price = 99}});
  EXPECT_EQ(bids(), "100: a 6 | 99: b 5");
}

TEST_F(AmendTest, TotalsGuardAgainstOverfill) {
  apply({New{"a", kB, 100, 5}, New{"x", kS, 100, 2}});
  EXPECT_EQ(last({Amend{.id = "1", .target = "a", .quantity = 4}}),
            "alice#5 AMENDED a PARTIALLY_FILLED 2+2 v3 4@100 kept");
  EXPECT_EQ(last({Amend{.id = "2", .target = "a", .quantity = 2}}), "alice#6 CANCELED a CANCELED 2+0 v4 USER");
  EXPECT_EQ(told()[0].total, 4);
  EXPECT_EQ(bids(), "");
}

TEST_F(AmendTest, AtOrBelowTheExecutedQuantityNothingElseIsAsked) {
  apply({New{"a", kB, 100, 5}, New{"x", kS, 100, 3}});
  EXPECT_EQ(last({Amend{.id = "1", .target = "a", .price = 200'000'000'000, .quantity = 1}}),
            "alice#5 CANCELED a CANCELED 3+0 v3 USER");
  EXPECT_EQ(told()[0].price, 100);
}

TEST_F(AmendTest, DecimalsAreOfTheOrdersInstrument) {
  EngineConfig config = usual();
  config.instruments[0].price_increment = {5, 3};
  config.instruments[0].lot_size = {1, 1};
  Engine engine(config);
  const auto tell = [&](const testing::Command& command) {
    testing::Commands commands({command});
    EventSink sink;
    engine.apply(commands.frame(), {1}, sink);
    return testing::lines(engine, sink).back();
  };
  tell(New{"a", kB, 100, 5});
  Amend amend{.id = "1", .target = "a", .price = 102, .quantity = 7, .decimal = true, .price_digits = 2};
  EXPECT_EQ(tell(amend), "alice#2 AMENDED a OPEN 0+70 v2 70@204 lost") << "1.02 is 204 × 0.005, 7 is 70 × 0.1";
  amend = {.id = "2", .target = "a", .price = 1021, .quantity = 705, .decimal = true, .price_digits = 3};
  amend.quantity_digits = 2;
  EXPECT_EQ(tell(amend), "alice#3 AMEND_REJECTED a OPEN 0+70 v2 PRICE_INCREMENT");
  amend.id = "3";
  amend.price = 1020;
  EXPECT_EQ(tell(amend), "alice#4 AMEND_REJECTED a OPEN 0+70 v2 LOT_SIZE");
  amend.id = "4";
  amend.quantity = 700;
  EXPECT_EQ(tell(amend), "alice#5 AMENDED a OPEN 0+70 v3 70@204 kept");
}

TEST_F(AmendTest, ExpiryOfGtdMovesWithoutLossOfPriority) {
  apply({New{.id = "a", .price = 100, .time_in_force = kGtd, .expire_at = 5000}, New{"b", kB, 100}});
  EXPECT_EQ(last({Amend{.id = "1", .target = "a", .expire_at = 7000}}), "alice#3 AMENDED a OPEN 0+1 v2 1@100 kept");
  EXPECT_EQ(engine_.next_expiry(), Time{7000});
  EXPECT_EQ(bids(), "100: a 1, b 1");
  EXPECT_EQ(reason(Amend{.id = "2", .target = "b", .expire_at = 7000}), "INVALID_FIELD");
}

TEST_F(AmendTest, EventsBeforeAnAmendOfTheSameFrameShowTheTermsOfThen) {
  apply({New{"a", kB, 100, 5}, New{"x", kS, 100, 1}, Amend{.id = "1", .target = "a", .price = 99, .quantity = 4},
         New{"y", kS, 99, 1}});
  const auto all = told();
  const auto terms = [&](std::size_t at) {
    return std::to_string(all[at].total) + "@" + std::to_string(all[at].price);
  };
  EXPECT_EQ(terms(0), "5@100");  // accepted
  EXPECT_EQ(terms(2), "5@100");  // filled, as maker
  EXPECT_EQ(terms(4), "4@99");   // amended
  EXPECT_EQ(terms(6), "4@99");   // filled again
}

TEST_F(AmendTest, RefusalsHaveAnOrderOfPrecedence) {
  apply({New{.id = "a", .price = 100, .quantity = 5, .post_only = true}, New{"ask", kS, 105, 1},
         New{.id = "other", .price = 50, .account = "bob"}});
  Limits limits;
  limits.max_order_quantity = {9, 0};
  limits.max_position = {7, 0};
  apply({SetLimits{.id = "l", .limits = limits}});
  apply({SetTradingState{.id = "s1", .state = 2, .of_symbol = "ACME"}});
  int number = 0;
  // Each row mends what the one before was refused for.
  Amend amend{.id = "", .target = "nothing", .price = 200'000'000'000, .quantity = -1, .symbol = "ZINC"};
  amend.expected_version = 9;
  amend.valid_until = 1;
  const auto refused = [&] {
    amend.id = std::to_string(++number);
    return reason(amend);
  };
  EXPECT_EQ(refused(), "STALE");
  amend.valid_until = 0;
  EXPECT_EQ(refused(), "UNKNOWN_ORDER");
  amend.target = "other";
  amend.owner = "bob";
  EXPECT_EQ(refused(), "UNKNOWN_ORDER") << "another's";
  amend.target = "a";
  amend.owner = "";
  EXPECT_EQ(refused(), "VERSION_MISMATCH");
  amend.expected_version = 1;
  EXPECT_EQ(refused(), "TRADING_STATE");
  apply({SetTradingState{.id = "s2", .state = 1, .of_symbol = "ACME"}});
  EXPECT_EQ(refused(), "UNKNOWN_SYMBOL");
  amend.symbol = "ACME";
  EXPECT_EQ(refused(), "INVALID_FIELD");
  amend.quantity = 10;
  EXPECT_EQ(refused(), "MAX_ORDER_QUANTITY");
  amend.quantity = 9;
  EXPECT_EQ(refused(), "PRICE_BAND");
  amend.price = 105;
  EXPECT_EQ(refused(), "MAX_POSITION");
  amend.quantity = 7;
  EXPECT_EQ(refused(), "WOULD_CROSS");
  amend.price = 104;
  EXPECT_EQ(refused(), "-");
  EXPECT_EQ(bids(), "104: a 7 | 50: other 1");
}

TEST_F(AmendTest, NothingGivenIsRefused) {
  apply({New{"a", kB, 100, 5}, New{.id = "s", .stop_price = 200}});
  EXPECT_EQ(reason(Amend{.id = "1", .target = "a"}), "INVALID_FIELD");
  EXPECT_EQ(reason(Amend{.id = "2", .target = "a", .stop_price = 90}), "INVALID_FIELD");
  EXPECT_EQ(reason(Amend{.id = "3", .target = "s", .price = 90}), "INVALID_FIELD");
}

}  // namespace
}  // namespace ordergate::core
