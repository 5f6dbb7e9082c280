// The hand-written bytes are those that protobuf would write.
#include "rpc/event_frame.h"

#include <gtest/gtest.h>

#include "ordergate/log/v1/event_frame.pb.h"
#include "ordergate/v1/order_entry_service.pb.h"
#include "testing/commands.h"
#include "testing/flow.h"

namespace ordergate::rpc {
namespace {

using log::v1::EventFrame;
using testing::Cancel;
using testing::Commands;
using testing::New;
using v1::OrderEvent;
using v1::SessionResponse;

constexpr const char* kInstruments = R"(
[[instrument]]
symbol = "ACME"
price_increment = "0.01"
lot_size = "0.001"
max_price = "1000000000"
max_quantity = "1000000"

[[instrument]]
symbol = "ZINC"
price_increment = "0.005"
lot_size = "1"
max_price = "1000000000"
max_quantity = "1000000000"
)";

class EventFrameTest : public ::testing::Test {
 protected:
  std::string apply(Commands& commands, LogId id = {.ms = 1700, .seq = 3},
                    std::int64_t time = 1'700'000'000'123'456'789) {
    const core::CommandFrame frame = commands.frame();
    sink_.clear();
    engine_.apply(frame, {time}, sink_);
    return encoder_.encode(id, frame, sink_);
  }
  std::string apply(std::initializer_list<testing::Command> list) {
    Commands commands;
    for (const auto& command : list) std::visit([&](const auto& c) { commands.add(c); }, command);
    return apply(commands);
  }
  // Events of the account, as a client would read them.
  static std::vector<OrderEvent> events(const EventFrame& frame, std::string_view account) {
    for (const auto& part : frame.account_events()) {
      if (frame.accounts(static_cast<int>(part.account_index())) != account) continue;
      SessionResponse response;
      EXPECT_TRUE(response.ParseFromString(part.events()));
      return {response.events().begin(), response.events().end()};
    }
    return {};
  }
  static EventFrame parsed(const std::string& bytes) {
    EventFrame frame;
    EXPECT_TRUE(frame.ParseFromString(bytes));
    return frame;
  }

  instruments::Instruments instruments_ = *instruments::parse("i.toml", kInstruments).instruments;
  core::Engine engine_{{.instruments = instruments_.limits(), .open_orders_max = 1000}};
  EventFrameEncoder encoder_{engine_, instruments_, 0};
  core::EventSink sink_;
};

TEST_F(EventFrameTest, FillShowsTheWholeOrderInDecimals) {
  const EventFrame frame =
      parsed(apply({New{.id = "maker", .side = core::Side::kSell, .price = 10'001, .quantity = 1500},
                    New{.id = "maker2", .side = core::Side::kSell, .price = 10'002, .quantity = 1500},
                    New{.id = "taker", .price = 10'002, .quantity = 4000, .account = "bob"}}));
  const OrderEvent event = events(frame, "bob").at(2);
  EXPECT_EQ(event.seq(), 3u);
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_FILL);
  EXPECT_EQ(event.command_id(), "taker");
  EXPECT_EQ(event.cursor(), "0:1700-3:6");
  EXPECT_EQ(event.engine_at().seconds(), 1'700'000'000);
  EXPECT_EQ(event.engine_at().nanos(), 123'456'789);
  EXPECT_EQ(event.fill().trade_id(), "0-2");
  EXPECT_EQ(event.fill().quantity(), "1.500");
  EXPECT_EQ(event.fill().price(), "100.02");
  EXPECT_EQ(event.fill().liquidity(), v1::LIQUIDITY_TAKER);
  const v1::Order& order = event.order();
  EXPECT_EQ(order.order_id().size(), 36u);
  EXPECT_EQ(order.client_order_id(), "taker");
  EXPECT_EQ(order.account(), "bob");
  EXPECT_EQ(order.symbol(), "ACME");
  EXPECT_EQ(order.side(), v1::SIDE_BUY);
  EXPECT_EQ(order.order_type(), v1::ORDER_TYPE_LIMIT);
  EXPECT_EQ(order.time_in_force(), v1::TIME_IN_FORCE_GTC);
  EXPECT_EQ(order.quantity(), "4.000");
  EXPECT_EQ(order.limit_price(), "100.02");
  EXPECT_EQ(order.status(), v1::ORDER_STATUS_PARTIALLY_FILLED);
  EXPECT_EQ(order.executed_quantity(), "3.000");
  EXPECT_EQ(order.leaves_quantity(), "1.000");
  EXPECT_EQ(order.average_price(), "100.0150000000");
  EXPECT_EQ(order.version(), 3u);
  EXPECT_EQ(order.last_event_seq(), 3u);
  EXPECT_EQ(order.created_at().nanos(), 1'000'000 - 7000);
  EXPECT_EQ(order.queued_at().nanos(), 1'000'000);
  EXPECT_EQ(order.updated_at().nanos(), 123'456'789);
  EXPECT_EQ(events(frame, "alice").at(2).command_id(), "") << "a maker is not shown the taker's command";
}

TEST_F(EventFrameTest, OrderIdIsUuidTextOfTheSixteenBytes) {
  const core::OrderId id = testing::id_of("alice", "a");
  char bytes[16];
  id.write(bytes);
  const EventFrame frame = parsed(apply({New{.id = "a", .price = 5}}));
  const std::string uuid = events(frame, "alice").at(0).order().order_id();
  std::string hex;
  for (const char c : uuid) {
    if (c != '-') hex += c;
  }
  std::string expected;
  for (const char byte : bytes) {
    char text[3];
    std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(byte));
    expected += text;
  }
  EXPECT_EQ(hex, expected);
  EXPECT_EQ(frame.order_ids(), std::string(bytes, sizeof bytes));
}

TEST_F(EventFrameTest, RefusalCarriesReasonDispositionAndField) {
  const EventFrame frame = parsed(apply({New{.id = "a", .price = 5, .symbol = "NONE"}, Cancel{"c", "x"}}));
  const OrderEvent refused = events(frame, "alice").at(0);
  EXPECT_EQ(refused.failure().reason(), v1::REASON_UNKNOWN_SYMBOL);
  EXPECT_EQ(refused.failure().disposition(), v1::DISPOSITION_NOT_APPLIED);
  EXPECT_EQ(refused.failure().field(), "new_order.symbol");
  EXPECT_FALSE(refused.failure().text().empty());
  EXPECT_EQ(refused.order().reject_reason(), v1::REASON_UNKNOWN_SYMBOL);
  EXPECT_EQ(refused.order().quantity(), "") << "the units of an unknown symbol are unknown";
  const OrderEvent unknown = events(frame, "alice").at(1);
  EXPECT_EQ(unknown.failure().reason(), v1::REASON_UNKNOWN_ORDER);
  EXPECT_FALSE(unknown.has_order());
  EXPECT_EQ(frame.order_ids().substr(16), std::string(16, '\0'));
}

TEST_F(EventFrameTest, LongestTextsFit) {
  const std::string longest(64, '~');
  const std::string account(256, 'a');
  Commands commands;
  commands.add(New{.id = longest, .price = 100'000'000'000, .quantity = 1'000'000'000, .account = account});
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const EventFrame frame = parsed(apply(commands, {most, most}, std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(events(frame, account).at(0).order().client_order_id(), longest);
  EXPECT_EQ(events(frame, account).at(0).order().limit_price(), "1000000000.00");
}

// Random flows: the frame and every event of it are byte for byte what protobuf writes, and both halves agree.
TEST_F(EventFrameTest, BytesAreProtobufsOwnAndColumnsAgreeWithTheEvents) {
  testing::Flow flow({.label = "", .ids = 5000, .prices = 5}, 3);
  std::map<std::string, std::uint64_t> seqs;
  std::map<std::string, std::uint64_t> last_change;
  std::uint64_t trades = 0;
  for (int number = 0; number < 300; ++number) {
    Commands commands;
    for (int i = 0; i < 20; ++i) std::visit([&](const auto& c) { commands.add(c); }, flow.next());
    const std::string bytes = apply(commands, {7, static_cast<std::uint64_t>(number)}, flow.now());
    const EventFrame frame = parsed(bytes);
    ASSERT_EQ(frame.SerializeAsString(), bytes);
    ASSERT_EQ(frame.command_count(), 20u);
    ASSERT_EQ(frame.kinds().size(), sink_.events.size());

    std::map<std::string, std::vector<OrderEvent>> by_account;
    for (const auto& part : frame.account_events()) {
      SessionResponse response;
      ASSERT_TRUE(response.ParseFromString(part.events()));
      ASSERT_EQ(response.SerializeAsString(), part.events()) << response.DebugString();
      const std::string& account = frame.accounts(static_cast<int>(part.account_index()));
      ASSERT_EQ(part.first_seq(), seqs[account] + 1);
      ASSERT_EQ(part.count(), static_cast<std::uint32_t>(response.events_size()));
      seqs[account] += part.count();
      by_account[account] = {response.events().begin(), response.events().end()};
    }
    std::map<std::string, std::size_t> at;
    for (int i = 0; i < static_cast<int>(frame.kinds().size()); ++i) {
      const std::string& account = frame.accounts(static_cast<int>(frame.account_index(i)));
      const OrderEvent& event = by_account[account].at(at[account]++);
      const auto column = static_cast<std::size_t>(i);
      ASSERT_EQ(event.cursor(), "0:7-" + std::to_string(number) + ":" + std::to_string(i));
      ASSERT_EQ(event.seq(), frame.seqs(i));
      ASSERT_EQ(event.kind(), frame.kinds()[column]);
      ASSERT_EQ(event.order().status(), frame.statuses()[column]);
      ASSERT_EQ(event.failure().reason(), frame.reasons()[column]);
      ASSERT_EQ(event.cause(), frame.causes()[column]);
      ASSERT_EQ(event.order().version(), frame.versions(i));
      const bool tells_only = event.kind() == v1::EVENT_KIND_CANCEL_REJECTED ||
                              event.kind() == v1::EVENT_KIND_DUPLICATE ||
                              event.kind() == v1::EVENT_KIND_COMMAND_REJECTED;
      auto& changed = last_change[event.order().order_id()];
      if (!tells_only) changed = event.seq();
      ASSERT_EQ(event.order().last_event_seq(), event.has_order() ? changed : 0);
      ASSERT_EQ(frame.executed_notionals(i).empty(), frame.executed_lots(i) == 0);
    }
    for (int i = 0; i < frame.trade_numbers_size(); ++i) {
      ASSERT_EQ(frame.trade_numbers(i), ++trades);
      ASSERT_EQ(frame.kinds()[frame.trade_maker_event(i)], v1::EVENT_KIND_FILL);
      ASSERT_EQ(frame.trade_taker_event(i), frame.trade_maker_event(i) + 1);
    }
    ASSERT_EQ(frame.trade_taker_sides().size(), static_cast<std::size_t>(frame.trade_numbers_size()));
  }
  EXPECT_GT(trades, 500u);
}

}  // namespace
}  // namespace ordergate::rpc
