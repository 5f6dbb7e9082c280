// Unary calls on one connection: Submit or a health check.
#include <mutex>

#include "command_id.h"
#include "driver.h"

namespace ordergate::load {
namespace {

constexpr char kCommandTag = (1 << 3) | 2;  // of SubmitRequest

class Unary final : public Sender {
 public:
  Unary(const Options& options, Peer& peer, grpc::CompletionQueue& queue, Tally& tally, std::size_t number)
      : options_(options),
        peer_(peer),
        queue_(queue),
        tally_(tally),
        number_(number),
        flow_(options.flow, command_id(options.run, static_cast<unsigned>(number)),
              options.accounts.empty() ? "" : options.accounts[number % options.accounts.size()]) {}

  void open() override {}
  void offer(std::int64_t intended_ns) override {
    const std::scoped_lock lock(mutex_);
    if (!stopped_) call(intended_ns);
  }
  void start() override {
    const std::scoped_lock lock(mutex_);
    closed_loop_ = true;
    while (under_way_ < options_.window) call(now_ns());
  }
  void stop() override {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  bool settled() const override {
    const std::scoped_lock lock(mutex_);
    return under_way_ == 0;
  }
  void close() override {}
  void cancel() override {
    const std::scoped_lock lock(mutex_);
    for (Call* open = calls_; open != nullptr; open = open->next) open->context.TryCancel();
  }
  bool ready() const override { return true; }
  bool ended() const override {
    const std::scoped_lock lock(mutex_);
    return stopped_ && under_way_ == 0;
  }

 private:
  struct Call final : Operation {
    Call(Unary& unary, std::int64_t intended) : owner(unary), intended_ns(intended) {}
    void done(bool) override { owner.answered(this); }
    Unary& owner;
    const std::int64_t intended_ns;
    Call* previous = nullptr;
    Call* next = nullptr;
    Kind kind = Kind::kRest;
    grpc::ClientContext context;
    grpc::ByteBuffer response;
    grpc::Status status;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  };

  void call(std::int64_t intended_ns) {
    auto* made = new Call(*this, intended_ns);
    made->next = calls_;
    if (calls_ != nullptr) calls_->previous = made;
    calls_ = made;
    ++under_way_;
    bytes_.clear();
    const bool submit = options_.rpc == Rpc::kSubmit;
    if (submit) made->kind = flow_.append(bytes_, kCommandTag);
    ++tally_.sent;
    if (submit && made->kind != Kind::kCancel) ++tally_.orders;
    peer_.authorise(made->context);
    const char* method = submit ? kSubmit : kHealth;
    made->reader = peer_.stub(number_).PrepareUnaryCall(&made->context, method, buffer_of(bytes_), &queue_);
    made->reader->StartCall();
    made->reader->Finish(&made->response, &made->status, made);
  }

  void answered(Call* answered) {
    const std::unique_ptr<Call> call_done(answered);
    const std::int64_t now = now_ns();
    const std::scoped_lock lock(mutex_);
    (answered->previous != nullptr ? answered->previous->next : calls_) = answered->next;
    if (answered->next != nullptr) answered->next->previous = answered->previous;
    --under_way_;
    ++tally_.messages;
    if (answered->status.ok()) {
      took(*answered, now);
    } else {
      ++tally_.refused;
      tally_.error(reason_of(answered->status));
    }
    if (closed_loop_ && !stopped_) call(now_ns());
  }

  void took(const Call& call, std::int64_t now) {
    ++tally_.acked;
    tally_.time(tally_.ack, call.intended_ns, now);
    if (!tally_.within(now)) return;
    ++tally_.acked_within;
    if (call.kind != Kind::kCancel) ++tally_.acked_orders_within;
  }

  const Options& options_;
  Peer& peer_;
  grpc::CompletionQueue& queue_;
  Tally& tally_;
  const std::size_t number_;
  mutable std::mutex mutex_;  // guards what follows
  Flow flow_;
  std::string bytes_;
  Call* calls_ = nullptr;  // those under way
  std::size_t under_way_ = 0;
  bool closed_loop_ = false;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Sender> make_unary(const Options& options, Peer& peer, grpc::CompletionQueue& queue, Tally& tally,
                                   std::size_t number) {
  return std::make_unique<Unary>(options, peer, queue, tally, number);
}

}  // namespace ordergate::load
