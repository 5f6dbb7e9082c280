// Which commands are recognised as repeats, and which orders are held.
#include <gtest/gtest.h>

#include "testing/story.h"

namespace ordergate::core {
namespace {

using testing::Amend;
using testing::Cancel;
using testing::Command;
using testing::Fence;
using testing::kB;
using testing::kS;
using testing::Lines;
using testing::MassCancel;
using testing::New;
using testing::SetLimits;
using testing::SetTradingState;
using testing::Tick;

class IdsTest : public testing::StoryTest {
 protected:
  IdsTest() : StoryTest(config()) {}
  static EngineConfig config() {
    EngineConfig config = usual();
    config.ids_window = 3;
    config.ids_age = {100};
    config.ended_orders = 1;
    return config;
  }
  void ticks(int count, std::int64_t time = 1000) {
    for (; count > 0; --count) apply({Tick{"tick " + std::to_string(++ticks_)}}, time);
  }
  int ticks_ = 0;
};

TEST_F(IdsTest, EveryKindOfCommandIsRecognised) {
  apply({New{"o", kB, 10, 5}});
  const std::vector<std::pair<Command, Command>> pairs{
      {New{"a", kB, 9}, New{"a", kB, 8}},
      {Cancel{"c", "none"}, Cancel{"c", "other"}},
      {Cancel{"cv", "none"}, Cancel{.id = "cv", .target = "none", .expected_version = 1}},
      {Amend{.id = "m", .target = "none", .price = 1}, Amend{.id = "m", .target = "none", .price = 2}},
      {Amend{.id = "m2", .target = "none", .price = 1},
       Amend{.id = "m2", .target = "none", .price = 1, .symbol = "ACME"}},
      {MassCancel{.id = "x", .tag = "t"}, MassCancel{.id = "x", .session = "t"}},
      {SetTradingState{.id = "s"}, SetTradingState{.id = "s", .of_symbol = "ACME"}},
      {SetLimits{.id = "l"}, Tick{.id = "l", .account = "alice"}},
  };
  for (const auto& [command, other] : pairs) {
    apply({command});
    EXPECT_EQ(apply({command, other}).size(), 2u);
    EXPECT_EQ(sink_.events[0].kind, EventKind::kDuplicate);
    EXPECT_EQ(sink_.events[1].reason, Reason::kIdConflict);
  }
}

TEST_F(IdsTest, SellAtOnePriceIsNotABuyAtAnother) {
  apply({New{"a", kS, 100'002, 2}});
  EXPECT_EQ(reason(New{"a", kB, 100'001, 2}), "ID_CONFLICT");
}

TEST_F(IdsTest, CommandIsForgottenAfterSoManyOthers) {
  apply({Cancel{"c", "none"}});
  ticks(2);
  EXPECT_EQ(apply({Cancel{"c", "none"}}), Lines{"alice#2 DUPLICATE"});
  ticks(1);
  EXPECT_EQ(apply({Cancel{"c", "none"}}), Lines{"alice#3 CANCEL_REJECTED UNKNOWN_ORDER"});
}

TEST_F(IdsTest, RepeatsDoNotCountAsOthers) {
  apply({Cancel{"c", "none"}, Tick{"t"}});
  for (int i = 0; i < 10; ++i) apply({Tick{"t"}, Tick{.id = "c", .account = "alice"}});
  EXPECT_EQ(last({Cancel{"c", "none"}}), "alice#12 DUPLICATE");
}

TEST_F(IdsTest, CommandIsForgottenWhenItIsOld) {
  apply({Cancel{"c", "none"}}, 1000);
  EXPECT_EQ(last({Cancel{"c", "none"}}, 1100), "alice#2 DUPLICATE");
  EXPECT_EQ(last({Cancel{"c", "none"}}, 1101), "alice#3 CANCEL_REJECTED UNKNOWN_ORDER");
}

TEST_F(IdsTest, HeldOrderIsNeverEnteredTwice) {
  apply({New{"a", kB, 10}}, 1000);
  ticks(10, 5000);
  EXPECT_EQ(last({New{"a", kB, 10}}, 6000), "alice#2 DUPLICATE a OPEN 0+1 v1");
  EXPECT_EQ(last({New{"a", kB, 11}}, 6000), "alice#3 COMMAND_REJECTED a OPEN 0+1 v1 ID_CONFLICT");
}

TEST_F(IdsTest, EndedOrderIsHeldUntilOthersHaveEndedAndOneComesIn) {
  apply({New{"a", kB, 10}, Cancel{"c", "a"}});
  EXPECT_EQ(last({Cancel{"d", "a"}}), "alice#3 CANCEL_REJECTED a CANCELED 0+0 v2 TOO_LATE");
  apply({New{"b", kB, 10}, Cancel{"e", "b"}});
  EXPECT_EQ(last({Cancel{"f", "a"}}), "alice#6 CANCEL_REJECTED a CANCELED 0+0 v2 TOO_LATE");
  apply({New{"x", kB, 10}});
  EXPECT_EQ(last({Cancel{"g", "a"}}), "alice#8 CANCEL_REJECTED UNKNOWN_ORDER");
  EXPECT_EQ(last({Cancel{"h", "b"}}), "alice#9 CANCEL_REJECTED b CANCELED 0+0 v2 TOO_LATE");
}

TEST_F(IdsTest, RefusedOrderIsHeldLikeOneThatEnded) {
  apply({New{"a", kB, 0}});
  EXPECT_EQ(last({New{"a", kB, 0}}), "alice#2 DUPLICATE a REJECTED 0+0 v1");
  EXPECT_EQ(last({Cancel{"c", "a"}}), "alice#3 CANCEL_REJECTED a REJECTED 0+0 v1 TOO_LATE");
}

TEST_F(IdsTest, RepeatOfACancelShowsItsOrderAsItIsNow) {
  apply({Cancel{"c", "a"}, New{"a", kB, 10}});
  EXPECT_EQ(last({Cancel{"c", "a"}}), "alice#3 DUPLICATE a OPEN 0+1 v1");
}

TEST_F(IdsTest, OrderForgottenInAFrameIsForgottenForTheRestOfIt) {
  apply({New{"a", kB, 10}, Cancel{"1", "a"}, New{"b", kB, 10}, Cancel{"2", "b"}});
  EXPECT_EQ(apply({New{"x", kB, 10}, Cancel{"3", "a"}}).back(), "alice#6 CANCEL_REJECTED UNKNOWN_ORDER");
}

TEST_F(IdsTest, FencedIdIsRefusedToEveryKindOfCommand) {
  const std::vector<Command> commands{New{"f", kB, 10},
                                      Cancel{"f", "none"},
                                      Amend{.id = "f", .target = "none", .price = 1},
                                      MassCancel{"f"},
                                      SetLimits{.id = "f"},
                                      Tick{.id = "f", .account = "alice"},
                                      SetTradingState{.id = "f", .account = "alice"}};
  EXPECT_EQ(apply({Fence{"f"}}), Lines{"alice#1 FENCED"});
  std::uint64_t seq = 1;
  for (const Command& command : commands) {
    EXPECT_EQ(last({command}), "alice#" + std::to_string(++seq) + " COMMAND_REJECTED FENCED");
  }
  EXPECT_EQ(engine_.open_orders(), 0u);
}

TEST_F(IdsTest, FenceDividesAFrameIntoBeforeAndAfter) {
  EXPECT_EQ(
      apply({New{"a", kB, 10}, Fence{"a"}, New{"a", kB, 10}}),
      (Lines{"alice#1 ACCEPTED a OPEN 0+1 v1", "alice#2 DUPLICATE a OPEN 0+1 v1", "alice#3 DUPLICATE a OPEN 0+1 v1"}));
  EXPECT_EQ(apply({Fence{"b"}, New{"b", kB, 10}, Fence{"b"}}),
            (Lines{"alice#4 FENCED", "alice#5 COMMAND_REJECTED FENCED", "alice#6 FENCED"}));
}

TEST_F(IdsTest, FenceOfACommandThatIsKnownChangesNothing) {
  apply({Cancel{"c", "none"}, Fence{"c"}});
  EXPECT_EQ(last({Cancel{"c", "none"}}), "alice#3 DUPLICATE");
}

TEST_F(IdsTest, FenceOfAHeldOrderIsNoneHoweverOldTheOrder) {
  apply({New{"a", kB, 10}}, 1000);
  ticks(10, 5000);
  EXPECT_EQ(last({Fence{"a"}}, 6000), "alice#2 DUPLICATE a OPEN 0+1 v1");
}

TEST_F(IdsTest, FenceIsOneAccountsOwn) {
  apply({Fence{.id = "a", .account = "bob"}});
  EXPECT_EQ(last({New{"a", kB, 10}}), "alice#1 ACCEPTED a OPEN 0+1 v1");
}

TEST_F(IdsTest, FenceIsForgottenLikeACommandAndNotRenewedByItsRepeat) {
  apply({Fence{"f"}});
  ticks(2);
  EXPECT_EQ(last({Fence{"f"}}), "alice#2 FENCED");
  ticks(1);
  EXPECT_EQ(last({New{"f", kB, 10}}), "alice#3 ACCEPTED f OPEN 0+1 v1");
}

}  // namespace
}  // namespace ordergate::core
