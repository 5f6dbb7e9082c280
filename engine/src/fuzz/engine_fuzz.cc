// A stream of commands, three bytes each: the engine tells what the obvious engine tells, and their books are equal.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"
#include "testing/flow.h"
#include "testing/naive.h"
#include "testing/print.h"

namespace {

using namespace ordergate;

constexpr std::uint32_t kOpenOrdersMax = 6;

testing::Command command_of(const std::uint8_t* bytes) {
  const std::uint8_t kind = bytes[0], name = bytes[1], terms = bytes[2];
  const std::string account = (kind & 2) != 0 ? "alice" : "bob";
  const std::string id = std::to_string(name & 31);
  if ((kind & 1) != 0 && (kind & 4) != 0) return testing::Cancel{id, std::to_string(terms & 31), account};
  testing::New order{.id = id, .side = (kind & 8) != 0 ? core::Side::kBuy : core::Side::kSell};
  order.account = account;
  order.price = (terms & 7) == 7 ? 0 : 100 + (terms & 7);
  order.quantity = 1 + (terms >> 3 & 3);
  constexpr core::TimeInForce kTerms[]{core::TimeInForce::kGtc, core::TimeInForce::kGtc, core::TimeInForce::kIoc,
                                       core::TimeInForce::kFok};
  order.time_in_force = kTerms[kind >> 4 & 3];
  order.symbol = (kind & 64) != 0 ? "ZINC" : "ACME";
  order.post_only = (kind & 128) != 0;
  return order;
}

void same(const std::vector<std::string>& told, const std::vector<std::string>& expected) {
  if (told == expected) return;
  for (const std::string& line : told) std::fprintf(stderr, "engine: %s\n", line.c_str());
  for (const std::string& line : expected) std::fprintf(stderr, "obvious: %s\n", line.c_str());
  __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  core::Engine engine({testing::test_instruments(), kOpenOrdersMax});
  testing::NaiveEngine naive(testing::test_instruments(), kOpenOrdersMax);
  core::EventSink sink;
  for (std::int64_t now = 1; size >= 3; data += 3, size -= 3, ++now) {
    const testing::Command command = command_of(data);
    testing::Commands commands;
    std::visit([&](const auto& c) { commands.add(c); }, command);
    sink.clear();
    engine.apply(commands.frame(), {now}, sink);
    std::vector<std::string> told;
    for (const core::Event& event : sink.events) told.push_back(testing::describe(engine, event));
    same(told, std::visit([&](const auto& c) { return naive.apply(c, now); }, command));
    for (const core::Side side : {core::Side::kBuy, core::Side::kSell}) {
      if (testing::picture(engine, side, 0) != naive.picture("ACME", side)) __builtin_trap();
      if (testing::picture(engine, side, 1) != naive.picture("ZINC", side)) __builtin_trap();
    }
  }
  return 0;
}
