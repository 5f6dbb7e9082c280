// The random flows reach everything that they are there to try: without this a flow that is refused for its whole
// length would pass every test.
#include "testing/flow.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/engine.h"
#include "testing/domains.h"
#include "testing/print.h"

namespace ordergate::core {
namespace {

// How often each word stands in the events of all domains.
std::map<std::string, int> words_of_all_flows() {
  std::map<std::string, int> words;
  for (const testing::Domain& domain : testing::all_domains()) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      Engine engine(config_of(domain));
      testing::Flow flow(domain, seed);
      for (std::size_t i = 0; i < std::min<std::size_t>(domain.length, 2000); ++i) {
        testing::Commands command({flow.next()});
        EventSink sink;
        engine.apply(command.frame(), {flow.now()}, sink);
        for (const testing::Told& told : testing::told(engine, sink)) {
          ++words[testing::name(told.kind)];
          ++words[std::string(testing::name(told.kind)) + " " + testing::name(told.reason)];
          ++words[std::string(testing::name(told.kind)) + " " + testing::name(told.cause)];
          ++words[std::string("status ") + testing::name(told.status)];
          if (told.kind == EventKind::kAmended) ++words[told.priority_kept ? "kept" : "lost"];
        }
      }
    }
  }
  return words;
}

TEST(FlowTest, ReachesEveryKindReasonAndCause) {
  const std::map<std::string, int> words = words_of_all_flows();
  const auto often = [&](const std::string& word, int least) {
    const auto found = words.find(word);
    EXPECT_GE(found == words.end() ? 0 : found->second, least) << word;
  };
  for (int kind = 1; kind <= 17; ++kind) often(testing::name(static_cast<EventKind>(kind)), 100);
  for (const char* reason :
       {"INVALID_FIELD", "UNKNOWN_SYMBOL", "PRICE_BAND", "MAX_ORDER_QUANTITY", "MAX_ORDER_NOTIONAL", "MAX_OPEN_ORDERS",
        "MAX_OPEN_NOTIONAL", "MAX_POSITION", "TRADING_STATE", "STALE", "WOULD_CROSS", "ENGINE_CAPACITY"}) {
    often(std::string("REJECTED ") + reason, 10);
  }
  for (const char* reason : {"STALE", "UNKNOWN_ORDER", "TOO_LATE", "VERSION_MISMATCH", "TRADING_STATE",
                             "UNKNOWN_SYMBOL", "INVALID_FIELD", "PRICE_INCREMENT", "LOT_SIZE", "MAX_ORDER_QUANTITY",
                             "PRICE_BAND", "MAX_ORDER_NOTIONAL", "MAX_OPEN_NOTIONAL", "MAX_POSITION", "WOULD_CROSS"}) {
    often(std::string("AMEND_REJECTED ") + reason, 3);
  }
  for (const char* reason : {"STALE", "UNKNOWN_ORDER", "TOO_LATE", "VERSION_MISMATCH", "TRADING_STATE"}) {
    often(std::string("CANCEL_REJECTED ") + reason, 10);
  }
  for (const char* reason : {"ID_CONFLICT", "STALE", "TRADING_STATE", "UNKNOWN_SYMBOL", "INVALID_FIELD", "FENCED"}) {
    often(std::string("COMMAND_REJECTED ") + reason, 10);
  }
  for (int cause = 1; cause <= 7; ++cause) {
    often(std::string("CANCELED ") + testing::name(static_cast<Cause>(cause)), 10);
  }
  often("RESTATED -", 50);
  often("RESTATED SELF_TRADE_PREVENTION", 20);
  often("kept", 100);
  often("lost", 100);
}

}  // namespace
}  // namespace ordergate::core
