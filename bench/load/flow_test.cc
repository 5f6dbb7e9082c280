#include "flow.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "command_id.h"
#include "ordergate/v1/order_entry_service.pb.h"
#include "wire.h"

namespace ordergate::load {
namespace {

constexpr char kCommandsTag = (2 << 3) | 2;

v1::SessionRequest send(Flow& flow, int commands) {
  std::string bytes;
  for (int i = 0; i < commands; ++i) flow.append(bytes, kCommandsTag);
  v1::SessionRequest request;
  EXPECT_TRUE(request.ParseFromString(bytes));
  EXPECT_EQ(request.commands_size(), commands);
  return request;
}

// Orders that would trade on arrival in a book that has only these.
int trades(const v1::SessionRequest& request, const std::string& symbol) {
  int resting = 0, traded = 0;
  for (const v1::Command& command : request.commands()) {
    const v1::NewOrder& order = command.new_order();
    if (order.symbol() != symbol || order.limit_price() != "100.00") continue;
    if (order.side() == v1::SIDE_SELL) ++resting;
    if (order.side() == v1::SIDE_BUY && resting > 0) --resting, ++traded;
  }
  return traded;
}

TEST(Flow, AThirdOfTheOrdersTrades) {
  Flow flow({.symbols = {"ACME", "BUND"}}, command_id("abcdef", 7), "demo");
  const v1::SessionRequest request = send(flow, 3000);
  EXPECT_NEAR(trades(request, "ACME"), 500, 1);
  EXPECT_NEAR(trades(request, "BUND"), 500, 1);
}

TEST(Flow, TheShareThatTradesIsTheOneAskedFor) {
  for (const double share : {0.0, 0.1, 0.25, 0.5}) {
    Flow flow({.trading = share}, command_id("abcdef", 0), "");
    EXPECT_NEAR(trades(send(flow, 2000), "ACME"), 2000 * share, 1) << share;
  }
}

TEST(Flow, OrdersBesideThePriceNeverMeet) {
  Flow flow({.trading = 0}, command_id("abcdef", 0), "");
  const v1::SessionRequest request = send(flow, 1000);
  for (const v1::Command& command : request.commands()) {
    const double price = std::stod(command.new_order().limit_price());
    EXPECT_TRUE(command.new_order().side() == v1::SIDE_BUY ? price < 100 : price > 100) << price;
    EXPECT_NEAR(price, 100, 10);
  }
}

TEST(Flow, CommandsAreNumberedAndComplete) {
  Flow flow({}, command_id("abcdef", 42), "demo");
  std::set<std::string> ids;
  const v1::SessionRequest request = send(flow, 500);
  for (const v1::Command& command : request.commands()) {
    EXPECT_EQ(number_of(command.command_id(), flow.id()), ids.size());
    ids.insert(command.command_id());
    EXPECT_EQ(command.account(), "demo");
    EXPECT_EQ(command.new_order().quantity(), "1");
  }
  EXPECT_EQ(ids.size(), 500U);
  EXPECT_EQ(flow.sent(), 500U);
}

TEST(Flow, EachOrderThatRestsIsCanceledOnceIfAskedFor) {
  Flow flow({.trading = 0.25, .cancel_after = 50}, command_id("abcdef", 0), "demo");
  std::map<std::string, int> resting;
  int canceled = 0, open = 0;
  const v1::SessionRequest request = send(flow, 5000);
  for (const v1::Command& command : request.commands()) {
    if (command.has_cancel_order()) {
      EXPECT_EQ(resting.erase(command.cancel_order().order().client_order_id()), 1U);
      ++canceled;
    } else if (command.new_order().limit_price() != "100.00") {
      resting[command.command_id()] = 1;
    }
    open = std::max(open, static_cast<int>(resting.size()));
  }
  EXPECT_GT(canceled, 1000);
  EXPECT_LE(open, 51);
}

TEST(CommandId, OfAnotherStreamHasNoNumber) {
  const std::string mine = command_id("abcdef", 1);
  EXPECT_EQ(number_of("abcdef001-0000001234", mine), 1234U);
  for (const char* other :
       {"abcdef002-0000001234", "abcdeg001-0000001234", "abcdef001-00000x1234", "abcdef001-1", ""}) {
    EXPECT_EQ(number_of(other, mine), std::nullopt) << other;
  }
}

TEST(Fields, StopAtABrokenMessage) {
  for (const std::string_view broken : {"\x0a\x05"
                                        "abc",
                                        "\xff", "\x0b", "\x09\x01", "\x08"}) {
    Fields fields(broken);
    while (fields.next()) {
    }
    EXPECT_TRUE(fields.broken());
  }
}

}  // namespace
}  // namespace ordergate::load
