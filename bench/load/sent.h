// What one stream has sent, and what has come back for it.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "flow.h"

namespace ordergate::load {

// Not thread-safe: the stream's lock guards it.
class Sent {
 public:
  struct Command {
    std::int64_t intended_ns;  // when its frame was to be sent
    Kind kind;
  };
  enum Mark : unsigned char { kAnswered = 1, kTold = 2, kFilled = 4 };

  explicit Sent(std::size_t frame) : frame_(frame) {}

  // A frame is about to be sent; `add` follows once for each of its commands.
  void begin_frame(std::int64_t intended_ns) { frames_.push_back(intended_ns); }
  void add(Kind kind) { states_.push_back(static_cast<unsigned char>(static_cast<unsigned>(kind) << kKindAt)); }

  std::uint64_t size() const { return states_.size(); }
  Command command(std::uint64_t number) const {
    return {frames_[number / frame_], static_cast<Kind>(states_[number] >> kKindAt)};
  }
  // Marks a command; false if it had the mark before.
  bool mark(std::uint64_t number, Mark mark) {
    const bool first = (states_[number] & mark) == 0;
    states_[number] = static_cast<unsigned char>(states_[number] | mark);
    return first;
  }

 private:
  static constexpr unsigned kKindAt = 4;
  std::size_t frame_;
  std::deque<std::int64_t> frames_;
  std::deque<unsigned char> states_;
};

}  // namespace ordergate::load
