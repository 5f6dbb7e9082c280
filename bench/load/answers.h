// Books the answers of a Session: which of them there are, and what they say about what was sent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sent.h"
#include "tally.h"

namespace ordergate::load {

// What is wrong with a command or stream: the reason of a Failure, without its prefix.
std::string reason_of(std::string_view failure);

class Answers {
 public:
  // `id`: that of the stream's commands, see command_id().
  Answers(Sent& sent, Tally& tally, std::string id) : sent_(sent), tally_(tally), id_(std::move(id)) {}

  // Books one SessionResponse that came at `now_ns`.
  void take(std::string_view response, std::int64_t now_ns);
  // Books one ack for the oldest unanswered frame of `commands` commands, of a peer that only echoes.
  void take_echo(std::size_t commands, std::int64_t now_ns);

  std::uint64_t answered() const { return answered_; }  // acked or refused
  std::uint64_t told() const { return told_; }          // commands whose first event has come, or that have none
  bool gone_away() const { return gone_away_; }

 private:
  void take_ack(std::string_view ack, std::int64_t now_ns);
  void take_event(std::string_view event, std::int64_t now_ns);
  void acked(std::uint64_t number, std::int64_t now_ns);
  void refused(std::uint64_t number, const std::string& reason);
  void check_sequence(std::uint64_t shard, std::uint64_t seq);

  Sent& sent_;
  Tally& tally_;
  std::string id_;
  std::uint64_t answered_ = 0;
  std::uint64_t told_ = 0;
  std::uint64_t echoed_ = 0;
  std::vector<std::uint64_t> last_seq_;  // by shard; 0: none yet
  bool gone_away_ = false;
};

}  // namespace ordergate::load
