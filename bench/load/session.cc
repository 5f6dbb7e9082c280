// One Session stream: a read and at most one write under way, frames queued behind it.
#include <deque>
#include <mutex>

#include "answers.h"
#include "command_id.h"
#include "driver.h"
#include "ordergate/v1/order_entry_service.pb.h"

namespace ordergate::load {
namespace {

constexpr char kCommandsTag = (2 << 3) | 2;  // of SessionRequest

class Session final : public Sender {
 public:
  Session(const Options& options, Peer& peer, grpc::CompletionQueue& queue, Tally& tally, std::size_t number)
      : options_(options),
        tally_(tally),
        account_(options.accounts.empty() ? "" : options.accounts[number % options.accounts.size()]),
        flow_(options.flow, command_id(options.run, static_cast<unsigned>(number)), account_),
        sent_(options.frame),
        answers_(sent_, tally, flow_.id()) {
    peer.authorise(context_);
    call_ = peer.stub(number).PrepareCall(&context_, kSession, &queue);
  }

  void open() override { call_->StartCall(&started_); }
  void offer(std::int64_t intended_ns) override {
    const std::scoped_lock lock(mutex_);
    if (stopped_) return;
    waiting_.push_back(intended_ns);
    write_next();
  }
  void start() override {
    const std::scoped_lock lock(mutex_);
    closed_loop_ = true;
    fill_window();
  }
  void stop() override {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    tally_.unsent += waiting_.size() * options_.frame;
    waiting_.clear();
  }
  bool settled() const override {
    const std::scoped_lock lock(mutex_);
    return ended_ || (waiting_.empty() && !writing_ && under_way() == 0);
  }
  void close() override {
    const std::scoped_lock lock(mutex_);
    if (!ended_ && ready_ && !writing_) writing_ = true, call_->WritesDone(&closed_);
  }
  void cancel() override { context_.TryCancel(); }
  bool ready() const override {
    const std::scoped_lock lock(mutex_);
    return ready_;
  }
  bool ended() const override {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }

 private:
  // An operation on the call, and what follows it.
  template <void (Session::*then)(bool)>
  struct Step final : Operation {
    explicit Step(Session& owner) : session(owner) {}
    void done(bool ok) override { (session.*then)(ok); }
    Session& session;
  };

  void on_started(bool ok) {
    const std::scoped_lock lock(mutex_);
    if (!ok) return finish();
    call_->Read(&response_, &read_);
    if (options_.echo) {
      ready_ = true;
      return;
    }
    v1::SessionRequest request;
    v1::Hello& hello = *request.mutable_hello();
    if (!account_.empty()) hello.add_accounts(account_);
    hello.set_acks_only(options_.acks_only);
    hello.set_client("ordergate-load");
    writing_ = true;
    call_->Write(buffer_of(request.SerializeAsString()), &written_);
  }

  void on_written(bool ok) {
    const std::scoped_lock lock(mutex_);
    writing_ = false;
    if (!ok || ended_) return;  // the read fails as well, and ends it
    closed_loop_ ? fill_window() : write_next();
  }

  void on_read(bool ok) {
    const std::scoped_lock lock(mutex_);
    if (!ok) return finish();
    const std::int64_t now = now_ns();
    ++tally_.messages;
    if (options_.echo) {
      answers_.take_echo(options_.frame, now);
    } else {
      grpc::Slice copy;
      answers_.take(bytes_of(response_, copy), now);
      ready_ = true;  // the first response is the welcome
    }
    call_->Read(&response_, &read_);
    if (closed_loop_) fill_window();
  }

  void finish() {
    if (!finishing_) finishing_ = true, call_->Finish(&status_, &finished_);
  }

  void on_finished(bool) {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    if (!status_.ok()) {
      tally_.error("stream ended: " + reason_of(status_) + ": " + status_.error_message());
    } else if (!stopped_) {
      tally_.error("stream ended by the server");
    }
  }

  void on_closed(bool) {}

  // Commands sent and not answered, or (where events come) not told of yet.
  std::uint64_t under_way() const {
    const std::uint64_t unanswered = sent_.size() - answers_.answered();
    return options_.has_events() ? std::max(unanswered, sent_.size() - answers_.told()) : unanswered;
  }
  bool has_room() const {
    const std::uint64_t back = options_.until_told ? answers_.told() : answers_.answered();
    return sent_.size() - back + options_.frame <= options_.window;
  }
  void fill_window() {
    if (stopped_ || ended_ || finishing_ || writing_ || !waiting_.empty() || !has_room()) return;
    waiting_.push_back(now_ns());
    write_next();
  }
  void write_next() {
    if (writing_ || !ready_ || finishing_ || waiting_.empty()) return;
    sent_.begin_frame(waiting_.front());
    waiting_.pop_front();
    bytes_.clear();
    std::uint64_t orders = 0;
    for (std::size_t i = 0; i < options_.frame; ++i) {
      const Kind kind = flow_.append(bytes_, kCommandsTag);
      sent_.add(kind);
      orders += kind != Kind::kCancel;
    }
    tally_.sent += options_.frame;
    tally_.orders += orders;
    writing_ = true;
    call_->Write(buffer_of(bytes_), &written_);
  }

  const Options& options_;
  Tally& tally_;
  const std::string account_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  Step<&Session::on_started> started_{*this};
  Step<&Session::on_written> written_{*this};
  Step<&Session::on_read> read_{*this};
  Step<&Session::on_finished> finished_{*this};
  Step<&Session::on_closed> closed_{*this};

  mutable std::mutex mutex_;  // guards what follows: frames are offered by one thread, answers taken by another
  Flow flow_;
  Sent sent_;
  Answers answers_;
  std::deque<std::int64_t> waiting_;  // frames to send: when they were to be sent
  std::string bytes_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  bool closed_loop_ = false;
  bool ready_ = false;
  bool writing_ = false;
  bool stopped_ = false;
  bool finishing_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Sender> make_session(const Options& options, Peer& peer, grpc::CompletionQueue& queue, Tally& tally,
                                     std::size_t number) {
  return std::make_unique<Session>(options, peer, queue, tally, number);
}

}  // namespace ordergate::load
