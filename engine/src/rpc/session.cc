#include "rpc/session.h"

#include <algorithm>

#include "log.h"
#include "rpc/proto_id.h"

namespace ordergate::rpc {
namespace {

using grpc::Status;
using grpc::StatusCode;

constexpr std::uint32_t kProtocol = 1;
// Event frames in one response: enough to make the cost of a message small, and half of the smallest limit that a
// client of ours may have.
constexpr std::size_t kResponseBytes = 1 << 20;
// No reading while more than this waits to be written: a relay that does not read is not to fill our memory.
constexpr std::size_t kUnsentBytesMax = 16 << 20;

}  // namespace

Session::Session(SessionOwner& owner, Shard& shard, const std::string& instance)
    : owner_(owner), shard_(shard), instance_(instance) {}

void Session::accept(engine::v1::EngineService::AsyncService& service, grpc::ServerCompletionQueue& queue) {
  service.RequestApply(&context_, &stream_, &queue, &queue, &accept_done_);
}

void Session::on_accept(bool ok) {
  if (!ok) return owner_.ended(*this);  // the server shuts down
  accepted_ = true;
  owner_.accepted(*this);
  step();
}

void Session::on_read(bool ok) {
  reading_ = false;
  if (!ending_) {
    if (ok) {
      take(request_);
    } else {
      end(Status::OK, true);  // half-closed, or gone
      return;
    }
  }
  step();
}

void Session::on_write(bool ok) {
  writing_ = false;
  if (!ok && !ending_) ending_ = Status(StatusCode::CANCELLED, "the relay is gone");
  if (!ok) flush_ = false;
  step();
}

void Session::on_finish(bool) {
  finished_ = true;
  step();
}

void Session::end(Status status, bool flush) {
  if (!ending_) {
    ending_ = std::move(status);
    flush_ = flush;
  }
  step();
}

void Session::drain(Status status) {
  if (!opened_ || shard_.held().empty()) return end(std::move(status), true);
  draining_ = std::move(status);
}

// The one place that decides what comes next. May delete the session.
void Session::step() {
  if (finished_) {
    if (!reading_ && !writing_) owner_.ended(*this);
    return;
  }
  if (finishing_) return;
  if (!writing_ && has_output() && (!ending_ || flush_)) write();
  if (ending_ && !writing_) {
    finishing_ = true;
    stream_.Finish(*ending_, &finish_done_);
    if (opened_) {
      log::info("relay_ended", {{"relay", relay_},
                                {"epoch", std::to_string(epoch_)},
                                {"code", std::to_string(ending_->error_code())},
                                {"text", ending_->error_message()}});
    }
  } else if (!ending_ && !reading_ && unsent_ < kUnsentBytesMax) {
    read();
  }
}

void Session::read() {
  reading_ = true;
  stream_.Read(&request_, &read_done_);
}

bool Session::has_output() const {
  return opened_ && (welcome_ || applied_ || (!shard_.held().empty() && shard_.held().back().id > sent_) ||
                     shard_.engine().next_expiry() != told_expiry_);
}

void Session::write() {
  response_.Clear();
  if (welcome_) {
    engine::v1::Welcome& welcome = *response_.mutable_welcome();
    to_proto(shard_.last_applied(), welcome.mutable_last_applied());
    welcome.set_engine_version(ORDERGATE_ENGINE_VERSION);
    welcome.set_instance(instance_);
    welcome.set_instruments_digest(shard_.digest());
    welcome_ = false;
  }
  if (applied_) {
    to_proto(*applied_, response_.mutable_applied());
    applied_.reset();
  }
  told_expiry_ = shard_.engine().next_expiry();
  response_.set_next_expiry_ns(static_cast<std::uint64_t>(told_expiry_.value));
  std::size_t bytes = 0;
  const auto& held = shard_.held();
  for (std::size_t i = shard_.first_after(sent_); i < held.size(); ++i) {
    if (bytes != 0 && bytes + held[i].frame.size() > kResponseBytes) break;
    engine::v1::EventEntry& entry = *response_.add_entries();
    to_proto(held[i].id, entry.mutable_id());
    entry.set_engine_time_ns(static_cast<std::uint64_t>(held[i].engine_time.value));
    entry.set_events(held[i].events);
    entry.set_frame(held[i].frame);
    bytes += held[i].frame.size();
    sent_ = held[i].id;
  }
  unsent_ -= std::min(unsent_, bytes);
  writing_ = true;
  stream_.Write(response_, &write_done_);
}

// Sets ending_ if the request is refused.
void Session::take(const engine::v1::ApplyRequest& request) {
  if (!opened_ && !open(request)) return;
  if (request.has_published()) shard_.publish(from_proto(request.published()));
  if (draining_) {
    if (shard_.held().empty()) ending_ = draining_;
    return;
  }
  for (const engine::v1::CommandEntry& entry : request.entries()) {
    if (!apply(entry)) return;
  }
  if (!request.entries().empty()) owner_.applied();
}

bool Session::open(const engine::v1::ApplyRequest& request) {
  if (!request.has_hello()) {
    ending_ = Status(StatusCode::INVALID_ARGUMENT, "the first request must carry hello");
    return false;
  }
  const engine::v1::Hello& hello = request.hello();
  ending_ = check_hello(hello);
  if (!ending_) ending_ = owner_.take_over(*this, hello);
  if (ending_) {
    log::warning(
        "relay_refused",
        {{"relay", hello.relay()}, {"epoch", std::to_string(hello.epoch())}, {"text", ending_->error_message()}});
    return false;
  }
  relay_ = hello.relay();
  epoch_ = hello.epoch();
  opened_ = welcome_ = true;
  sent_ = from_proto(hello.last_published());
  shard_.publish(sent_);
  for (const EventEntry& entry : shard_.held()) unsent_ += entry.frame.size();
  log::info("relay_opened", {{"relay", relay_},
                             {"epoch", std::to_string(epoch_)},
                             {"last_published", sent_.text()},
                             {"last_applied", shard_.last_applied().text()},
                             {"held", std::to_string(shard_.held().size())}});
  return true;
}

std::optional<Status> Session::check_hello(const engine::v1::Hello& hello) const {
  const auto refuse = [](StatusCode code, const std::string& text) { return Status(code, text); };
  if (hello.protocol() != kProtocol) {
    return refuse(StatusCode::FAILED_PRECONDITION,
                  "protocol " + std::to_string(hello.protocol()) + " is not " + std::to_string(kProtocol));
  }
  if (hello.shard() != shard_.number()) {
    return refuse(StatusCode::FAILED_PRECONDITION, "this engine is of shard " + std::to_string(shard_.number()) +
                                                       ", the relay of shard " + std::to_string(hello.shard()));
  }
  if (hello.instruments_digest() != shard_.digest()) {
    return refuse(StatusCode::FAILED_PRECONDITION, "relay and engine have different instruments: " +
                                                       hello.instruments_digest() + " and " + shard_.digest() +
                                                       "; start both with the same --instruments file "
                                                       "(ordergate-engine --check-instruments tells a file's digest)");
  }
  if (hello.epoch() == 0) return refuse(StatusCode::INVALID_ARGUMENT, "hello.epoch must be above 0");
  const LogId published = from_proto(hello.last_published());
  if (published < shard_.loaded()) {
    return refuse(StatusCode::DATA_LOSS,
                  "the engine started from its snapshot of frame " + shard_.loaded().text() +
                      ", but events are published only up to " + published.text() +
                      ": the log has lost frames, or the snapshots are of another one; to start from the beginning of "
                      "this log, move them out of --data-dir");
  }
  if (!shard_.holds_after(published)) {
    return refuse(StatusCode::DATA_LOSS, "the engine has applied frames up to " + shard_.last_applied().text() +
                                             " and does not hold all event frames after " + published.text() +
                                             "; restart the engine to make them again");
  }
  return std::nullopt;
}

bool Session::apply(const engine::v1::CommandEntry& entry) {
  const CommandEntry command{.id = from_proto(entry.id()),
                             .previous = from_proto(entry.previous()),
                             .engine_time_ns = entry.engine_time_ns(),
                             .frame = entry.frame()};
  const bool fresh = command.id > shard_.last_applied();
  if (const auto fault = shard_.apply(command)) {
    const bool gap = fault->kind == Fault::Kind::kGap;
    ending_ = Status(gap ? StatusCode::DATA_LOSS : StatusCode::INVALID_ARGUMENT, fault->text);
    flush_ = true;
    log::error("frame_refused", {{"relay", relay_}, {"text", fault->text}});
    return false;
  }
  if (!fresh) return true;
  if (command.id <= shard_.last_published()) {
    applied_ = command.id;
  } else {
    unsent_ += shard_.held().back().frame.size();
  }
  return true;
}

}  // namespace ordergate::rpc
