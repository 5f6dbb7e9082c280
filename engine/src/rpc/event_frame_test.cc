// The hand-written bytes are those that protobuf would write.
#include "rpc/event_frame.h"

#include <gtest/gtest.h>

#include "ordergate/log/v1/event_frame.pb.h"
#include "ordergate/v1/order_entry_service.pb.h"
#include "testing/commands.h"

namespace ordergate::rpc {
namespace {

using log::v1::EventFrame;
using testing::Amend;
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
  std::string apply(const std::vector<testing::Command>& list) {
    Commands commands(list);
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

TEST_F(EventFrameTest, EachEventShowsTheTermsOfItsMoment) {
  const EventFrame frame = parsed(
      apply({New{.id = "a", .price = 10'000, .quantity = 5000}, Amend{.id = "m1", .target = "a", .quantity = 4000},
             New{.id = "b", .side = core::Side::kSell, .price = 10'000, .quantity = 1000, .account = "bob"},
             Amend{.id = "m2", .target = "a", .price = 9'000, .quantity = 6000}}));
  const std::vector<OrderEvent> told = events(frame, "alice");
  ASSERT_EQ(told.size(), 4u);
  const std::pair<const char*, const char*> terms[] = {
      {"5.000", "100.00"}, {"4.000", "100.00"}, {"4.000", "100.00"}, {"6.000", "90.00"}};
  for (std::size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i].order().quantity(), terms[i].first) << i;
    EXPECT_EQ(told[i].order().limit_price(), terms[i].second) << i;
  }
  EXPECT_TRUE(told[1].has_priority_kept());
  EXPECT_TRUE(told[1].priority_kept());
  EXPECT_TRUE(told[3].has_priority_kept());
  EXPECT_FALSE(told[3].priority_kept());
  EXPECT_EQ(told[1].command_id(), "m1");
  EXPECT_EQ(told[2].command_id(), "") << "a maker is not shown the taker's command";
  ASSERT_EQ(frame.terms_size(), 2);
  EXPECT_EQ(frame.terms(0).quantity_lots(), 4000);
  EXPECT_EQ(frame.terms(1).limit_price_ticks(), 9000);
  EXPECT_EQ(frame.answers(), std::string("\1\1\1\0\1\1", 6));
}

TEST_F(EventFrameTest, LessUsualTermsAreShown) {
  const EventFrame frame = parsed(apply({New{.id = "a",
                                             .price = 10'000,
                                             .quantity = 5000,
                                             .time_in_force = core::TimeInForce::kGtd,
                                             .stop_price = 9'500,
                                             .display = 500,
                                             .expire_at = 1'800'000'000'000'000'000,
                                             .stp = core::SelfTradePrevention::kDecrement,
                                             .stp_group = "desk",
                                             .tag = "t1",
                                             .session = "s1",
                                             .cancel_on_disconnect = true}}));
  const OrderEvent event = events(frame, "alice").at(0);
  const v1::Order& order = event.order();
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_ACCEPTED);
  EXPECT_EQ(order.order_type(), v1::ORDER_TYPE_STOP_LIMIT);
  EXPECT_EQ(order.status(), v1::ORDER_STATUS_UNTRIGGERED);
  EXPECT_EQ(order.stop_price(), "95.00");
  EXPECT_EQ(order.display_quantity(), "0.500");
  EXPECT_EQ(order.expire_at().seconds(), 1'800'000'000);
  EXPECT_EQ(order.self_trade_prevention(), v1::SELF_TRADE_PREVENTION_DECREMENT);
  EXPECT_EQ(order.stp_group(), "desk");
  EXPECT_EQ(order.tag(), "t1");
  EXPECT_EQ(order.session_name(), "s1");
  EXPECT_TRUE(order.cancel_on_disconnect());
}

TEST_F(EventFrameTest, OperationsTellWhatTheyDid) {
  const core::Limits limits{.max_order_quantity = {150, 1},
                            .max_order_notional = {25, 3},
                            .max_open_orders = 7,
                            .max_open_notional = {1'000'000, 0},
                            .max_position = {},
                            .band_ppm = 50'000};
  const EventFrame frame = parsed(
      apply({New{.id = "a", .price = 10'000}, testing::MassCancel{.id = "x", .tag = "none"},
             testing::MassCancel{.id = "y"}, testing::SetTradingState{.id = "k", .state = 3, .of_symbol = "ZINC"},
             testing::SetTradingState{.id = "l", .state = 2, .of_account = "alice"},
             testing::SetLimits{.id = "n", .limits = limits}, testing::Tick{.id = "t"}, testing::Fence{.id = "f"}}));
  const std::vector<OrderEvent> alice = events(frame, "alice");
  EXPECT_TRUE(alice.at(1).has_mass_cancel()) << "also when it matched nothing";
  EXPECT_EQ(alice.at(1).command_id(), "x");
  EXPECT_EQ(alice.at(1).mass_cancel().matched(), 0u);
  EXPECT_EQ(alice.at(2).cause(), v1::CAUSE_MASS_CANCEL);
  EXPECT_EQ(alice.at(2).command_id(), "") << "the closing event answers";
  EXPECT_EQ(alice.at(3).mass_cancel().matched(), 1u);
  EXPECT_EQ(alice.at(3).mass_cancel().canceled(), 1u);
  const v1::Limits& told = alice.at(4).limits();
  EXPECT_EQ(told.max_order_quantity(), "15");
  EXPECT_EQ(told.max_order_notional(), "0.025");
  EXPECT_EQ(told.max_open_orders(), 7u);
  EXPECT_EQ(told.max_open_notional(), "1000000");
  EXPECT_EQ(told.max_position(), "");
  EXPECT_EQ(told.price_band(), "0.05");
  EXPECT_EQ(alice.at(5).kind(), v1::EVENT_KIND_FENCED);
  EXPECT_EQ(alice.at(5).command_id(), "f");
  EXPECT_FALSE(alice.at(5).has_failure());
  const std::vector<OrderEvent> admin = events(frame, "admin");
  EXPECT_EQ(admin.at(0).trading_state().symbol(), "ZINC");
  EXPECT_EQ(admin.at(0).trading_state().account(), "");
  EXPECT_EQ(admin.at(0).trading_state().state(), v1::TRADING_STATE_BLOCKED);
  EXPECT_EQ(admin.at(1).trading_state().account(), "alice");
  EXPECT_EQ(admin.at(2).kind(), v1::EVENT_KIND_TICK);
  EXPECT_FALSE(admin.at(2).has_order());
}

TEST_F(EventFrameTest, FieldAtFaultIsThatOfTheCommand) {
  using core::TimeInForce;
  const struct {
    testing::Command command;
    v1::Reason reason;
    const char* field;
  } rows[] = {
      {New{.id = "1", .quantity = 0}, v1::REASON_INVALID_FIELD, "new_order"},
      {New{.id = "2", .price = -1}, v1::REASON_PRICE_BAND, "new_order.limit_price"},
      {New{.id = "3", .time_in_force = TimeInForce::kIoc, .stop_price = -1}, v1::REASON_PRICE_BAND,
       "new_order.stop_price"},
      {New{.id = "4", .price = 5, .stop_price = -1}, v1::REASON_PRICE_BAND, "new_order.stop_price"},
      {New{.id = "5", .price = -1, .stop_price = 5}, v1::REASON_PRICE_BAND, "new_order.limit_price"},
      {New{.id = "6", .price = 5, .quantity = 2'000'000'000}, v1::REASON_MAX_ORDER_QUANTITY, "new_order.quantity"},
      {New{.id = "7", .price = 5, .valid_until = 1}, v1::REASON_STALE, "valid_until"},
      {New{.id = "8", .price = 5, .time_in_force = TimeInForce::kGtd, .expire_at = 1}, v1::REASON_STALE,
       "new_order.expire_at"},
      {New{.id = "a", .price = 6}, v1::REASON_ID_CONFLICT, "command_id"},
      {Cancel{.id = "f", .target = "?"}, v1::REASON_FENCED, "command_id"},
      {Cancel{.id = "10", .target = "?"}, v1::REASON_UNKNOWN_ORDER, "cancel_order.order"},
      {Cancel{.id = "11", .target = "a", .expected_version = 9}, v1::REASON_VERSION_MISMATCH,
       "cancel_order.expected_version"},
      {Amend{.id = "12", .target = "?", .price = 1}, v1::REASON_UNKNOWN_ORDER, "amend_order.order"},
      {Amend{.id = "13", .target = "a", .price = 1, .expected_version = 9}, v1::REASON_VERSION_MISMATCH,
       "amend_order.expected_version"},
      {Amend{.id = "14", .target = "a", .price = 1, .symbol = "ZINC"}, v1::REASON_UNKNOWN_SYMBOL, "amend_order.symbol"},
      {Amend{.id = "15", .target = "a"}, v1::REASON_INVALID_FIELD, "amend_order"},
      {Amend{.id = "16", .target = "a", .price = 5, .decimal = true, .price_digits = 3}, v1::REASON_PRICE_INCREMENT,
       "amend_order.limit_price"},
      {Amend{.id = "17", .target = "a", .quantity = 5, .decimal = true, .quantity_digits = 4}, v1::REASON_LOT_SIZE,
       "amend_order.quantity"},
      {Amend{.id = "18", .target = "a", .expire_at = 7}, v1::REASON_INVALID_FIELD, "amend_order"},
      {testing::MassCancel{.id = "19", .symbol = "NONE"}, v1::REASON_UNKNOWN_SYMBOL, "mass_cancel.symbol"},
      {testing::SetTradingState{.id = "20", .of_symbol = "NONE"}, v1::REASON_UNKNOWN_SYMBOL, "symbol"},
      {testing::SetTradingState{.id = "21", .state = 0}, v1::REASON_INVALID_FIELD, ""},
  };
  std::uint64_t number = 1;
  Commands first;
  first.add(New{.id = "a", .price = 5}).add(testing::Fence{.id = "f"});
  apply(first, {1, number});
  for (const auto& [command, reason, field] : rows) {
    Commands commands;
    commands.add(command);
    const EventFrame frame = parsed(apply(commands, {1, ++number}));
    const OrderEvent event = events(frame, frame.accounts(0)).at(0);
    EXPECT_EQ(event.failure().reason(), reason) << field << event.DebugString();
    EXPECT_EQ(event.failure().field(), field);
    EXPECT_FALSE(event.failure().text().empty());
  }
}

}  // namespace
}  // namespace ordergate::rpc
