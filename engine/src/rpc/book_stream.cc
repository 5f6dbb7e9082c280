#include "rpc/book_stream.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ordergate::rpc {

using grpc::Status;
using grpc::StatusCode;

BookStream::~BookStream() {
  if (follower_) shard_.books().remove(*follower_);
}

void BookStream::accept(engine::v1::EngineService::AsyncService& service, grpc::ServerCompletionQueue& queue) {
  // A reader that goes away while nothing changes would not be noticed otherwise.
  context_.AsyncNotifyWhenDone(&done_done_);
  service.RequestFollowBooks(&context_, &request_, &stream_, &queue, &queue, &accept_done_);
}

void BookStream::on_accept(bool ok) {
  if (!ok) return owner_.ended(*this);  // the server shuts down
  accepted_ = true;
  ending_ = follow();
  owner_.accepted(*this);
  step();
}

std::optional<Status> BookStream::follow() {
  std::vector<std::uint32_t> instruments(request_.symbols().empty() ? shard_.engine().instruments() : 0);
  std::iota(instruments.begin(), instruments.end(), 0u);
  for (const std::string& symbol : request_.symbols()) {
    const auto found = shard_.instruments().find(symbol);
    if (!found) return Status(StatusCode::NOT_FOUND, "the engine has no instrument " + symbol);
    instruments.push_back(*found);
  }
  std::ranges::sort(instruments);
  const auto repeats = std::ranges::unique(instruments);
  instruments.erase(repeats.begin(), repeats.end());
  follower_.emplace(shard_.engine(), std::move(instruments), [this] { step(); });
  shard_.books().add(*follower_);
  return std::nullopt;
}

void BookStream::on_write(bool ok) {
  writing_ = false;
  if (!ok && !ending_) ending_ = Status(StatusCode::CANCELLED, "the reader is gone");
  step();
}

void BookStream::on_finish(bool) {
  finished_ = true;
  step();
}

void BookStream::on_done(bool) {
  done_ = true;
  if (!finishing_) finished_ = true;  // the reader is gone: there is nothing to finish
  step();
}

void BookStream::end(Status status) {
  if (!ending_) ending_ = std::move(status);
  step();
}

// The one place that decides what comes next. May delete the stream, but not when the follower wakes it: the last
// operation of a finished stream deletes it, so that none is left to be woken.
void BookStream::step() {
  if (finished_) {
    if (!writing_ && done_) owner_.ended(*this);
    return;
  }
  if (writing_ || finishing_) return;
  if (ending_) {
    finishing_ = true;
    stream_.Finish(*ending_, &finish_done_);
  } else {
    write();
  }
}

void BookStream::write() {
  response_.Clear();
  if (!follower_->take(response_)) return;
  writing_ = true;
  stream_.Write(response_, &write_done_);
}

}  // namespace ordergate::rpc
