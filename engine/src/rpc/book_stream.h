// One FollowBooks stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>

#include "ordergate/engine/v1/engine_service.grpc.pb.h"
#include "rpc/book_feed.h"
#include "rpc/completion.h"
#include "rpc/shard.h"

namespace ordergate::rpc {

class BookStream;

// Who owns the streams.
class BookStreamOwner {
 public:
  virtual ~BookStreamOwner() = default;
  // The stream was accepted by gRPC; another can be waited for.
  virtual void accepted(BookStream& stream) = 0;
  // No operation of the stream is left: it is to be deleted.
  virtual void ended(BookStream& stream) = 0;
};

// At most one write is in flight; what changes meanwhile is for the next. All methods run in the thread of the
// completion queue.
class BookStream {
 public:
  BookStream(BookStreamOwner& owner, Shard& shard) : owner_(owner), shard_(shard) {}
  ~BookStream();

  // Waits for a stream.
  void accept(engine::v1::EngineService::AsyncService& service, grpc::ServerCompletionQueue& queue);

  // Ends the stream. May delete it.
  void end(grpc::Status status);

  // False while it waits for a stream.
  bool was_accepted() const { return accepted_; }

 private:
  void on_accept(bool ok);
  void on_write(bool ok);
  void on_finish(bool ok);
  void on_done(bool ok);

  void step();
  void write();
  // Why the request can't be served; else it is followed from now on.
  std::optional<grpc::Status> follow();

  BookStreamOwner& owner_;
  Shard& shard_;
  std::optional<BookFollower> follower_;

  grpc::ServerContext context_;
  engine::v1::FollowBooksRequest request_;
  engine::v1::FollowBooksResponse response_;
  grpc::ServerAsyncWriter<engine::v1::FollowBooksResponse> stream_{&context_};
  Completion accept_done_ = Completion::of<&BookStream::on_accept>(this);
  Completion write_done_ = Completion::of<&BookStream::on_write>(this);
  Completion finish_done_ = Completion::of<&BookStream::on_finish>(this);
  Completion done_done_ = Completion::of<&BookStream::on_done>(this);

  std::optional<grpc::Status> ending_;
  bool accepted_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  bool done_ = false;  // gRPC is through with the call: it ended, or the reader is gone
};

}  // namespace ordergate::rpc
