#include "rpc/shard.h"

#include <gtest/gtest.h>

#include "testing/flow.h"
#include "testing/proto_frame.h"

namespace ordergate::rpc {
namespace {

using testing::Commands;
using testing::New;

constexpr const char* kInstruments = R"(
[[instrument]]
symbol = "ACME"
price_increment = "0.01"
lot_size = "1"
max_price = "1000000"
max_quantity = "1000000"

[[instrument]]
symbol = "ZINC"
price_increment = "0.01"
lot_size = "1"
max_price = "1000000"
max_quantity = "1000000"
)";

Shard make_shard() {
  core::EngineConfig config;
  config.open_orders_max = 1000;
  config.ids_window = 4096;
  return Shard(*instruments::parse("i.toml", kInstruments).instruments, 0, config);
}

std::string frame_of(const std::string& id, std::int64_t price = 100) {
  Commands commands;
  commands.add(New{.id = id, .price = price});
  return testing::to_proto(commands.frame()).SerializeAsString();
}

// Entry `number` of a log 1-0, 2-0, …
CommandEntry entry(std::uint64_t number, std::string_view frame) {
  return {.id = {number, 0}, .previous = {number - 1, 0}, .engine_time_ns = 1000 * number, .frame = frame};
}

TEST(Shard, FrameAtOrBelowTheLastAppliedIsSkipped) {
  Shard shard = make_shard();
  const std::string a = frame_of("a");
  ASSERT_FALSE(shard.apply(entry(1, a)));
  const std::string hash = shard.engine().state_hash();
  ASSERT_FALSE(shard.apply(entry(1, a)));
  ASSERT_FALSE(shard.apply(entry(1, "not even a frame")));
  EXPECT_EQ(shard.engine().state_hash(), hash);
  EXPECT_EQ(shard.held().size(), 1u);
}

TEST(Shard, GapIsRefusedAndChangesNothing) {
  Shard shard = make_shard();
  const std::string a = frame_of("a");
  ASSERT_FALSE(shard.apply(entry(1, a)));
  const auto fault = shard.apply(entry(3, a));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::kGap);
  EXPECT_EQ(fault->text, "frame 3-0 follows 2-0, but the last frame applied is 1-0");
  EXPECT_EQ(shard.last_applied(), (LogId{1, 0}));
}

TEST(Shard, UnreadableFrameIsRefusedAndChangesNothing) {
  Shard shard = make_shard();
  const std::string hash = shard.engine().state_hash();
  CommandEntry bad = entry(1, "x");
  EXPECT_EQ(shard.apply(bad)->kind, Fault::Kind::kUnreadable);
  const std::string a = frame_of("a");
  bad = entry(1, a);
  bad.engine_time_ns = std::uint64_t{1} << 63;
  EXPECT_EQ(shard.apply(bad)->text, "frame 1-0: engine_time_ns is out of range");
  EXPECT_EQ(shard.engine().state_hash(), hash);
  EXPECT_EQ(shard.last_applied(), LogId{});
}

TEST(Shard, EventFramesAreHeldUntilPublished) {
  Shard shard = make_shard();
  for (std::uint64_t i = 1; i <= 5; ++i) {
    const std::string frame = frame_of(std::to_string(i));
    ASSERT_FALSE(shard.apply(entry(i, frame)));
  }
  EXPECT_EQ(shard.held().size(), 5u);
  shard.publish({3, 0});
  EXPECT_EQ(shard.held().front().id, (LogId{4, 0}));
  EXPECT_TRUE(shard.holds_after({3, 0}));
  EXPECT_FALSE(shard.holds_after({2, 0}));
  EXPECT_EQ(shard.first_after({4, 0}), 1u);
  shard.publish({1, 0});
  EXPECT_EQ(shard.last_published(), (LogId{3, 0})) << "never back";
}

TEST(Shard, ReplayUpToThePublishedMakesNoEventFrames) {
  Shard shard = make_shard();
  shard.publish({2, 0});
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const std::string frame = frame_of(std::to_string(i));
    ASSERT_FALSE(shard.apply(entry(i, frame)));
  }
  ASSERT_EQ(shard.held().size(), 1u);
  EXPECT_EQ(shard.held().front().id, (LogId{3, 0}));
  EXPECT_FALSE(shard.holds_after({1, 0}));
}

TEST(Shard, ReplayMakesTheSameBytesAndTheSameState) {
  std::vector<std::string> frames;
  testing::Flow flow({.label = "", .ids = 3000, .prices = 5}, 11);
  for (int i = 0; i < 200; ++i) {
    Commands commands;
    for (int k = 0; k <= i % 13; ++k) std::visit([&](const auto& c) { commands.add(c); }, flow.next());
    frames.push_back(testing::to_proto(commands.frame()).SerializeAsString());
  }
  Shard first = make_shard();
  Shard second = make_shard();
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto fault = first.apply(entry(i + 1, frames[i]));
    ASSERT_FALSE(fault) << fault->text;
  }
  // The second life: half is replayed as published, some frames come twice, the rest makes event frames again.
  second.publish({100, 0});
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_FALSE(second.apply(entry(i + 1, frames[i])));
    if (i % 7 != 0) continue;
    ASSERT_FALSE(second.apply(entry(i + 1, frames[i])));
  }
  EXPECT_EQ(first.engine().state_hash(), second.engine().state_hash());
  ASSERT_EQ(second.held().size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(second.held()[i].frame, first.held()[100 + i].frame);
    EXPECT_EQ(second.held()[i].engine_time, first.held()[100 + i].engine_time);
  }
}

}  // namespace
}  // namespace ordergate::rpc
