#include "answers.h"

#include "command_id.h"
#include "ordergate/v1/event.pb.h"
#include "ordergate/v1/failure.pb.h"
#include "wire.h"

namespace ordergate::load {
namespace {

// Numbers of the fields that are looked at; a unit test compares them with the protos.
constexpr std::uint32_t kAcks = 1, kEvents = 2, kGoAway = 5;                                       // of SessionResponse
constexpr std::uint32_t kAckCommandId = 1, kAckFailure = 10;                                       // of Ack
constexpr std::uint32_t kSeq = 1, kKind = 2, kEventCommandId = 3, kEventFailure = 6, kShard = 11;  // of OrderEvent
constexpr std::uint32_t kReason = 1;                                                               // of Failure
constexpr std::uint64_t kShardsMax = 4096;

bool is_refusal(std::uint64_t kind) {
  return kind == v1::EVENT_KIND_REJECTED || kind == v1::EVENT_KIND_COMMAND_REJECTED;
}

}  // namespace

std::string reason_of(std::string_view failure) {
  std::uint64_t reason = 0;
  for (Fields fields(failure); fields.next();) {
    if (fields.number() == kReason) reason = fields.value();
  }
  const std::string name = v1::Reason_Name(static_cast<v1::Reason>(reason));
  constexpr std::string_view kPrefix = "REASON_";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : "REASON " + std::to_string(reason);
}

void Answers::take(std::string_view response, std::int64_t now_ns) {
  Fields fields(response);
  while (fields.next()) {
    switch (fields.number()) {
      case kAcks:
        take_ack(fields.bytes(), now_ns);
        break;
      case kEvents:
        take_event(fields.bytes(), now_ns);
        break;
      case kGoAway:
        gone_away_ = true;
        for (Fields inner(fields.bytes()); inner.next();) {
          if (inner.number() == 1) tally_.error("go away: " + reason_of(inner.bytes()));
        }
        break;
      default:
        break;
    }
  }
  if (fields.broken()) tally_.error("response is no protobuf message");
}

void Answers::take_ack(std::string_view ack, std::int64_t now_ns) {
  std::string_view id, failure;
  bool failed = false;
  for (Fields fields(ack); fields.next();) {
    if (fields.number() == kAckCommandId) id = fields.bytes();
    if (fields.number() == kAckFailure) failure = fields.bytes(), failed = true;
  }
  const auto number = number_of(id, id_);
  if (!number || *number >= sent_.size()) return tally_.error("ack of a command that was not sent");
  if (!sent_.mark(*number, Sent::kAnswered)) return tally_.error("second ack of a command");
  ++answered_;
  if (failed) return refused(*number, reason_of(failure));
  acked(*number, now_ns);
}

void Answers::acked(std::uint64_t number, std::int64_t now_ns) {
  const Sent::Command command = sent_.command(number);
  tally_.time(tally_.ack, command.intended_ns, now_ns);
  ++tally_.acked;
  if (!tally_.within(now_ns)) return;
  ++tally_.acked_within;
  if (command.kind != Kind::kCancel) ++tally_.acked_orders_within;
}

// Nothing was stored, so no event will come.
void Answers::refused(std::uint64_t number, const std::string& reason) {
  ++tally_.refused;
  tally_.error(reason);
  if (sent_.mark(number, Sent::kTold)) ++told_;
}

void Answers::take_event(std::string_view event, std::int64_t now_ns) {
  std::uint64_t kind = 0, seq = 0, shard = 0;
  std::string_view id, failure;
  for (Fields fields(event); fields.next();) {
    switch (fields.number()) {
      case kSeq:
        seq = fields.value();
        break;
      case kKind:
        kind = fields.value();
        break;
      case kEventCommandId:
        id = fields.bytes();
        break;
      case kEventFailure:
        failure = fields.bytes();
        break;
      case kShard:
        shard = fields.value();
        break;
      default:
        break;
    }
  }
  check_sequence(shard, seq);
  ++tally_.events;
  if (tally_.within(now_ns)) ++tally_.events_within;
  const auto number = number_of(id, id_);
  if (!number || *number >= sent_.size()) return;  // a fill of a resting order, or of another stream of the account
  const Sent::Command command = sent_.command(*number);
  if (kind == v1::EVENT_KIND_FILL && sent_.mark(*number, Sent::kFilled)) {
    tally_.time(tally_.fill, command.intended_ns, now_ns);
    ++tally_.filled;
  }
  if (!sent_.mark(*number, Sent::kTold)) return;
  ++told_;
  ++tally_.told;
  if (tally_.within(now_ns)) ++tally_.told_within;
  tally_.time(tally_.execution, command.intended_ns, now_ns);
  if (is_refusal(kind)) ++tally_.rejected, tally_.error("engine: " + reason_of(failure));
}

// An account's events are numbered without a gap.
void Answers::check_sequence(std::uint64_t shard, std::uint64_t seq) {
  if (shard >= kShardsMax) return tally_.error("event of an impossible shard");
  if (shard >= last_seq_.size()) last_seq_.resize(shard + 1);
  if (last_seq_[shard] != 0 && seq != last_seq_[shard] + 1) tally_.error("gap in the sequence of events");
  last_seq_[shard] = seq;
}

void Answers::take_echo(std::size_t commands, std::int64_t now_ns) {
  for (std::size_t i = 0; i < commands && echoed_ < sent_.size(); ++i, ++echoed_) {
    sent_.mark(echoed_, Sent::kAnswered);
    ++answered_;
    ++told_;
    acked(echoed_, now_ns);
  }
}

}  // namespace ordergate::load
