// The commands that are remembered, beside a list of them.
#include "core/window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "core/state_io.h"
#include "testing/random.h"
#include "testing/saved.h"

namespace ordergate::core {
namespace {

OrderId id_of(std::int64_t number) {
  const auto n = static_cast<std::uint64_t>(number);
  return {StateHash::mix(n), StateHash::mix(~n)};
}

TEST(Window, RemembersTheContentOfTheLastCommandsByCount) {
  Window window(3, {1000});
  window.advance({1});
  for (std::int64_t i = 1; i <= 4; ++i) window.remember(id_of(i), static_cast<std::uint32_t>(10 * i));
  EXPECT_FALSE(window.find(id_of(1)).known);
  for (std::int64_t i = 2; i <= 4; ++i) {
    EXPECT_TRUE(window.find(id_of(i)).known);
    EXPECT_EQ(window.find(id_of(i)).content, 10 * i);
  }
}

TEST(Window, ForgetsWhatIsOlderThanTheAge) {
  Window window(100, {10});
  window.advance({5});
  window.remember(id_of(1), 1);
  window.advance({8});
  window.remember(id_of(2), 2);
  window.advance({15});
  EXPECT_TRUE(window.find(id_of(1)).known) << "as old as the age, and no older";
  window.advance({16});
  EXPECT_FALSE(window.find(id_of(1)).known);
  EXPECT_TRUE(window.find(id_of(2)).known);
  window.advance({1'000'000});
  EXPECT_FALSE(window.find(id_of(2)).known);
}

// Ids that all fall into one bucket: what finds it full is kept elsewhere, and found.
TEST(Window, FullBucketLosesNothing) {
  Window window(64, {1000});
  window.advance({1});
  for (std::uint64_t i = 0; i < 64; ++i) window.remember({0, 1 + i}, static_cast<std::uint32_t>(i));
  for (std::uint64_t i = 0; i < 64; ++i) {
    ASSERT_TRUE(window.find({0, 1 + i}).known);
    ASSERT_EQ(window.find({0, 1 + i}).content, i);
  }
  for (std::uint64_t i = 64; i < 10'000; ++i) {
    window.remember({0, 1 + i}, static_cast<std::uint32_t>(i));
    ASSERT_FALSE(window.find({0, 1 + i - 64}).known);
    ASSERT_TRUE(window.find({0, 1 + i - 63}).known);
  }
}

TEST(Window, AgreesWithAListOfAllCommands) {
  struct Seen {
    std::int64_t id;
    std::uint32_t content;
    std::int64_t time;
  };
  for (const std::uint32_t size : {1u, 2u, 7u, 50u}) {
    Window window(size, {30});
    std::deque<Seen> seen;
    testing::Random random(size);
    std::int64_t now = 0;
    for (int i = 0; i < 20'000; ++i) {
      if (random.one_in(4)) window.advance({now += random.below(random.one_in(20) ? 60 : 3)});
      const std::int64_t id = random.below(3 * size);
      while (!seen.empty() && (seen.size() > size || now - seen.front().time > 30)) seen.pop_front();
      const auto known = std::find_if(seen.begin(), seen.end(), [&](const Seen& one) { return one.id == id; });
      const Window::Found found = window.find(id_of(id));
      ASSERT_EQ(found.known, known != seen.end()) << "window of " << size << ", step " << i;
      if (found.known) {
        ASSERT_EQ(found.content, known->content);
        continue;
      }
      window.remember(id_of(id), static_cast<std::uint32_t>(i));
      seen.push_back({id, static_cast<std::uint32_t>(i), now});
    }
  }
}

// A window that remembers nothing after so many commands.
Window window_after(std::uint32_t commands) {
  testing::StringWriter bytes;
  bytes.put(commands);
  for (int i = 0; i < 2; ++i) bytes.put(std::uint32_t{0});  // span, times
  bytes.flush();
  Window window(64, {1000});
  StateReader reader(bytes.text);
  window.load(reader);
  EXPECT_TRUE(reader.ok() && reader.done());
  return window;
}

// Numbers of commands come round after 2^31. That brings nothing back, and no free slot looks taken.
TEST(Window, CountOfCommandsMayComeRound) {
  for (const std::uint32_t before : {0x7FFF'FE00u, 0xFFFF'FE00u, 0x1FFF'FE00u, 0u}) {
    Window window = window_after(before);
    for (std::int64_t i = 1; i <= 1000; ++i) {
      window.advance({1});
      window.remember(id_of(i), static_cast<std::uint32_t>(i));
      ASSERT_TRUE(window.find(id_of(std::max<std::int64_t>(1, i - 63))).known) << before << " + " << i;
      ASSERT_FALSE(window.find(id_of(i - 64)).known) << before << " + " << i;
      testing::StringWriter bytes;
      window.save(bytes);
      bytes.flush();
      bytes.flush();
      std::uint32_t remembered = 0;
      std::memcpy(&remembered, bytes.text.data() + 4, sizeof remembered);
      ASSERT_EQ(remembered, std::min<std::int64_t>(i, 64)) << before << " + " << i;
    }
  }
}

}  // namespace
}  // namespace ordergate::core
