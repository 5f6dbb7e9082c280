// Replays a tape (format: ../tape/records.py) straight through the core: engine_tape NAME < LINES
//
// Exit status: 0 the core made of every command what the tape says, 1 it did not (the first difference is named by its
// line), 2 the tape can't be read or asks for what the core can't do.
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"
#include "testing/commands.h"

namespace ordergate::bench {
namespace {

constexpr std::int64_t kMarketBuy = 99'999'999'900;  // price of a market order to buy; 0 to sell
// The core's prices begin at 1; on a tape somebody may offer to buy for nothing.
constexpr std::int64_t kShift = 1;
constexpr std::uint64_t kAccounts = 8;  // the tape does not tell owners

// The core did something else than the tape says.
struct Difference : std::runtime_error {
  using runtime_error::runtime_error;
};

struct Fill {
  std::int64_t maker;
  std::int64_t price;
  std::int64_t quantity;
  bool operator==(const Fill&) const = default;
};

std::string text(const Fill& fill) {
  return std::to_string(fill.quantity) + " of order " + std::to_string(fill.maker) + " at " +
         std::to_string(fill.price);
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> parts;
  for (std::size_t comma; (comma = line.find(',')) != line.npos; line.remove_prefix(comma + 1)) {
    parts.push_back(line.substr(0, comma));
  }
  parts.push_back(line);
  return parts;
}

std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) throw std::invalid_argument("not a number");
  return value;
}

class Replay {
 public:
  void line(std::string_view line) {
    ++line_;
    const auto part = split(line);
    const bool add = part[0] == "add" && part.size() == 5;
    if (part[0] == "fill" && part.size() == 4) {
      fill({number(part[1]), number(part[2]), number(part[3])});
    } else if (add || (part[0] == "new" && part.size() == 6)) {
      all_fills_told();
      enter(part, add ? "GTC" : part[5]);
      if (add && !fills_.empty()) throw Difference("an order of the opening book trades: " + text(fills_[0]));
    } else if (part[0] == "del" && part.size() == 2) {
      all_fills_told();
      withdraw(part[1]);
    } else if (part[0] == "cut") {
      throw std::invalid_argument("`cut` needs an amend that keeps priority, which the core does not have yet");
    } else {
      throw std::invalid_argument("not a record of a tape: " + std::string(line.substr(0, 80)));
    }
  }

  void end() { all_fills_told(); }

  std::uint64_t line_number() const { return line_; }

  void print() const {
    const core::Counters& counters = engine_.counters();
    std::printf("commands              %10" PRIu64 "\n", counters.commands);
    std::printf("fills as on the tape  %10" PRIu64 " of %" PRIu64 ": maker, price, quantity, order\n", fills_equal_,
                fills_equal_);
    std::printf("POST orders refused   %10" PRIu64 " of %" PRIu64 "\n", refused_, refused_);
    std::printf("orders canceled       %10" PRIu64 " of %" PRIu64 "\n", canceled_, canceled_);
    std::printf("orders resting        %10" PRIu32 "\n", engine_.open_orders());
    std::printf("events                %10" PRIu64 "\n", counters.events);
    std::printf("state hash            %s\n", engine_.state_hash().c_str());
  }

 private:
  static std::string account_of(std::int64_t order) {
    return "tape-" + std::to_string(static_cast<std::uint64_t>(order) % kAccounts);
  }

  // The fills of the last incoming order are all on the tape.
  void all_fills_told() const {
    if (told_ == fills_.size()) return;
    throw Difference("order " + std::to_string(taker_) + " of line " + std::to_string(entered_at_) +
                     " also trades, which the tape does not say: " + text(fills_[told_]));
  }

  void fill(const Fill& expected) {
    if (told_ == fills_.size()) throw Difference("missing in the core: " + text(expected));
    const Fill& made = fills_[told_++];
    if (made != expected) throw Difference("the core trades " + text(made) + ", the tape " + text(expected));
    ++fills_equal_;
  }

  void enter(const std::vector<std::string_view>& part, std::string_view terms) {
    const bool buy = part[2] == "B";
    if (!buy && part[2] != "S") throw std::invalid_argument("the side is neither B nor S");
    if (terms != "GTC" && terms != "IOC" && terms != "POST") throw std::invalid_argument("no such time in force");
    taker_ = number(part[1]);
    entered_at_ = line_;
    testing::New order{.id = std::string(part[1]), .side = buy ? core::Side::kBuy : core::Side::kSell};
    const std::int64_t price = number(part[3]);
    const bool market = price == (buy ? kMarketBuy : 0);
    if (!market) order.price = price + kShift;
    order.quantity = number(part[4]);
    order.account = account_of(taker_);
    order.post_only = terms == "POST";
    if (market || terms == "IOC") order.time_in_force = core::TimeInForce::kIoc;
    apply(order);
    const core::Event& first = sink_.events[0];
    const bool crossed = first.reason == core::Reason::kWouldCross;
    if (crossed != order.post_only) throw Difference("a POST order and a refused order are not the same");
    if (!crossed && first.kind != core::EventKind::kAccepted) throw Difference("the order is refused");
    if (crossed) ++refused_;
  }

  void withdraw(std::string_view order) {
    const std::string id(order);
    apply(testing::Cancel{.id = "del-" + id, .target = id, .account = account_of(number(order))});
    if (sink_.events[0].kind != core::EventKind::kCanceled) throw Difference("order " + id + " can't be canceled");
    ++canceled_;
  }

  template <class Command>
  void apply(const Command& command) {
    testing::Commands commands;
    commands.add(command);
    sink_.clear();
    engine_.apply(commands.frame(), {static_cast<std::int64_t>(line_)}, sink_);
    fills_.clear();
    told_ = 0;
    for (const core::Trade& trade : sink_.trades) {
      const core::Event& maker = sink_.events[trade.maker_event];
      fills_.push_back(
          {number(engine_.command_id(engine_.order(maker.order))), trade.price.value - kShift, trade.quantity.value});
    }
  }

  core::Engine engine_{{.instruments = {{"ACME", {1}, {core::kValueMax}, {core::kValueMax}}}}};
  core::EventSink sink_;
  std::uint64_t line_ = 0;
  std::int64_t taker_ = 0;
  std::uint64_t entered_at_ = 0;
  std::vector<Fill> fills_;  // that the core made of the last order
  std::size_t told_ = 0;     // of these, how many the tape has told
  std::uint64_t fills_equal_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t canceled_ = 0;
};

int run(const char* name) {
  Replay replay;
  std::string line;
  try {
    while (std::getline(std::cin, line)) replay.line(line);
    replay.end();
  } catch (const Difference& difference) {
    std::printf("%s, line %" PRIu64 ": %s\n", name, replay.line_number(), difference.what());
    return 1;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s, line %" PRIu64 ": %s\n", name, replay.line_number(), error.what());
    return 2;
  }
  if (replay.line_number() == 0) {
    std::fprintf(stderr, "%s: no lines\n", name);
    return 2;
  }
  replay.print();
  return 0;
}

}  // namespace
}  // namespace ordergate::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s NAME < LINES\n", argv[0]);
    return 2;
  }
  std::ios::sync_with_stdio(false);
  return ordergate::bench::run(argv[1]);
}
