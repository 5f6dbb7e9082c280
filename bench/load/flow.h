// What a stream sends: orders of which a given share trades, made beforehand.
//
// An order that trades comes in pairs, next to each other: one that rests at the base price, then one that takes it.
// All others rest beside the price and never meet. So every pair trades, whatever other streams send, and the share
// holds.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace ordergate::load {

struct FlowOptions {
  std::vector<std::string> symbols{"ACME"};
  double trading = 1.0 / 3;  // share of the orders that trade on arrival, 0 to 0.5; as many others are what they take
  std::uint64_t cancel_after = 0;  // cancels each order beside the price after so many more commands; 0: never
  unsigned base_price = 100;       // in the instrument's currency, whole
};

enum class Kind : unsigned char { kRest, kMaker, kTaker, kCancel };

class Flow {
 public:
  // `id`: see command_id(); `account`: may be empty.
  Flow(const FlowOptions& options, std::string id, const std::string& account);

  // Appends the next command, as a length-delimited field with the given tag, and returns its kind. Commands are
  // numbered from 0 on.
  Kind append(std::string& out, char tag);
  std::uint64_t sent() const { return number_; }
  const std::string& id() const { return id_; }

 private:
  struct Template {
    std::string bytes;  // length and Command
    std::size_t id_at;
    std::size_t target_at = 0;  // only of a cancel
  };
  Template make_order(const std::string& symbol, bool buy, int ticks, const FlowOptions& options,
                      const std::string& account) const;
  Template make_cancel(const std::string& account) const;
  Template delimited(const std::string& command) const;
  Kind next_kind();

  std::string id_;
  double trading_;
  std::uint64_t cancel_after_;
  std::vector<Template> makers_, takers_, rests_;  // of the symbols, in turn
  Template cancel_;
  std::deque<std::uint64_t> resting_;
  std::uint64_t number_ = 0;
  std::uint64_t pairs_ = 0;
  std::uint64_t rested_ = 0;
  double credit_ = 0;
  bool taker_is_due_ = false;
};

}  // namespace ordergate::load
