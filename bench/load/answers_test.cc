#include "answers.h"

#include <gtest/gtest.h>

#include "command_id.h"
#include "ordergate/v1/order_entry_service.pb.h"

namespace ordergate::load {
namespace {

using Errors = std::map<std::string, std::uint64_t>;
constexpr std::int64_t kSent = 1000, kCame = 4000;  // ns

class AnswersTest : public testing::Test {
 protected:
  AnswersTest() {
    tally_.measure(0, 1'000'000);
    sent_.begin_frame(kSent);
    for (const Kind kind : {Kind::kMaker, Kind::kTaker, Kind::kRest}) sent_.add(kind);
  }

  v1::Ack& ack(v1::SessionResponse& response, std::uint64_t number) {
    v1::Ack& made = *response.add_acks();
    made.set_command_id(id(number));
    made.set_account("demo");
    made.set_level(v1::ACK_LEVEL_QUEUED);
    made.mutable_received_at()->set_seconds(5);
    return made;
  }
  v1::OrderEvent& event(v1::SessionResponse& response, v1::EventKind kind, std::uint64_t number) {
    v1::OrderEvent& made = *response.add_events();
    made.set_seq(++seq_);
    made.set_kind(kind);
    made.set_command_id(id(number));
    made.mutable_order()->set_symbol("ACME");
    made.set_cursor("0:1-0:1");
    return made;
  }
  static std::string id(std::uint64_t number) {
    std::string id = command_id("abcdef", 3);
    put_digits(id.data() + kIdChars - kNumberChars, kNumberChars, number);
    return id;
  }
  void take(const v1::SessionResponse& response) { answers_.take(response.SerializeAsString(), kCame); }

  Tally tally_;
  Sent sent_{3};
  Answers answers_{sent_, tally_, command_id("abcdef", 3)};
  std::uint64_t seq_ = 16;
};

TEST_F(AnswersTest, AcksAndEventsAreCountedAndTimed) {
  v1::SessionResponse response;
  response.mutable_welcome()->set_server_version("1");
  for (std::uint64_t n = 0; n < 3; ++n) ack(response, n), event(response, v1::EVENT_KIND_ACCEPTED, n);
  event(response, v1::EVENT_KIND_FILL, 1);
  take(response);
  EXPECT_EQ(answers_.answered(), 3U);
  EXPECT_EQ(answers_.told(), 3U);
  EXPECT_EQ(tally_.acked, 3U);
  EXPECT_EQ(tally_.acked_orders_within, 3U);
  EXPECT_EQ(tally_.filled, 1U);
  EXPECT_EQ(tally_.events, 4U);
  EXPECT_EQ(tally_.ack.count(), 3U);
  EXPECT_EQ(tally_.fill.count(), 1U);
  EXPECT_DOUBLE_EQ(tally_.execution.max_ms(), (kCame - kSent) / 1e6);
  EXPECT_EQ(tally_.errors(), Errors{});
}

TEST_F(AnswersTest, OnlyTheFirstEventOfACommandIsTimed) {
  v1::SessionResponse response;
  event(response, v1::EVENT_KIND_ACCEPTED, 1);
  event(response, v1::EVENT_KIND_FILL, 1);
  event(response, v1::EVENT_KIND_FILL, 1);
  take(response);
  EXPECT_EQ(tally_.execution.count(), 1U);
  EXPECT_EQ(tally_.fill.count(), 1U);
}

TEST_F(AnswersTest, WhatIsOutsideOfTheMeasuredTimeIsCountedButNotTimed) {
  tally_.measure(kSent + 1, kCame);
  v1::SessionResponse response;
  ack(response, 0);
  event(response, v1::EVENT_KIND_ACCEPTED, 0);
  take(response);
  EXPECT_EQ(tally_.acked, 1U);
  EXPECT_EQ(tally_.acked_within, 0U);
  EXPECT_EQ(tally_.ack.count(), 0U);
  EXPECT_EQ(tally_.execution.count(), 0U);
}

TEST_F(AnswersTest, ARefusedCommandIsAnErrorByItsReasonAndAwaitsNoEvent) {
  v1::SessionResponse response;
  ack(response, 0).mutable_failure()->set_reason(v1::REASON_QUEUE_FULL);
  take(response);
  EXPECT_EQ(tally_.refused, 1U);
  EXPECT_EQ(tally_.acked, 0U);
  EXPECT_EQ(answers_.told(), 1U);
  EXPECT_EQ(tally_.errors(), (Errors{{"QUEUE_FULL", 1}}));
}

TEST_F(AnswersTest, AnOrderThatTheEngineRefusesIsAnError) {
  v1::SessionResponse response;
  event(response, v1::EVENT_KIND_REJECTED, 0).mutable_failure()->set_reason(v1::REASON_PRICE_BAND);
  take(response);
  EXPECT_EQ(tally_.errors(), (Errors{{"engine: PRICE_BAND", 1}}));
}

TEST_F(AnswersTest, WhatTheServerMustNotDoIsAnError) {
  v1::SessionResponse response;
  ack(response, 0), ack(response, 0), ack(response, 3);
  event(response, v1::EVENT_KIND_ACCEPTED, 0);
  ++seq_;
  event(response, v1::EVENT_KIND_ACCEPTED, 1);
  event(response, v1::EVENT_KIND_ACCEPTED, 2).set_shard(1U << 31);
  response.mutable_go_away()->mutable_failure()->set_reason(v1::REASON_DRAINING);
  take(response);
  answers_.take("\x0a\x7f", kCame);
  EXPECT_EQ(tally_.errors(), (Errors{{"ack of a command that was not sent", 1},
                                     {"second ack of a command", 1},
                                     {"gap in the sequence of events", 1},
                                     {"event of an impossible shard", 1},
                                     {"go away: DRAINING", 1},
                                     {"response is no protobuf message", 1}}));
  EXPECT_TRUE(answers_.gone_away());
}

TEST_F(AnswersTest, ShardsHaveSequencesOfTheirOwn) {
  v1::SessionResponse response;
  event(response, v1::EVENT_KIND_ACCEPTED, 0);
  seq_ = 4;
  event(response, v1::EVENT_KIND_ACCEPTED, 1).set_shard(2);
  seq_ = 17;
  event(response, v1::EVENT_KIND_ACCEPTED, 2);
  take(response);
  EXPECT_EQ(tally_.errors(), Errors{});
}

TEST_F(AnswersTest, AnEchoAnswersTheOldestFrame) {
  sent_.begin_frame(kSent + 500);
  for (int i = 0; i < 3; ++i) sent_.add(Kind::kRest);
  answers_.take_echo(3, kCame);
  EXPECT_EQ(answers_.answered(), 3U);
  EXPECT_DOUBLE_EQ(tally_.ack.percentile_ms(0.5), (kCame - kSent) / 1e6);
  answers_.take_echo(3, kCame);
  EXPECT_EQ(tally_.ack.count(), 6U);
  EXPECT_NEAR(tally_.ack.percentile_ms(0), (kCame - kSent - 500) / 1e6, 2e-5);
}

}  // namespace
}  // namespace ordergate::load
