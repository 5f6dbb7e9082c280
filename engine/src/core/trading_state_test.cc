// Trading states, the kill switch, and mass cancels.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::Cancel;
using testing::kB;
using testing::kS;
using testing::Lines;
using testing::MassCancel;
using testing::New;
using testing::SetTradingState;

constexpr std::uint8_t kActive = 1, kCancelOnly = 2, kBlocked = 3;

class TradingStateTest : public testing::StoryTest {
 protected:
  Lines set(std::uint8_t state, const std::string& account, const std::string& symbol, bool cancel = false) {
    return apply({SetTradingState{.id = std::to_string(++sets_),
                                  .state = state,
                                  .of_account = account,
                                  .of_symbol = symbol,
                                  .cancel_open_orders = cancel}});
  }
  // What a new order, an amend and a cancel of `order` come to, in ACME for alice.
  Lines tries(const std::string& order) {
    const std::string id = "try " + std::to_string(++tries_) + " ";
    return {reason(New{id + "new", kB, 1}), reason(Amend{.id = id + "amend", .target = order, .quantity = 50}),
            reason(Cancel{id + "cancel", order})};
  }
  int sets_ = 0, tries_ = 0;
};

TEST_F(TradingStateTest, EachScopeAllowsWhatItsStateSays) {
  const std::pair<const char*, const char*> scopes[]{{"", ""}, {"alice", ""}, {"", "ACME"}};
  for (const auto& [account, symbol] : scopes) {
    const std::string order = std::string("order ") + account + symbol;
    apply({New{order, kB, 5, 60}, New{order + "'", kB, 5, 60}});
    set(kBlocked, account, symbol);
    EXPECT_EQ(tries(order), (Lines{"TRADING_STATE", "TRADING_STATE", "TRADING_STATE"})) << order;
    set(kCancelOnly, account, symbol);
    EXPECT_EQ(tries(order), (Lines{"TRADING_STATE", "TRADING_STATE", "-"})) << order;
    set(kActive, account, symbol);
    EXPECT_EQ(tries(order + "'"), (Lines{"-", "-", "-"})) << order;
  }
}

TEST_F(TradingStateTest, StrictestCounts) {
  set(kBlocked, "", "ACME");
  set(kCancelOnly, "alice", "");
  set(kActive, "", "");
  EXPECT_EQ(reason(New{"a", kB, 1}), "TRADING_STATE");
  set(kActive, "", "ACME");
  EXPECT_EQ(reason(New{"b", kB, 1}), "TRADING_STATE");
  set(kActive, "alice", "");
  EXPECT_EQ(reason(New{"c", kB, 1}), "-");
}

TEST_F(TradingStateTest, OthersAreNotConcerned) {
  set(kBlocked, "alice", "");
  EXPECT_EQ(reason(New{.id = "b", .price = 1, .account = "bob"}), "-");
  set(kBlocked, "", "ACME");
  EXPECT_EQ(reason(New{.id = "z", .price = 1, .account = "bob", .symbol = "ZINC"}), "-");
}

TEST_F(TradingStateTest, RestingOrdersOfABlockedAccountAreStillTradedWith) {
  apply({New{"a", kB, 100, 5}});
  set(kBlocked, "alice", "");
  EXPECT_EQ(last({New{.id = "x", .side = kS, .price = 100, .account = "bob"}}),
            "bob#2 FILL x FILLED 1+0 v2 1@100 taker");
}

TEST_F(TradingStateTest, KillSwitchBlocksFirstThenCancelsWhatIsOpen) {
  apply({New{"a", kB, 100}, New{.id = "s", .stop_price = 500}, New{.id = "b", .price = 99, .account = "bob"},
         New{.id = "z", .side = kS, .price = 7, .symbol = "ZINC"}});
  EXPECT_EQ(
      set(kBlocked, "", "", true),
      (Lines{"admin#1 TRADING_STATE state 3 account all symbol all", "alice#4 CANCELED a CANCELED 0+0 v2 KILL_SWITCH",
             "bob#2 CANCELED b CANCELED 0+0 v2 KILL_SWITCH", "alice#5 CANCELED s CANCELED 0+0 v2 KILL_SWITCH",
             "alice#6 CANCELED z CANCELED 0+0 v2 KILL_SWITCH", "admin#2 MASS_CANCEL_DONE 4 matched 4 canceled"}));
  EXPECT_TRUE(told().front().answers);
  EXPECT_FALSE(told()[1].answers);
  EXPECT_TRUE(told().back().answers);
}

TEST_F(TradingStateTest, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(set(0, "", ""), Lines{"admin#1 COMMAND_REJECTED INVALID_FIELD"});
  EXPECT_EQ(set(4, "", ""), Lines{"admin#2 COMMAND_REJECTED INVALID_FIELD"});
  EXPECT_EQ(set(kBlocked, "alice", "ACME"), Lines{"admin#3 COMMAND_REJECTED INVALID_FIELD"});
  EXPECT_EQ(set(kBlocked, "", "NONE"), Lines{"admin#4 COMMAND_REJECTED UNKNOWN_SYMBOL"});
  EXPECT_EQ(apply({SetTradingState{.id = "s", .state = kBlocked, .valid_until = 1}}),
            Lines{"admin#5 COMMAND_REJECTED STALE"});
  EXPECT_EQ(reason(New{"a", kB, 1}), "-");
}

class MassCancelTest : public TradingStateTest {};

TEST_F(MassCancelTest, GoesBySymbolBidsAsksAndStops) {
  apply({New{.id = "stop 1", .side = kS, .stop_price = 5}, New{"ask 2", kS, 201}, New{"ask 1", kS, 200},
         New{"bid 2", kB, 99}, New{"bid 1", kB, 100}, New{"bid 1'", kB, 100}, New{.id = "stop 2", .stop_price = 900},
         New{.id = "zinc", .price = 3, .symbol = "ZINC"}, New{.id = "bobs", .price = 100, .account = "bob"}});
  const Lines lines = apply({MassCancel{"m"}});
  Lines order;
  for (const auto& one : told()) order.push_back(one.order);
  EXPECT_EQ(order, (Lines{"bid 1", "bid 1'", "bid 2", "ask 1", "ask 2", "stop 1", "stop 2", "zinc", ""}));
  EXPECT_EQ(lines.back(), "alice#17 MASS_CANCEL_DONE 8 matched 8 canceled");
  EXPECT_FALSE(told()[0].answers);
  EXPECT_TRUE(told().back().answers);
  EXPECT_EQ(bids(), "100: bobs 1");
}

TEST_F(MassCancelTest, CriteriaMustAllHold) {
  New a{.id = "a", .price = 10}, b{.id = "b", .side = kS, .price = 20}, c{.id = "c", .price = 10, .symbol = "ZINC"};
  a.tag = c.tag = "grid";
  a.session = b.session = "desk";
  b.cancel_on_disconnect = true;
  apply({a, b, c});
  const auto done = [&](MassCancel command) {
    command.id = "m" + std::to_string(++tries_);
    const std::string line = last({command});
    return line.substr(line.find("DONE") + 5);
  };
  EXPECT_EQ(done({.side = 2, .tag = "grid"}), "0 matched 0 canceled");
  EXPECT_EQ(done({.symbol = "ZINC", .session = "desk"}), "0 matched 0 canceled");
  EXPECT_EQ(done({.account = "bob"}), "0 matched 0 canceled");
  EXPECT_EQ(done({.session = "desk", .disconnected = true}), "1 matched 1 canceled") << "b only";
  EXPECT_EQ(done({.symbol = "ZINC", .side = 1, .tag = "grid"}), "1 matched 1 canceled") << "c";
  EXPECT_EQ(done({.session = "desk"}), "1 matched 1 canceled") << "a";
}

TEST_F(MassCancelTest, DisconnectIsItsCause) {
  New order{"a", kB, 10};
  order.session = "desk";
  order.cancel_on_disconnect = true;
  apply({order});
  EXPECT_EQ(apply({MassCancel{.id = "m", .session = "desk", .disconnected = true}})[0],
            "alice#2 CANCELED a CANCELED 0+0 v2 DISCONNECT");
}

TEST_F(MassCancelTest, OrdersOfABlockedSymbolMatchAndStay) {
  apply({New{"a", kB, 10}, New{.id = "z", .price = 10, .symbol = "ZINC"}});
  set(kBlocked, "", "ZINC");
  EXPECT_EQ(last({MassCancel{"m"}}), "alice#4 MASS_CANCEL_DONE 2 matched 1 canceled");
  EXPECT_EQ(bids(1), "10: z 1");
}

TEST_F(MassCancelTest, IsRefusedForABlockedAccountOrAnUnknownSymbol) {
  apply({New{"a", kB, 10}});
  EXPECT_EQ(reason(MassCancel{.id = "m1", .symbol = "NONE"}), "UNKNOWN_SYMBOL");
  set(kCancelOnly, "alice", "");
  EXPECT_EQ(reason(MassCancel{.id = "m2", .symbol = "ZINC"}), "-");
  set(kBlocked, "alice", "");
  EXPECT_EQ(reason(MassCancel{.id = "m3"}), "TRADING_STATE");
  EXPECT_EQ(reason(MassCancel{.id = "m4", .valid_until = 1}), "STALE");
  EXPECT_EQ(bids(), "10: a 1");
}

}  // namespace
}  // namespace ordergate::core
