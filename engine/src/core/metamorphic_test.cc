// One flow told in two ways must come to the same: no other engine is asked.
#include <gtest/gtest.h>

#include <set>

#include "core/engine.h"
#include "testing/domains.h"
#include "testing/flow.h"
#include "testing/print.h"

namespace ordergate::core {
namespace {

using testing::Command;
using testing::Commands;
using testing::Domain;
using testing::Flow;
using testing::Told;

class Metamorphic : public ::testing::TestWithParam<Domain> {
 protected:
  struct Frame {
    std::int64_t time;
    std::vector<Command> commands;
  };

  static std::vector<Frame> flow_of(const Domain& domain, std::uint64_t seed, std::int64_t frame_max) {
    Flow flow(domain, seed);
    testing::Random sizes(seed);
    std::vector<Frame> frames;
    for (std::size_t done = 0; done < domain.length; done += frames.back().commands.size()) {
      Frame& frame = frames.emplace_back();
      for (std::int64_t left = 1 + sizes.below(frame_max); left > 0; --left) frame.commands.push_back(flow.next());
      frame.time = flow.now();
    }
    return frames;
  }

  // Applies the frame in parts of this size at most; what it tells, without the place in the frame.
  static std::vector<Told> apply(Engine& engine, const Frame& frame, std::size_t part) {
    std::vector<Told> all;
    for (std::size_t begin = 0; begin < frame.commands.size(); begin += part) {
      const auto from = frame.commands.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto size = static_cast<std::ptrdiff_t>(std::min(part, frame.commands.size() - begin));
      Commands commands(std::vector<Command>(from, from + size));
      EventSink sink;
      engine.apply(commands.frame(), {frame.time}, sink);
      for (Told& one : testing::told(engine, sink)) all.push_back(std::move(one));
    }
    for (Told& one : all) one.command = 0;
    return all;
  }
  static std::vector<Told> apply(Engine& engine, const Frame& frame) { return apply(engine, frame, SIZE_MAX); }

  static std::string books(const Engine& engine) {
    std::string text;
    for (std::uint32_t i = 0; i < engine.instruments(); ++i) {
      for (const Side side : {Side::kBuy, Side::kSell}) text += testing::picture(engine, side, i) + "\n";
    }
    return text;
  }
};

TEST_P(Metamorphic, SameCommandsInOtherFramesMakeTheSameEventsAndState) {
  const Domain& domain = GetParam();
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Engine one(config_of(domain)), two(config_of(domain)), three(config_of(domain));
    for (const Frame& frame : flow_of(domain, seed, 60)) {
      const std::vector<Told> told = apply(one, frame);
      ASSERT_EQ(apply(two, frame, 1), told) << "seed " << seed << ", one command at a time";
      ASSERT_EQ(apply(three, frame, 7), told) << "seed " << seed << ", seven at a time";
    }
    EXPECT_EQ(one.state_hash(), two.state_hash()) << "seed " << seed;
    EXPECT_EQ(one.state_hash(), three.state_hash()) << "seed " << seed;
  }
}

// A frame that is sent twice is told twice, and done once.
TEST_P(Metamorphic, FrameThatComesTwiceChangesNothingButSequences) {
  Domain domain = GetParam();
  domain.forgetful = false;
  const auto without_seqs = [](std::vector<Told> told) {
    for (Told& one : told) one.seq = one.last_seq = 0;
    return told;
  };
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Engine once(config_of(domain)), twice(config_of(domain));
    for (const Frame& frame : flow_of(domain, seed, 10)) {
      ASSERT_EQ(without_seqs(apply(twice, frame)), without_seqs(apply(once, frame))) << "seed " << seed;
      for (const Told& again : apply(twice, frame)) {
        const bool fenced = again.kind == EventKind::kFenced || again.reason == Reason::kFenced;
        const bool repeat = again.kind == EventKind::kDuplicate || again.reason == Reason::kIdConflict;
        ASSERT_TRUE(repeat || fenced) << "seed " << seed << testing::text(again);
      }
      ASSERT_EQ(books(twice), books(once)) << "seed " << seed;
    }
    EXPECT_EQ(once.counters().trades, twice.counters().trades);
  }
}

constexpr std::int64_t reflected(std::int64_t price) {
  return price >= 1 && price <= testing::kPriceMax ? testing::kPriceMax + 1 - price : price;
}

Command mirror(Command command) {
  if (auto* order = std::get_if<testing::New>(&command)) {
    order->side = opposite(order->side);
    order->price = reflected(order->price);
    order->stop_price = reflected(order->stop_price);
  } else if (auto* amend = std::get_if<testing::Amend>(&command)) {
    if (amend->decimal) *amend = {.id = amend->id, .target = amend->target, .quantity = 1, .account = amend->account};
    amend->price = reflected(amend->price);
    amend->stop_price = reflected(amend->stop_price);
  } else if (auto* mass = std::get_if<testing::MassCancel>(&command)) {
    if (mass->side != 0) mass->side = static_cast<std::uint8_t>(3 - mass->side);
  }
  return command;
}

// Buyers and sellers change places, prices are reflected around the middle of the allowed ones: the trades are the
// same.
TEST_P(Metamorphic, MirroredFlowMakesMirroredTrades) {
  Domain domain = GetParam();
  domain.forgetful = domain.limits = false;  // notionals and bands have no mirror
  domain.band_ppm = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Engine engine(config_of(domain)), other(config_of(domain));
    for (Frame frame : flow_of(domain, seed, 1)) {
      Frame mirrored = frame;
      mirrored.commands[0] = mirror(frame.commands[0]);
      frame.commands[0] = mirror(mirrored.commands[0]);  // decimals are gone from both
      const std::vector<Told> told = apply(engine, frame), reflection = apply(other, mirrored);
      ASSERT_EQ(told.size(), reflection.size()) << "seed " << seed;
      std::multiset<std::string> one, two;
      for (std::size_t i = 0; i < told.size(); ++i) {
        ASSERT_EQ(told[i].fill_quantity, reflection[i].fill_quantity) << "seed " << seed;
        ASSERT_EQ(told[i].fill_price, reflected(reflection[i].fill_price)) << "seed " << seed;
        one.insert(told[i].order + " " + testing::name(told[i].kind));  // a mass cancel begins with the bids
        two.insert(reflection[i].order + " " + testing::name(reflection[i].kind));
      }
      ASSERT_EQ(one, two) << "seed " << seed;
    }
  }
}

TEST_P(Metamorphic, CancelOfAllEmptiesTheBooks) {
  const Domain& domain = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Engine engine(config_of(domain));
    Frame all;
    for (const Frame& frame : flow_of(domain, seed, 10)) {
      apply(engine, frame);
      all.time = frame.time;
    }
    for (const char* account : {"alice", "bob", "carol", "dave"}) {
      all.commands.push_back(testing::SetTradingState{.id = "open", .of_account = account, .account = account});
    }
    for (const char* symbol : {"", "ACME", "ZINC"}) {
      all.commands.push_back(
          testing::SetTradingState{.id = std::string("open ") + symbol, .of_symbol = symbol, .account = "admin"});
    }
    const std::uint32_t open = engine.open_orders();
    for (const char* account : {"alice", "bob", "carol", "dave"}) {
      all.commands.push_back(testing::MassCancel{.id = "all", .account = account});
    }
    std::size_t canceled = 0, expired = 0;
    for (const Told& one : apply(engine, all)) {
      canceled += one.kind == EventKind::kCanceled;
      expired += one.kind == EventKind::kExpired;
    }
    EXPECT_EQ(canceled + expired, open) << "seed " << seed;
    EXPECT_EQ(engine.open_orders(), 0u) << "seed " << seed;
    EXPECT_EQ(books(engine), "\n\n\n\n") << "seed " << seed;
    EXPECT_EQ(engine.next_expiry(), Time{0}) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, Metamorphic, ::testing::ValuesIn(testing::all_domains()), testing::label_of);

}  // namespace
}  // namespace ordergate::core
