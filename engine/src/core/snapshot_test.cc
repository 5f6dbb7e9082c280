// The state as bytes: a loaded engine goes on as the one that was saved, and bytes that are no state are refused.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"
#include "testing/domains.h"
#include "testing/flow.h"
#include "testing/print.h"
#include "testing/saved.h"

namespace ordergate::core {
namespace {

using testing::Command;
using testing::Commands;
using testing::Domain;
using testing::Flow;
using testing::Told;

struct Step {
  std::int64_t time;
  Command command;
};

std::vector<Step> flow_of(const Domain& domain, std::uint64_t seed, std::size_t length) {
  Flow flow(domain, seed);
  std::vector<Step> steps;
  for (std::size_t i = 0; i < length; ++i) {
    Command command = flow.next();
    steps.push_back({flow.now(), std::move(command)});
  }
  return steps;
}

std::vector<Told> apply(Engine& engine, const Step& step) {
  Commands commands({step.command});
  EventSink sink;
  engine.apply(commands.frame(), {step.time}, sink);
  return testing::told(engine, sink);
}

bool load(Engine& engine, std::string_view state) {
  StateReader reader(state);
  return engine.load(reader);
}

std::string load_fault(const Engine& engine, Engine& loaded) {
  const std::string state = testing::saved(engine);
  if (!load(loaded, state)) return "refused";
  if (loaded.state_hash() != engine.state_hash()) return "another hash";
  if (testing::saved(loaded) != state) return "saved otherwise";
  if (loaded.next_expiry() != engine.next_expiry()) return "another expiry";
  if (loaded.open_orders() != engine.open_orders()) return "another number of open orders";
  return {};
}

class Snapshot : public ::testing::TestWithParam<Domain> {};

// After every command of a short flow, and all along a long one.
TEST_P(Snapshot, EngineLoadedAtAnyPointGoesOnLikeTheOneThatWasSaved) {
  const Domain& domain = GetParam();
  constexpr std::size_t kPoints = 60, kRest = 150;
  const std::vector<Step> steps = flow_of(domain, 7, std::min<std::size_t>(domain.length, 4000));
  const std::size_t stride = std::max<std::size_t>(1, steps.size() / kPoints);
  Engine straight(config_of(domain));
  for (std::size_t at = 0; at < steps.size(); ++at) {
    if (at % stride == 0) {
      Engine loaded(config_of(domain)), onward(config_of(domain));
      ASSERT_EQ(load_fault(straight, loaded), "") << "after " << at;
      ASSERT_EQ(load_fault(straight, onward), "") << "after " << at;
      const std::size_t end = std::min(steps.size(), at + kRest);
      for (std::size_t next = at; next < end; ++next) {
        ASSERT_EQ(apply(onward, steps[next]), apply(loaded, steps[next])) << "after " << at << ", at " << next;
      }
    }
    apply(straight, steps[at]);
  }
}

// The whole rest, told as the straight run tells it.
TEST_P(Snapshot, RestOfTheFlowMakesTheSameEventsAndStateAsAStraightRun) {
  const Domain& domain = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const std::vector<Step> steps = flow_of(domain, seed, std::min<std::size_t>(domain.length, 6000));
    Engine straight(config_of(domain));
    auto restarted = std::make_unique<Engine>(config_of(domain));
    for (std::size_t at = 0; at < steps.size(); ++at) {
      if (at % (steps.size() / 7 + 1) == 3) {
        auto next = std::make_unique<Engine>(config_of(domain));
        ASSERT_EQ(load_fault(*restarted, *next), "") << "seed " << seed << ", after " << at;
        restarted = std::move(next);
      }
      ASSERT_EQ(apply(*restarted, steps[at]), apply(straight, steps[at])) << "seed " << seed << ", at " << at;
    }
    EXPECT_EQ(restarted->state_hash(), straight.state_hash()) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, Snapshot, ::testing::ValuesIn(testing::all_domains()), testing::label_of);

Domain small() { return {.label = "small", .ids = 40, .prices = 5, .length = 80}; }

EngineConfig small_config() {
  EngineConfig config = config_of(small());
  config.ended_orders = 8;
  config.ids_window = 16;
  config.open_orders_max = 20;
  return config;
}

std::string small_state(std::uint64_t seed) {
  Engine engine(small_config());
  for (const Step& step : flow_of(small(), seed, 60)) apply(engine, step);
  return testing::saved(engine);
}

TEST(SnapshotBytes, AreRefusedWhenCutShortAnywhere) {
  const std::string state = small_state(1);
  for (std::size_t length = 0; length < state.size(); ++length) {
    Engine engine(small_config());
    ASSERT_FALSE(load(engine, std::string_view(state).substr(0, length))) << length << " of " << state.size();
  }
  Engine engine(small_config());
  EXPECT_FALSE(load(engine, state + '\0')) << "one byte more";
}

// A changed byte is refused, or gives another state, which its hash tells. It never does harm.
TEST(SnapshotBytes, ChangedAnywhereAreRefusedOrToldByTheHash) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    std::string state = small_state(seed);
    Engine whole(small_config());
    ASSERT_TRUE(load(whole, state));
    const std::string hash = whole.state_hash();
    std::size_t loaded = 0;
    for (std::size_t at = 0; at < state.size(); ++at) {
      const char byte = state[at];
      for (const int change : {0x01, 0x80, 0xFF}) {
        state[at] = static_cast<char>(byte ^ change);
        Engine engine(small_config());
        if (!load(engine, state)) continue;
        ++loaded;
        const std::string again = testing::saved(engine);
        Engine second(small_config());
        ASSERT_TRUE(load(second, again)) << "byte " << at << " ^ " << change;
        ASSERT_EQ(testing::saved(second), again) << "byte " << at << " ^ " << change;
        ASSERT_NE(engine.state_hash(), hash) << "byte " << at << " ^ " << change;
      }
      state[at] = byte;
    }
    EXPECT_GT(loaded, 0u) << "some are a state of their own";
  }
}

TEST(SnapshotBytes, OfMoreOrdersThanTheEngineCanHoldAreRefused) {
  Engine engine(small_config());
  for (int i = 0; i < 20; ++i) {
    apply(engine, {i + 1, testing::New{.id = std::to_string(i), .price = 100 + i}});
  }
  EngineConfig smaller = small_config();
  smaller.open_orders_max = 19;
  Engine other(smaller);
  EXPECT_FALSE(load(other, testing::saved(engine)));
}

TEST(SnapshotBytes, OfOtherInstrumentsAreRefused) {
  Engine engine(small_config());
  apply(engine, {1, testing::New{.id = "a", .price = 100, .symbol = "ZINC"}});
  EngineConfig one = small_config();
  one.instruments.pop_back();
  Engine other(one);
  EXPECT_FALSE(load(other, testing::saved(engine)));
}

}  // namespace
}  // namespace ordergate::core
