// Pre-trade limits: each one at its value and one step beyond.
#include <gtest/gtest.h>

#include <stdexcept>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::Cancel;
using testing::kB;
using testing::kIoc;
using testing::kS;
using testing::Lines;
using testing::New;
using testing::SetLimits;

// Prices in 0.01, quantities in 0.1.
class LimitsTest : public testing::StoryTest {
 protected:
  LimitsTest() : StoryTest(config()) {}
  static EngineConfig config() {
    EngineConfig config = usual();
    config.instruments[0].price_increment = {1, 2};
    config.instruments[0].lot_size = {1, 1};
    config.instruments[1].reference_price = {1000};
    config.instruments[1].band_ppm = 50'000;
    return config;
  }
  void set(void (*change)(Limits&)) {
    Limits limits;
    change(limits);
    apply({SetLimits{.id = "limits " + std::to_string(++sets_), .limits = limits}});
  }
  // Reasons for which orders of alice are refused, one after the other.
  Lines reasons(const std::vector<New>& orders) {
    Lines all;
    for (New order : orders) {
      order.id = "order " + std::to_string(++orders_);
      all.push_back(reason(order));
    }
    return all;
  }
  int sets_ = 0, orders_ = 0;
};

TEST_F(LimitsTest, AreToldAndReplaceAllThatWas) {
  set([](Limits& limits) { limits.max_open_orders = 1; });
  EXPECT_EQ(testing::lines(engine_, sink_).front(),
            "alice#1 LIMITS quantity 0e-0 notional 0e-0 orders 1 open 0e-0 position 0e-0 band 0");
  EXPECT_EQ(reasons({{.price = 5}, {.price = 5}}), (Lines{"-", "MAX_OPEN_ORDERS"}));
  set([](Limits& limits) { limits.max_position = {1, 0}; });
  EXPECT_EQ(reasons({{.price = 5}}), Lines{"-"});
  EXPECT_EQ(engine_.account_view("alice")->limits.max_open_orders, 0u);
  EXPECT_FALSE(engine_.account_view("nobody"));
}

TEST_F(LimitsTest, OrderQuantityIsInUnitsAndNotInLots) {
  set([](Limits& limits) { limits.max_order_quantity = {25, 1}; });
  EXPECT_EQ(reasons({{.price = 5, .quantity = 25}, {.price = 5, .quantity = 26}}), (Lines{"-", "MAX_ORDER_QUANTITY"}));
}

TEST_F(LimitsTest, OrderNotionalIsExact) {
  set([](Limits& limits) { limits.max_order_notional = {3, 1}; });  // 0.3 = 300 units of 0.01 × 0.1
  EXPECT_EQ(reasons({{.price = 100, .quantity = 3}, {.price = 301, .quantity = 1}, {.price = 300, .quantity = 1}}),
            (Lines{"-", "MAX_ORDER_NOTIONAL", "-"}));
  EXPECT_EQ(reasons({{.quantity = 1, .stop_price = 301}}), Lines{"MAX_ORDER_NOTIONAL"}) << "a stop by its stop price";
}

TEST_F(LimitsTest, MarketOrderIsWeighedByReferenceThenByTheBestPrice) {
  set([](Limits& limits) { limits.max_order_notional = {1, 0}; });  // 1000 units
  EXPECT_EQ(reasons({{.quantity = 9, .time_in_force = kIoc}}), Lines{"-"}) << "no price at all: nothing to weigh";
  apply({New{.id = "ask", .side = kS, .price = 200, .account = "bob"}});
  EXPECT_EQ(reasons({{.quantity = 6, .time_in_force = kIoc}}), Lines{"MAX_ORDER_NOTIONAL"});
  apply({New{.id = "last", .side = kB, .price = 200, .account = "carol"}});
  EXPECT_EQ(reasons({{.quantity = 6, .time_in_force = kIoc}, {.quantity = 5, .time_in_force = kIoc}}),
            (Lines{"MAX_ORDER_NOTIONAL", "-"}));
}

TEST_F(LimitsTest, OpenOrdersCountWhatRestsOrWaits) {
  set([](Limits& limits) { limits.max_open_orders = 2; });
  EXPECT_EQ(reasons({{.price = 5}, {.stop_price = 9}, {.price = 6}, {.price = 6, .time_in_force = kIoc}}),
            (Lines{"-", "-", "MAX_OPEN_ORDERS", "-"}));
  apply({Cancel{"c", "order 1"}});
  EXPECT_EQ(reasons({{.price = 5}}), Lines{"-"});
}

TEST_F(LimitsTest, OpenNotionalFallsWithFillsAndCancels) {
  set([](Limits& limits) { limits.max_open_notional = {1, 0}; });
  EXPECT_EQ(reasons({{.price = 100, .quantity = 8}, {.price = 100, .quantity = 3}, {.price = 100, .quantity = 2}}),
            (Lines{"-", "MAX_OPEN_NOTIONAL", "-"}));
  apply({New{.id = "x", .side = kS, .price = 100, .quantity = 3, .account = "bob"}});
  EXPECT_EQ(reasons({{.price = 100, .quantity = 4}, {.price = 100, .quantity = 3}}), (Lines{"MAX_OPEN_NOTIONAL", "-"}));
  EXPECT_EQ(reasons({{.price = 900, .quantity = 9, .time_in_force = kIoc}}), Lines{"-"}) << "it can't rest";
}

TEST_F(LimitsTest, PositionIsWhatItWouldBeIfAllOfThatSideWereFilled) {
  set([](Limits& limits) { limits.max_position = {5, 1}; });
  apply({New{.id = "ask", .side = kS, .price = 10, .quantity = 3, .account = "bob"}});
  EXPECT_EQ(reasons({{.price = 10, .quantity = 3}, {.price = 9, .quantity = 2}, {.price = 8, .quantity = 1}}),
            (Lines{"-", "-", "MAX_POSITION"}));
  // Long 3: it may sell 8.
  EXPECT_EQ(reasons({{.side = kS, .price = 50, .quantity = 9}, {.side = kS, .price = 50, .quantity = 8}}),
            (Lines{"MAX_POSITION", "-"}));
  EXPECT_EQ(engine_.account_view("alice")->positions, (std::vector<std::pair<std::uint32_t, std::int64_t>>{{0, 3}}));
}

TEST_F(LimitsTest, AmendIsMeasuredWithItsOldPartTakenOut) {
  set([](Limits& limits) {
    limits.max_position = {5, 1};
    limits.max_open_notional = {1, 0};
  });
  apply({New{"a", kB, 100, 5}});
  EXPECT_EQ(reason(Amend{.id = "1", .target = "a", .quantity = 6}), "MAX_POSITION");
  EXPECT_EQ(reason(Amend{.id = "2", .target = "a", .price = 201}), "MAX_OPEN_NOTIONAL");
  EXPECT_EQ(reason(Amend{.id = "3", .target = "a", .price = 200}), "-");
}

TEST_F(LimitsTest, LoweredLimitDoesNotStandInTheWayOfLess) {
  apply({New{"a", kB, 100, 9}});
  set([](Limits& limits) {
    limits.max_order_quantity = {1, 1};
    limits.max_order_notional = {1, 3};
    limits.max_open_notional = {1, 3};
    limits.max_position = {1, 1};
  });
  EXPECT_EQ(reason(Amend{.id = "1", .target = "a", .quantity = 8}), "-");
  EXPECT_EQ(bids(), "100: a 8");
}

TEST_F(LimitsTest, BandStandsAroundTheReferenceThenTheLastTrade) {
  const auto zinc = [](std::int64_t price) { return New{.price = price, .symbol = "ZINC"}; };
  EXPECT_EQ(reasons({zinc(1051), zinc(949), zinc(1050), zinc(950)}), (Lines{"PRICE_BAND", "PRICE_BAND", "-", "-"}));
  apply({New{.id = "x", .side = kS, .price = 1050, .account = "bob", .symbol = "ZINC"}});  // trades at 1050: ±52
  EXPECT_EQ(reasons({zinc(1103), zinc(1102)}), (Lines{"PRICE_BAND", "-"}));
}

TEST_F(LimitsTest, NarrowerBandCounts) {
  set([](Limits& limits) { limits.band_ppm = 10'000; });
  const auto zinc = [](std::int64_t price) { return New{.price = price, .symbol = "ZINC"}; };
  EXPECT_EQ(reasons({zinc(1011), zinc(1010)}), (Lines{"PRICE_BAND", "-"}));
  EXPECT_EQ(reasons({{.price = 5}}), Lines{"-"}) << "ACME has no reference";
}

TEST_F(LimitsTest, StopLimitIsMeasuredFromItsStopPrice) {
  const auto stop = [](std::int64_t price) { return New{.price = price, .symbol = "ZINC", .stop_price = 2000}; };
  EXPECT_EQ(reasons({stop(2101), stop(2100), stop(1899)}), (Lines{"PRICE_BAND", "-", "PRICE_BAND"}));
}

TEST_F(LimitsTest, MarketOrderGoesNoFurtherThanTheBand) {
  for (const std::int64_t price : {1040, 1050}) {
    apply({New{.id = std::to_string(price), .side = kS, .price = price, .account = "bob", .symbol = "ZINC"}});
  }
  set([](Limits& limits) { limits.band_ppm = 10'000; });
  EXPECT_EQ(last({New{.id = "m", .quantity = 9, .time_in_force = kIoc, .symbol = "ZINC"}}),
            "alice#5 CANCELED m CANCELED 2+0 v4 IOC_REMAINDER")
      << "the account's band does not count";
  apply({New{.id = "far", .side = kS, .price = 1102, .account = "bob", .symbol = "ZINC"}});
  apply({New{.id = "down", .side = kB, .price = 1045, .account = "bob", .symbol = "ZINC"},
         New{.id = "hit", .side = kS, .price = 1045, .account = "carol", .symbol = "ZINC"}});  // now ±52 around 1045
  EXPECT_EQ(last({New{.id = "n", .time_in_force = kIoc, .symbol = "ZINC"}}),
            "alice#7 CANCELED n CANCELED 0+0 v2 IOC_REMAINDER");
}

TEST(LimitsConfig, DefaultLimitsAreThoseOfAccountsWithoutTheirOwn) {
  EngineConfig config{.instruments = testing::test_instruments()};
  config.default_limits.max_open_orders = 1;
  Engine engine(config);
  EventSink sink;
  testing::Commands commands;
  commands.add(New{"a", kB, 5}).add(New{"b", kB, 5}).add(SetLimits{.id = "l"}).add(New{"c", kB, 5});
  commands.add(New{.id = "d", .price = 5, .account = "bob"}).add(New{.id = "e", .price = 5, .account = "bob"});
  engine.apply(commands.frame(), {1}, sink);
  EXPECT_EQ(sink.events[1].reason, Reason::kMaxOpenOrders);
  EXPECT_EQ(sink.events[3].reason, Reason::kNone);
  EXPECT_EQ(sink.events[5].reason, Reason::kMaxOpenOrders);
}

TEST(LimitsConfig, InstrumentsWhoseNotionalsCouldOverflowAreRefused) {
  EngineConfig config{.instruments = {{"ACME", {1}, {kValueMax}, {kValueMax}}}};
  config.open_orders_max = 100;
  EXPECT_THROW(Engine{config}, std::invalid_argument);
}

}  // namespace
}  // namespace ordergate::core
