// Replays a tape (format: ../tape/records.py) straight through the core: engine_tape NAME < LINES
//
// Exit status: 0 the core made of every command what the tape says, 1 it did not (the first difference is named by its
// line), 2 the tape can't be read.
#include <algorithm>
#include <charconv>
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

using core::EventKind;

constexpr std::int64_t kMarket = 99'999'999'900;  // price of a market order; a sell may have 0 as well
// The core's prices begin at 1; on a tape somebody may offer to buy for nothing.
constexpr std::int64_t kShift = 1;
// Prices to 10^10 of the currency; whatever quantity the core can hold. Their product, times the orders that may be
// open, is as large as notionals may be.
constexpr std::int64_t kPriceMax = (std::int64_t{1} << 41) - kShift;
constexpr std::int64_t kQuantityMax = core::kValueMax;
constexpr std::size_t kIdLengthMax = 40;
constexpr std::uint64_t kAccounts = 8;  // the tape does not tell owners

// The core did something else than the tape says.
struct Difference : std::runtime_error {
  using runtime_error::runtime_error;
};

using Parts = std::vector<std::string_view>;

struct Fill {
  std::string maker;
  std::int64_t price;
  std::int64_t quantity;
  bool operator==(const Fill&) const = default;
};

std::string text(const Fill& fill) {
  return std::to_string(fill.quantity) + " of order " + fill.maker + " at " + std::to_string(fill.price);
}

Parts split(std::string_view line) {
  Parts parts;
  for (std::size_t comma; (comma = line.find(',')) != line.npos; line.remove_prefix(comma + 1)) {
    parts.push_back(line.substr(0, comma));
  }
  parts.push_back(line);
  return parts;
}

std::int64_t number(std::string_view digits, std::int64_t min, std::int64_t max) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) {
    throw std::invalid_argument("not a number: '" + std::string(digits.substr(0, 80)) + "'");
  }
  if (error != std::errc() || value < min || value > max) {
    throw std::invalid_argument(std::string(digits) + " is not between " + std::to_string(min) + " and " +
                                std::to_string(max));
  }
  return value;
}

std::int64_t price_of(std::string_view digits) { return number(digits, 0, kPriceMax); }

// An order's id stays text: some venues' ids are longer than 64 bits.
std::string id_of(std::string_view digits) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || digits.size() > kIdLengthMax || !std::ranges::all_of(digits, is_digit)) {
    throw std::invalid_argument("not an order's id: '" + std::string(digits.substr(0, 80)) + "'");
  }
  return std::string(digits);
}

std::string account_of(std::string_view order) {
  return "tape-" + std::to_string(core::StateHash::of(order) % kAccounts);
}

core::Side side_of(std::string_view side) {
  if (side != "B" && side != "S") throw std::invalid_argument("the side is neither B nor S");
  return side == "B" ? core::Side::kBuy : core::Side::kSell;
}

// `terms` GTC, IOC or POST. Only an IOC is a market order: one that may rest needs its price.
testing::New order_of(const Parts& part, std::string_view terms) {
  if (terms != "GTC" && terms != "IOC" && terms != "POST") throw std::invalid_argument("no such time in force");
  const bool ioc = terms == "IOC";
  const core::Side side = side_of(part[2]);
  const std::int64_t price = price_of(part[3]);
  const bool market = ioc && (price == kMarket || (price == 0 && side == core::Side::kSell));
  return {.id = id_of(part[1]),
          .side = side,
          .price = market ? 0 : price + kShift,
          .quantity = number(part[4], 1, kQuantityMax),
          .time_in_force = ioc ? core::TimeInForce::kIoc : core::TimeInForce::kGtc,
          .account = account_of(part[1]),
          .post_only = terms == "POST"};
}

core::EngineConfig config() {
  return {.instruments = {
              {.symbol = "ACME", .min_price = {1}, .max_price = {kPriceMax + kShift}, .max_quantity = {kQuantityMax}}}};
}

class Replay {
 public:
  void line(std::string_view line) {
    ++line_;
    const Parts part = split(line);
    if (part[0] == "fill" && part.size() == 4 && !taker_.empty())
      return fill({id_of(part[1]), price_of(part[2]), quantity(part[3])});
    all_fills_told();
    taker_.clear();
    if (part[0] == "add" && part.size() == 5) {
      add(part);
    } else if (part[0] == "new" && part.size() == 6) {
      enter(order_of(part, part[5]));
    } else if (part[0] == "del" && part.size() == 2) {
      withdraw(id_of(part[1]));
    } else if (part[0] == "cut" && part.size() == 3) {
      cut(id_of(part[1]), number(part[2], 0, kQuantityMax));
    } else {
      throw std::invalid_argument("not a record of a tape: " + std::string(line.substr(0, 80)));
    }
  }

  void end() const { all_fills_told(); }

  std::uint64_t line_number() const { return line_; }

  void print() const {
    const core::Counters& counters = engine_.counters();
    const auto count = [](const char* what, std::uint64_t number) { std::printf("%-21s %10" PRIu64, what, number); };
    const auto agreed = [&](const char* what, std::uint64_t number, const char* more = "") {
      count(what, number);
      std::printf(" of %" PRIu64 "%s\n", number, more);
    };
    count("commands", counters.commands);
    std::puts("");
    agreed("fills as on the tape", counters.trades, ": maker, price, quantity, order");
    agreed("POST orders refused", refused_);
    agreed("orders cut", cut_);
    agreed("orders canceled", canceled_);
    count("orders resting", engine_.open_orders());
    std::puts("");
    count("events", counters.events);
    std::printf("\nstate hash            %s\n", engine_.state_hash().c_str());
  }

 private:
  static std::int64_t quantity(std::string_view digits) { return number(digits, 1, kQuantityMax); }

  // The fills of the last incoming order are all on the tape.
  void all_fills_told() const {
    if (told_ == fills_.size()) return;
    throw Difference("order " + taker_ + " of line " + std::to_string(entered_at_) +
                     " also trades, which the tape does not say: " + text(fills_[told_]));
  }

  void fill(const Fill& expected) {
    if (told_ == fills_.size()) throw Difference("missing in the core: " + text(expected));
    const Fill& made = fills_[told_++];
    if (made != expected) throw Difference("the core trades " + text(made) + ", the tape " + text(expected));
  }

  void add(const Parts& part) {
    enter(order_of(part, "GTC"));
    if (!fills_.empty()) throw Difference("an order of the opening book trades: " + text(fills_[0]));
  }

  void enter(const testing::New& order) {
    taker_ = order.id;
    entered_at_ = line_;
    const core::Event& first = apply(order);
    if (first.reason == core::Reason::kWouldCross) {
      ++refused_;
    } else if (order.post_only) {
      throw Difference("the exchange refused the order, the core does not");
    } else if (first.kind != EventKind::kAccepted) {
      refuse("the order is refused", first);
    }
  }

  void withdraw(const std::string& id) {
    const core::Event& event = apply(testing::Cancel{.id = command_id(), .target = id, .account = account_of(id)});
    if (event.kind != EventKind::kCanceled) refuse("order " + id + " can't be canceled", event);
    ++canceled_;
  }

  // The tape says what is to be left of the order, an amend what it is to be in total. Nothing left is a cancel.
  void cut(const std::string& id, std::int64_t left) {
    if (left == 0) {
      withdraw(id);
      --canceled_;
    } else {
      reduce(id, left);
    }
    ++cut_;
  }

  void reduce(const std::string& id, std::int64_t left) {
    const std::string account = account_of(id);
    const std::uint32_t index = engine_.find(testing::id_of(account, id));
    if (index == 0 || engine_.order(index).leaves().value < left) {
      throw Difference("order " + id + " can't be cut to " + std::to_string(left) + ": it has " +
                       std::to_string(index == 0 ? 0 : engine_.order(index).leaves().value));
    }
    const std::int64_t executed = engine_.order(index).executed.value;
    const core::Event& event =
        apply(testing::Amend{.id = command_id(), .target = id, .quantity = executed + left, .account = account});
    if (event.kind != EventKind::kAmended || !event.priority_kept || event.leaves.value != left) {
      refuse("order " + id + " can't be cut", event);
    }
  }

  // Of a cancel or an amend; unlike those of orders.
  std::string command_id() const { return "line-" + std::to_string(line_); }

  [[noreturn]] static void refuse(const std::string& what, const core::Event& event) {
    if (event.kind == EventKind::kDuplicate || event.reason == core::Reason::kIdConflict) {
      throw Difference(what + ": its id was used before");
    }
    throw Difference(what + ": event " + std::to_string(static_cast<int>(event.kind)) + ", reason " +
                     std::to_string(static_cast<int>(event.reason)) + " of ordergate.v1");
  }

  // The command's first event.
  template <class Command>
  const core::Event& apply(const Command& command) {
    testing::Commands commands;
    commands.add(command);
    sink_.clear();
    engine_.apply(commands.frame(), {static_cast<std::int64_t>(line_)}, sink_);
    fills_.clear();
    told_ = 0;
    for (const core::Trade& trade : sink_.trades) {
      const core::Order& maker = engine_.order(sink_.events[trade.maker_event].order);
      fills_.push_back({std::string(maker.command_id()), trade.price.value - kShift, trade.quantity.value});
    }
    return sink_.events[0];
  }

  core::Engine engine_{config()};
  core::EventSink sink_;
  std::uint64_t line_ = 0;
  std::string taker_;  // empty if the last command was no order
  std::uint64_t entered_at_ = 0;
  std::vector<Fill> fills_;  // that the core made of the last command
  std::size_t told_ = 0;     // of these, how many the tape has told
  std::uint64_t refused_ = 0;
  std::uint64_t cut_ = 0;
  std::uint64_t canceled_ = 0;
};

int run(const char* name) {
  Replay replay;
  std::string line;
  const auto name_line = [&](std::FILE* out, const std::exception& why) {
    std::fprintf(out, "%s, line %" PRIu64 ": %s\n", name, replay.line_number(), why.what());
  };
  try {
    while (std::getline(std::cin, line)) replay.line(line);
    replay.end();
  } catch (const Difference& difference) {
    name_line(stdout, difference);
    return 1;
  } catch (const std::invalid_argument& error) {
    name_line(stderr, error);
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
