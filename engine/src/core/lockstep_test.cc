// The engine beside the obvious one: all that both tell, and all of their states that can be seen.
#include <gtest/gtest.h>

#include "testing/domains.h"
#include "testing/flow.h"
#include "testing/side_by_side.h"

namespace ordergate::core {
namespace {

using testing::Domain;
using testing::Flow;
using testing::SideBySide;

class Lockstep : public ::testing::TestWithParam<Domain> {
 protected:
  // Frames of `frame_max` commands at most. A full look at a large book only now and then.
  void run(std::uint64_t seed, std::int64_t frame_max) {
    const Domain& domain = GetParam();
    SCOPED_TRACE(domain.label + ", seed " + std::to_string(seed));
    SideBySide both(config_of(domain));
    Flow flow(domain, seed);
    testing::Random sizes(seed);
    const std::size_t every = domain.length > 5000 ? 499 : 1;
    std::size_t frames = 0;
    for (std::size_t done = 0; done < domain.length; ++frames) {
      std::vector<testing::Command> frame;
      for (std::int64_t left = sizes.below(frame_max) + 1; left > 0; --left) frame.push_back(flow.next());
      done += frame.size();
      const auto other = both.apply(frame, flow.now());
      ASSERT_FALSE(other) << "command " << done << ":" << *other;
      if (frames % every != 0) continue;
      const auto difference = both.difference();
      ASSERT_FALSE(difference) << "command " << done << ": " << *difference;
    }
  }

  std::uint64_t seeds(std::uint64_t commands) const { return commands / GetParam().length + 1; }
};

TEST_P(Lockstep, CommandByCommand) {
  for (std::uint64_t seed = 1; seed <= seeds(60'000) && !HasFatalFailure(); ++seed) run(seed, 1);
}

TEST_P(Lockstep, FrameByFrame) {
  for (std::uint64_t seed = 1; seed <= seeds(30'000) && !HasFatalFailure(); ++seed) run(1000 + seed, 20);
}

INSTANTIATE_TEST_SUITE_P(Domains, Lockstep, ::testing::ValuesIn(testing::all_domains()), testing::label_of);

}  // namespace
}  // namespace ordergate::core
