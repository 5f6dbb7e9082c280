#include "rpc/server.h"

#include <grpcpp/health_check_service_interface.h>

#include <chrono>

#include "log.h"
#include "rpc/proto_id.h"

namespace ordergate::rpc {
namespace {

using grpc::Status;
using grpc::StatusCode;
using std::chrono::system_clock;

constexpr const char* kServiceName = "ordergate.engine.v1.EngineService";
// A relay's window is a few MB; a single frame may be larger.
constexpr int kMessageBytesMax = 64 << 20;
// A snapshot under way is looked at this often.
constexpr auto kSnapshotPoll = std::chrono::milliseconds(20);
// The relay confirms within 100 ms what it has published; Redis may be slow.
constexpr auto kConfirmGrace = std::chrono::seconds(2);
// Streams that have not ended after this time are cut.
constexpr auto kDrainGrace = std::chrono::seconds(5);
// For calls of others (health watchers), which nothing ends but the server.
constexpr auto kShutdownGrace = std::chrono::milliseconds(100);

Status gone() { return Status(StatusCode::UNAVAILABLE, "the engine is shutting down"); }

void configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The default of 300 s would end the streams of honest relays that ping every 30 s.
  builder.AddChannelArgument("grpc.http2.min_ping_interval_without_data_ms", 10'000);
  // A second engine must fail to bind, not share the port.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

Server::Server(Shard& shard, snapshot::Snapshots& snapshots, std::string instance)
    : shard_(shard), snapshots_(snapshots), instance_(std::move(instance)) {}

Server::~Server() {
  if (shutdown_.joinable()) shutdown_.join();
}

std::string Server::listen(const std::string& address, const TlsPem& tls) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  configure(builder);
  int port = 0;
  builder.AddListeningPort(address, credentials_of(tls), &port);
  builder.RegisterService(&service_);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (!server_) return {};
  using Service = engine::v1::EngineService::AsyncService;
  await_session();
  await_book_stream();
  await<engine::v1::GetStatusRequest, engine::v1::GetStatusResponse>(&Service::RequestGetStatus);
  await<engine::v1::GetBookRequest, engine::v1::GetBookResponse>(&Service::RequestGetBook);
  await<engine::v1::GetLimitsRequest, engine::v1::GetLimitsResponse>(&Service::RequestGetLimits);
  set_health(true);
  if (address.starts_with("unix:")) return address;
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

void Server::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<Completion*>(tag)->run(ok);
}

void Server::stop() { stop_.Set(queue_.get(), system_clock::now(), &stop_done_); }

void Server::await_session() {
  auto session = std::make_unique<Session>(*this, shard_, instance_);
  Session* const waiting = session.get();
  sessions_.emplace(waiting, std::move(session));
  waiting->accept(service_, *queue_);
}

void Server::await_book_stream() {
  auto stream = std::make_unique<BookStream>(*this, shard_);
  BookStream* const waiting = stream.get();
  book_streams_.emplace(waiting, std::move(stream));
  waiting->accept(service_, *queue_);
}

template <class Request, class Response>
void Server::await(void (engine::v1::EngineService::AsyncService::*wait)(grpc::ServerContext*, Request*,
                                                                         grpc::ServerAsyncResponseWriter<Response>*,
                                                                         grpc::CompletionQueue*,
                                                                         grpc::ServerCompletionQueue*, void*)) {
  if (draining_) return;
  auto* const call = new UnaryCall<Server, Request, Response>(*this, wait);
  call->accept(service_, *queue_);
}

void Server::accepted(Session& session) {
  ++streams_;
  if (draining_) return session.end(gone(), false);
  await_session();
}

void Server::accepted(BookStream& stream) {
  ++streams_;
  if (draining_) return stream.end(gone());
  await_book_stream();
}

std::optional<Status> Server::take_over(Session& session, const engine::v1::Hello& hello) {
  if (hello.epoch() < epoch_ || (hello.epoch() == epoch_ && hello.relay() != relay_)) {
    return Status(StatusCode::FAILED_PRECONDITION, "epoch " + std::to_string(hello.epoch()) + " of relay " +
                                                       hello.relay() + " is fenced: relay " + relay_ + " had epoch " +
                                                       std::to_string(epoch_));
  }
  Session* const before = std::exchange(active_, &session);
  epoch_ = hello.epoch();
  relay_ = hello.relay();
  if (before != nullptr) {
    before->end(Status(StatusCode::ABORTED, "another stream of epoch " + std::to_string(epoch_) + " took over"), false);
  }
  return std::nullopt;
}

void Server::applied() {
  if (!snapshots_.due(shard_.engine()) || draining_) return;
  snapshots_.start(shard_.engine(), shard_.last_applied());
  await_snapshot();
}

void Server::await_snapshot() {
  if (!snapshots_.busy() || draining_) return;
  snapshot_poll_.Set(queue_.get(), system_clock::now() + kSnapshotPoll, &snapshot_poll_done_);
}

void Server::on_snapshot_poll(bool) {
  snapshots_.poll(shard_.last_published());
  await_snapshot();
}

void Server::ended(Session& session) {
  const bool was_accepted = session.was_accepted();
  if (active_ == &session) active_ = nullptr;
  sessions_.erase(&session);
  if (was_accepted) one_less();
  close_queue();
}

void Server::ended(BookStream& stream) {
  const bool was_accepted = stream.was_accepted();
  book_streams_.erase(&stream);
  if (was_accepted) one_less();
  close_queue();
}

void Server::one_less() {
  --streams_;
  if (draining_ && streams_ == 0) shut_down();
}

void Server::on_stop(bool) {
  draining_ = true;
  log::info("draining", {{"streams", std::to_string(streams_)}, {"last_applied", shard_.last_applied().text()}});
  set_health(false);
  confirm_timeout_.Set(queue_.get(), system_clock::now() + kConfirmGrace, &confirm_timeout_done_);
  drain_timeout_.Set(queue_.get(), system_clock::now() + kDrainGrace, &drain_timeout_done_);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    Session& session = *(it++)->second;  // end() may delete it
    if (session.was_accepted()) session.drain(gone());
  }
  for (auto it = book_streams_.begin(); it != book_streams_.end();) {
    BookStream& stream = *(it++)->second;
    if (stream.was_accepted()) stream.end(gone());
  }
  if (streams_ == 0) shut_down();
}

void Server::on_confirm_timeout(bool) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    Session& session = *(it++)->second;
    if (session.was_accepted()) session.end(gone(), true);
  }
}

void Server::on_drain_timeout(bool) { shut_down(); }

// Shutdown waits for calls to end, which the queue's thread has to see to: it needs a thread of its own.
void Server::shut_down() {
  if (shutdown_.joinable()) return;
  confirm_timeout_.Cancel();
  drain_timeout_.Cancel();
  shutdown_ = std::thread([this] {
    server_->Shutdown(system_clock::now() + kShutdownGrace);
    server_down_.Set(queue_.get(), system_clock::now(), &server_down_done_);
  });
}

void Server::on_server_down(bool) {
  down_ = true;
  close_queue();
}

// Only when no stream can start another operation.
void Server::close_queue() {
  if (down_ && sessions_.empty() && book_streams_.empty()) queue_->Shutdown();
}

void Server::set_health(bool serving) {
  grpc::HealthCheckServiceInterface& health = *server_->GetHealthCheckService();
  health.SetServingStatus(serving);
  health.SetServingStatus(kServiceName, serving);
}

Status Server::answer(const engine::v1::GetStatusRequest& request, engine::v1::GetStatusResponse& response) const {
  const core::Counters& counters = shard_.engine().counters();
  response.set_engine_version(ORDERGATE_ENGINE_VERSION);
  response.set_instance(instance_);
  response.set_shard(shard_.number());
  to_proto(shard_.last_applied(), response.mutable_last_applied());
  to_proto(shard_.last_published(), response.mutable_last_published());
  response.set_epoch(epoch_);
  response.set_commands(counters.commands);
  response.set_events(counters.events);
  response.set_trades(counters.trades);
  response.set_open_orders(shard_.engine().open_orders());
  response.set_unpublished_frames(static_cast<std::uint32_t>(shard_.held().size()));
  response.set_instruments_digest(shard_.digest());
  to_proto(snapshots_.last(), response.mutable_last_snapshot());
  response.set_next_expiry_ns(static_cast<std::uint64_t>(shard_.engine().next_expiry().value));
  if (request.state_hash()) response.set_state_hash(shard_.engine().state_hash());
  return Status::OK;
}

}  // namespace ordergate::rpc
