// Tests that tell a story: commands, the events they yield, and the book they leave.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"
#include "testing/domain.h"
#include "testing/print.h"

namespace ordergate::testing {

using Lines = std::vector<std::string>;

inline constexpr core::Side kB = core::Side::kBuy;
inline constexpr core::Side kS = core::Side::kSell;
inline constexpr core::TimeInForce kGtc = core::TimeInForce::kGtc;
inline constexpr core::TimeInForce kDay = core::TimeInForce::kDay;
inline constexpr core::TimeInForce kGtd = core::TimeInForce::kGtd;
inline constexpr core::TimeInForce kIoc = core::TimeInForce::kIoc;
inline constexpr core::TimeInForce kFok = core::TimeInForce::kFok;

class StoryTest : public ::testing::Test {
 protected:
  // A small window of ids: most of an engine's start is to clear it.
  static core::EngineConfig usual() {
    core::EngineConfig config{.instruments = test_instruments()};
    config.open_orders_max = 1000;
    config.ids_window = 1024;
    return config;
  }
  explicit StoryTest(core::EngineConfig config = usual()) : engine_(std::move(config)) {}

  // What one frame of commands tells, in brief.
  Lines apply(const std::vector<Command>& list, std::int64_t time = 1000) {
    Commands commands(list);
    sink_.clear();
    engine_.apply(commands.frame(), {time}, sink_);
    return lines(engine_, sink_);
  }
  // The last event of it.
  std::string last(const std::vector<Command>& list, std::int64_t time = 1000) { return apply(list, time).back(); }
  // Why a command is refused, "-" if it is not.
  std::string reason(const Command& command, std::int64_t time = 1000) {
    apply({command}, time);
    return name(sink_.events[0].reason);
  }
  // All that the last frame told.
  std::vector<Told> told() const { return testing::told(engine_, sink_); }
  std::string bids(std::uint32_t instrument = 0) const { return picture(engine_, kB, instrument); }
  std::string asks(std::uint32_t instrument = 0) const { return picture(engine_, kS, instrument); }

  core::Engine engine_;
  core::EventSink sink_;
};

}  // namespace ordergate::testing
