// The gRPC server of one shard.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <thread>

#include "ordergate/engine/v1/engine_service.grpc.pb.h"
#include "rpc/answers.h"
#include "rpc/book_stream.h"
#include "rpc/completion.h"
#include "rpc/session.h"
#include "rpc/shard.h"
#include "rpc/tls.h"
#include "rpc/unary.h"
#include "snapshot/snapshots.h"

namespace ordergate::rpc {

// One thread runs the completion queue and thereby owns the shard: no locks.
class Server final : public SessionOwner, public BookStreamOwner {
 public:
  // `shard` and `snapshots` must outlive the server. `instance` tells this start of the engine from others.
  Server(Shard& shard, snapshot::Snapshots& snapshots, std::string instance);
  ~Server() override;

  // Listens; from then on health says SERVING. Returns the address in effect (with the port taken), or an empty text if
  // the address can't be used.
  std::string listen(const std::string& address, const TlsPem& tls);

  // Serves until stop(). Returns when all streams have ended.
  void run();

  // Begins to drain: no frame is applied any more, and streams end with UNAVAILABLE once the relay has confirmed what
  // is in hand as published, or has let the time for that go by. From any thread, once.
  void stop();

 private:
  template <class Owner, class Request, class Response>
  friend class UnaryCall;

  void accepted(Session& session) override;
  std::optional<grpc::Status> take_over(Session& session, const engine::v1::Hello& hello) override;
  void applied() override;
  void ended(Session& session) override;
  void accepted(BookStream& stream) override;
  void ended(BookStream& stream) override;

  void await_session();
  void await_book_stream();
  // Waits for a unary call.
  template <class Request, class Response>
  void await(void (engine::v1::EngineService::AsyncService::*wait)(grpc::ServerContext*, Request*,
                                                                   grpc::ServerAsyncResponseWriter<Response>*,
                                                                   grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                                                   void*));
  template <class Request, class Response>
  grpc::Status answer(const Request& request, Response& response) const {
    return rpc::answer(shard_, request, response);
  }
  grpc::Status answer(const engine::v1::GetStatusRequest& request, engine::v1::GetStatusResponse& response) const;

  // After a stream has ended.
  void one_less();
  void set_health(bool serving);
  void on_stop(bool ok);
  void on_confirm_timeout(bool ok);
  void on_drain_timeout(bool ok);
  void await_snapshot();
  void on_snapshot_poll(bool ok);
  void shut_down();
  void on_server_down(bool ok);
  void close_queue();

  Shard& shard_;
  snapshot::Snapshots& snapshots_;
  const std::string instance_;
  engine::v1::EngineService::AsyncService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;

  // Fields of the thread that runs the queue.
  std::map<Session*, std::unique_ptr<Session>> sessions_;            // accepted ones, and the one that waits
  std::map<BookStream*, std::unique_ptr<BookStream>> book_streams_;  // likewise
  std::size_t streams_ = 0;                                          // accepted ones of both
  Session* active_ = nullptr;
  std::uint64_t epoch_ = 0;  // of the last relay that was active
  std::string relay_;
  bool draining_ = false;
  grpc::Alarm snapshot_poll_;
  Completion snapshot_poll_done_ = Completion::of<&Server::on_snapshot_poll>(this);
  grpc::Alarm confirm_timeout_;
  Completion confirm_timeout_done_ = Completion::of<&Server::on_confirm_timeout>(this);
  grpc::Alarm drain_timeout_;
  Completion drain_timeout_done_ = Completion::of<&Server::on_drain_timeout>(this);
  std::thread shutdown_;
  bool down_ = false;  // the server takes no more calls
  grpc::Alarm server_down_;
  Completion server_down_done_ = Completion::of<&Server::on_server_down>(this);

  // stop() may come from any thread; an alarm carries it over.
  grpc::Alarm stop_;
  Completion stop_done_ = Completion::of<&Server::on_stop>(this);
};

}  // namespace ordergate::rpc
