// One Apply stream: frames in, event frames out.
#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>

#include "ordergate/engine/v1/engine_service.grpc.pb.h"
#include "rpc/completion.h"
#include "rpc/log_id.h"
#include "rpc/shard.h"

namespace ordergate::rpc {

class Session;

// Who owns the sessions, and knows which of them is active.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  // The session was accepted by gRPC; another can be waited for.
  virtual void accepted(Session& session) = 0;
  // Makes `session` the active one and ends the one before with ABORTED; or says why it may not be.
  virtual std::optional<grpc::Status> take_over(Session& session, const engine::v1::Hello& hello) = 0;
  // Frames were applied.
  virtual void applied() = 0;
  // The session has ended; may delete it.
  virtual void ended(Session& session) = 0;
};

// At most one read and one write are under way. What becomes ready during a write joins the next. All methods run on
// the thread of the completion queue.
class Session {
 public:
  Session(SessionOwner& owner, Shard& shard, const std::string& instance);

  // Waits for a stream.
  void accept(engine::v1::EngineService::AsyncService& service, grpc::ServerCompletionQueue& queue);

  // Ends the stream: with `flush` what is ready is sent before, without it nothing more is.
  void end(grpc::Status status, bool flush);

  // Applies no more frames; ends the stream once all events are confirmed as published. May delete the session.
  void drain(grpc::Status status);

  // False while it waits for a stream.
  bool was_accepted() const { return accepted_; }

 private:
  void on_accept(bool ok);
  void on_read(bool ok);
  void on_write(bool ok);
  void on_finish(bool ok);

  void step();
  bool has_output() const;
  void read();
  void write();
  void take(const engine::v1::ApplyRequest& request);
  bool open(const engine::v1::ApplyRequest& request);
  std::optional<grpc::Status> check_hello(const engine::v1::Hello& hello) const;
  bool apply(const engine::v1::CommandEntry& entry);

  SessionOwner& owner_;
  Shard& shard_;
  const std::string& instance_;

  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<engine::v1::ApplyResponse, engine::v1::ApplyRequest> stream_{&context_};
  engine::v1::ApplyRequest request_;
  engine::v1::ApplyResponse response_;
  Completion accept_done_ = Completion::of<&Session::on_accept>(this);
  Completion read_done_ = Completion::of<&Session::on_read>(this);
  Completion write_done_ = Completion::of<&Session::on_write>(this);
  Completion finish_done_ = Completion::of<&Session::on_finish>(this);

  std::string relay_;
  std::uint64_t epoch_ = 0;
  bool accepted_ = false;
  bool opened_ = false;           // hello was taken
  bool welcome_ = false;          // is to be sent
  LogId sent_;                    // event frames up to here are sent, or were published before
  std::size_t unsent_ = 0;        // bytes of event frames that wait
  std::optional<LogId> applied_;  // progress to report
  core::Time told_expiry_{0};     // when the next order is due to expire, as last told

  std::optional<grpc::Status> draining_;  // how it is to end
  std::optional<grpc::Status> ending_;
  bool flush_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool finished_ = false;
};

}  // namespace ordergate::rpc
