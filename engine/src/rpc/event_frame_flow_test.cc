// Random flows of every command: the frame and each event in it are byte for byte what protobuf writes, they say what
// the core told, and the columns say the same.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "ordergate/log/v1/event_frame.pb.h"
#include "ordergate/v1/order_entry_service.pb.h"
#include "rpc/event_frame.h"
#include "testing/domains.h"
#include "testing/flow.h"
#include "testing/print.h"

namespace ordergate::rpc {
namespace {

using log::v1::EventFrame;
using testing::Commands;
using testing::Told;
using v1::OrderEvent;
using v1::SessionResponse;

// Those of testing::config_of.
constexpr const char* kInstruments = R"(
[[instrument]]
symbol = "ACME"
price_increment = "0.01"
lot_size = "1"
max_price = "1000000000"
max_quantity = "1000000000"

[[instrument]]
symbol = "ZINC"
price_increment = "0.005"
lot_size = "0.1"
max_price = "500000000"
max_quantity = "100000000"
)";

class EventFrameFlow : public ::testing::TestWithParam<testing::Domain> {
 protected:
  // Applies some commands of the flow as one frame.
  EventFrame apply(testing::Flow& flow, int commands, std::uint64_t number) {
    Commands list;
    for (int i = 0; i < commands; ++i) list.add(flow.next());
    const core::CommandFrame frame = list.frame();
    sink_.clear();
    engine_.apply(frame, {flow.now()}, sink_);
    const std::string bytes = encoder_.encode({7, number}, frame, sink_);
    EventFrame parsed;
    EXPECT_TRUE(parsed.ParseFromString(bytes));
    EXPECT_EQ(parsed.SerializeAsString(), bytes);
    EXPECT_EQ(parsed.command_count(), frame.size());
    ids_.assign(frame.command_ids.begin(), frame.command_ids.end());
    return parsed;
  }

  // All events in the frame's order, from the bytes that clients get.
  std::vector<OrderEvent> events_of(const EventFrame& frame) {
    std::map<std::string, std::vector<OrderEvent>> by_account;
    for (const auto& part : frame.account_events()) {
      SessionResponse response;
      EXPECT_TRUE(response.ParseFromString(part.events()));
      EXPECT_EQ(response.SerializeAsString(), part.events()) << response.DebugString();
      const std::string& account = frame.accounts(static_cast<int>(part.account_index()));
      EXPECT_EQ(part.first_seq(), seqs_[account] + 1);
      EXPECT_EQ(part.count(), static_cast<std::uint32_t>(response.events_size()));
      seqs_[account] += part.count();
      by_account[account] = {response.events().begin(), response.events().end()};
    }
    std::vector<OrderEvent> events;
    std::map<std::string, std::size_t> at;
    for (const std::uint32_t index : frame.account_index()) {
      const std::string& account = frame.accounts(static_cast<int>(index));
      events.push_back(by_account[account].at(at[account]++));
    }
    return events;
  }

  std::string price(const v1::Order& order, std::int64_t ticks) const { return decimal(order, ticks, true); }
  std::string quantity(const v1::Order& order, std::int64_t lots) const { return decimal(order, lots, false); }
  // Empty for what is not given, and where the units are unknown.
  std::string decimal(const v1::Order& order, std::int64_t steps, bool of_price) const {
    const auto instrument = instruments_.find(order.symbol());
    if (!instrument || steps < 0) return {};
    const instruments::Instrument& row = instruments_.rows[*instrument];
    char text[instruments::kDecimalMax];
    return {text, (of_price ? row.price : row.quantity).format(steps, text)};
  }

  void expect_order(const v1::Order& order, const Told& told) const {
    ASSERT_EQ(order.client_order_id(), told.order);
    ASSERT_EQ(order.status(), static_cast<int>(told.status));
    ASSERT_EQ(order.quantity(), told.total <= 0 ? "" : quantity(order, told.total));
    ASSERT_EQ(order.limit_price(), told.price <= 0 ? "" : price(order, told.price));
    ASSERT_EQ(order.stop_price(), told.stop_price <= 0 ? "" : price(order, told.stop_price));
    ASSERT_EQ(order.executed_quantity(), quantity(order, told.executed));
    ASSERT_EQ(order.leaves_quantity(), quantity(order, told.leaves));
    ASSERT_EQ(order.average_price().empty(), told.executed == 0);
    ASSERT_EQ(order.version(), told.version);
    ASSERT_EQ(nanoseconds(order.updated_at()), told.updated_at);
    ASSERT_EQ(order.last_event_seq(), told.last_seq);
    ASSERT_EQ(nanoseconds(order.expire_at()), told.expire_at);
    ASSERT_EQ(order.reject_reason(), static_cast<int>(told.reject_reason));
    if (!told.terms.empty()) expect_fixed_terms(order, told.terms);
  }

  void expect_fixed_terms(const v1::Order& order, const std::string& terms) const {
    const auto instrument = instruments_.find(order.symbol());
    // A refused order's display that is no quantity, or in unknown units, is not shown.
    if (!instrument || terms.find("/-") != std::string::npos) return;
    const auto display = instruments::plain_decimal(order.display_quantity());
    const auto lots = display ? instruments_.rows[*instrument].quantity.parse(*display) : 0;
    ASSERT_TRUE(lots);
    ASSERT_EQ(std::to_string(order.side()) + "/" + std::to_string(order.order_type()) + "/" +
                  std::to_string(order.time_in_force()) + "/" + std::to_string(order.post_only()) + "/" +
                  std::to_string(order.self_trade_prevention()) + "/" + order.symbol() + "/" + std::to_string(*lots) +
                  "/" + order.stp_group() + "/" + order.tag() + "/" + order.session_name() + "/" +
                  std::to_string(order.cancel_on_disconnect()),
              terms);
  }

  static std::int64_t nanoseconds(const google::protobuf::Timestamp& time) {
    return time.seconds() * 1'000'000'000 + time.nanos();
  }

  void expect_fill(const OrderEvent& event, const Told& told) const {
    ASSERT_EQ(event.fill().trade_id(), "3-" + std::to_string(told.trade));
    ASSERT_EQ(event.fill().price(), price(event.order(), told.fill_price));
    ASSERT_EQ(event.fill().quantity(), quantity(event.order(), told.fill_quantity));
    ASSERT_EQ(event.fill().liquidity(), static_cast<int>(told.liquidity));
  }

  static std::string what(const OrderEvent& event) {
    if (event.has_mass_cancel()) {
      return std::to_string(event.mass_cancel().matched()) + " matched " +
             std::to_string(event.mass_cancel().canceled()) + " canceled";
    }
    const v1::TradingStateChange& change = event.trading_state();
    const auto or_all = [](const std::string& name) { return name.empty() ? "all" : name; };
    return "state " + std::to_string(change.state()) + " account " + or_all(change.account()) + " symbol " +
           or_all(change.symbol());
  }

  void expect_event(const OrderEvent& event, const Told& told) const {
    ASSERT_EQ(event.seq(), told.seq);
    ASSERT_EQ(event.kind(), static_cast<int>(told.kind));
    ASSERT_EQ(event.command_id(), told.answers ? ids_.at(told.command) : "");
    ASSERT_EQ(event.cause(), static_cast<int>(told.cause));
    ASSERT_EQ(event.has_failure(), told.reason != core::Reason::kNone);
    ASSERT_EQ(event.failure().reason(), static_cast<int>(told.reason));
    ASSERT_EQ(event.failure().text().empty(), told.reason == core::Reason::kNone);
    ASSERT_EQ(event.has_priority_kept(), told.kind == core::EventKind::kAmended);
    ASSERT_EQ(event.priority_kept(), told.priority_kept);
    ASSERT_EQ(nanoseconds(event.engine_at()), engine_.time().value);
    ASSERT_EQ(event.shard(), 3u);
    ASSERT_EQ(event.has_order(), !told.order.empty());
    ASSERT_EQ(event.has_fill(), told.kind == core::EventKind::kFill);
    ASSERT_EQ(event.has_limits(), told.kind == core::EventKind::kLimits);
    ASSERT_EQ(event.has_mass_cancel(), told.kind == core::EventKind::kMassCancelDone);
    ASSERT_EQ(event.has_trading_state(), told.kind == core::EventKind::kTradingState);
    if (event.has_order()) expect_order(event.order(), told);
    if (event.has_fill()) expect_fill(event, told);
    if (event.has_mass_cancel() || event.has_trading_state()) {
      ASSERT_EQ(what(event), told.what);
    }
  }

  void expect_columns(const EventFrame& frame, int i, const Told& told) const {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(frame.accounts(static_cast<int>(frame.account_index(i))), told.account);
    ASSERT_EQ(frame.seqs(i), told.seq);
    ASSERT_EQ(frame.command_index(i), told.command);
    ASSERT_EQ(frame.kinds()[at], static_cast<char>(told.kind));
    ASSERT_EQ(frame.answers()[at], told.answers ? 1 : 0);
    ASSERT_EQ(frame.statuses()[at], static_cast<char>(told.status));
    ASSERT_EQ(frame.reasons()[at], static_cast<char>(told.reason));
    ASSERT_EQ(frame.causes()[at], static_cast<char>(told.cause));
    ASSERT_EQ(frame.versions(i), told.version);
    ASSERT_EQ(frame.executed_lots(i), told.executed);
    ASSERT_EQ(frame.leaves_lots(i), told.leaves);
    ASSERT_EQ(frame.executed_notionals(i), told.notional == 0 ? "" : testing::text(told.notional));
    ASSERT_EQ(frame.order_ids().substr(16 * at, 16) == std::string(16, '\0'), told.order.empty());
  }

  // Rows of changed terms: for each event of the kinds that may change them, and no other.
  void expect_terms(const EventFrame& frame, const std::vector<OrderEvent>& events, const std::vector<Told>& told) {
    int row = 0;
    for (std::size_t i = 0; i < told.size(); ++i) {
      using core::EventKind;
      const EventKind kind = told[i].kind;
      const bool day = events[i].order().time_in_force() == v1::TIME_IN_FORCE_DAY;
      if (kind != EventKind::kAmended && kind != EventKind::kTriggered && kind != EventKind::kRestated &&
          (kind != EventKind::kAccepted || !day)) {
        continue;
      }
      ++seen_[kind];
      ASSERT_LT(row, frame.terms_size());
      const log::v1::Terms& terms = frame.terms(row++);
      ASSERT_EQ(terms.event_index(), i);
      ASSERT_EQ(terms.quantity_lots(), told[i].total);
      ASSERT_EQ(terms.limit_price_ticks(), told[i].price);
      ASSERT_EQ(terms.stop_price_ticks(), told[i].stop_price);
      ASSERT_EQ(static_cast<std::int64_t>(terms.expire_at_ns()), told[i].expire_at);
    }
    ASSERT_EQ(row, frame.terms_size());
  }

  void expect_trades(const EventFrame& frame) {
    for (int i = 0; i < frame.trade_numbers_size(); ++i) {
      ASSERT_EQ(frame.trade_numbers(i), ++trades_);
      ASSERT_EQ(frame.kinds()[frame.trade_maker_event(i)], v1::EVENT_KIND_FILL);
      ASSERT_EQ(frame.trade_taker_event(i), frame.trade_maker_event(i) + 1);
    }
    ASSERT_EQ(frame.trade_taker_sides().size(), static_cast<std::size_t>(frame.trade_numbers_size()));
  }

  instruments::Instruments instruments_ = *instruments::parse("i.toml", kInstruments).instruments;
  core::Engine engine_{testing::config_of(GetParam())};
  EventFrameEncoder encoder_{engine_, instruments_, 3};
  core::EventSink sink_;
  std::vector<std::string> ids_;  // of the last frame's commands
  std::map<std::string, std::uint64_t> seqs_;
  std::map<core::EventKind, int> seen_;  // kinds with terms
  std::uint64_t trades_ = 0;
};

TEST_P(EventFrameFlow, BytesAreProtobufsOwnAndSayWhatTheCoreTold) {
  testing::Flow flow(GetParam(), 3);
  testing::Random random(4);
  for (std::uint64_t number = 0; number < 200; ++number) {
    const EventFrame frame = apply(flow, static_cast<int>(random.below(40)), number);
    const std::vector<OrderEvent> events = events_of(frame);
    const std::vector<Told> told = testing::told(engine_, sink_);
    ASSERT_EQ(events.size(), told.size());
    for (std::size_t i = 0; i < told.size(); ++i) {
      ASSERT_EQ(events[i].cursor(), "3:7-" + std::to_string(number) + ":" + std::to_string(i));
      expect_event(events[i], told[i]);
      expect_columns(frame, static_cast<int>(i), told[i]);
      ASSERT_FALSE(HasFatalFailure()) << testing::text(told[i]) << "\n" << events[i].DebugString();
    }
    expect_terms(frame, events, told);
    expect_trades(frame);
    ASSERT_FALSE(HasFatalFailure());
  }
  if (GetParam().ids < 1000) return;  // nearly all of it is repeats
  EXPECT_GT(trades_, 50u);
  EXPECT_EQ(seen_.size(), 4u) << "a kind of change of terms was never seen";
}

INSTANTIATE_TEST_SUITE_P(Domains, EventFrameFlow, ::testing::ValuesIn(testing::all_domains()), testing::label_of);

}  // namespace
}  // namespace ordergate::rpc
