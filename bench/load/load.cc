#include "load.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <stdexcept>

namespace ordergate::load {
namespace {

constexpr int kConnectSeconds = 10;
constexpr double kOpenSeconds = 30;
constexpr double kCloseSeconds = 10;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr int kLookMs = 5;  // how often the end is looked for

std::int64_t ns_of(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }
double s_of(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

Cpu cpu_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

}  // namespace

Load::Load(Options options) : options_(std::move(options)), peer_(options_.address, options_.token, options_.streams) {
  answers_ = std::thread([this] {
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) static_cast<Operation*>(tag)->done(ok);
  });
}

Load::~Load() {
  pacer_.reset();
  for (const auto& sender : senders_) sender->stop(), sender->cancel();
  wait(&Sender::ended, kCloseSeconds);
  queue_.Shutdown();
  answers_.join();
}

void Load::run() {
  open();
  send();
  drain();
  end();
}

void Load::open() {
  peer_.connect(kConnectSeconds);
  if (options_.accounts.empty() && !options_.echo && options_.rpc != Rpc::kHealth) options_.accounts = peer_.accounts();
  const auto make = options_.rpc == Rpc::kSession ? make_session : make_unary;
  for (std::size_t n = 0; n < options_.streams; ++n) senders_.push_back(make(options_, peer_, queue_, tally_, n));
  for (const auto& sender : senders_) sender->open();
  if (!wait(&Sender::ready, kOpenSeconds)) {
    const auto errors = tally_.errors();
    throw std::runtime_error(errors.empty() ? "the streams do not open: the server does not answer"
                                            : errors.begin()->first);
  }
}

void Load::send() {
  began_ns_ = said_ns_ = now_ns();
  const std::int64_t from = began_ns_ + ns_of(options_.warmup_s);
  if (!options_.control) tally_.measure(from, from + ns_of(options_.seconds));
  if (options_.open_loop()) {
    pacer_ = std::make_unique<Pacer>(senders_, tally_, options_.frame, options_.rate, began_ns_);
  } else {
    for (const auto& sender : senders_) sender->start();
  }
  bool measuring = false;
  Cpu before;
  for (std::int64_t now = now_ns(); now < tally_.to_ns() && !any(&Sender::ended); now = now_ns()) {
    if (!measuring && now >= tally_.from_ns()) measuring = true, before = cpu_now();
    progress(now);
    options_.control ? control() : std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
  }
  const std::int64_t end = std::min(now_ns(), tally_.to_ns());
  if (!measuring) return;
  const Cpu after = cpu_now();
  cpu_ = {after.user_s - before.user_s, after.system_s - before.system_s};
  measured_s_ = s_of(end - tally_.from_ns());
}

void Load::drain() {
  pacer_.reset();
  const std::int64_t start = now_ns();
  for (const auto& sender : senders_) sender->stop();
  const std::int64_t until = start + ns_of(options_.drain_s);
  while (!all(&Sender::settled) && now_ns() < until) {
    progress(now_ns());
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
  }
  drained_s_ = s_of(now_ns() - start);
  said_ns_ -= kSecond;  // whoever follows the progress is to see its end
  progress(now_ns());
  tally_.error("no answer", tally_.sent - tally_.acked - tally_.refused);
  if (options_.has_events() && tally_.acked > tally_.told) tally_.error("no event", tally_.acked - tally_.told);
}

void Load::end() {
  for (const auto& sender : senders_) sender->close();
  if (!wait(&Sender::ended, kCloseSeconds)) tally_.error("stream did not end when the client had closed it");
}

void Load::progress(std::int64_t now) {
  if (now - said_ns_ < kSecond || options_.progress == Progress::kNone) return;
  const std::uint64_t acked = tally_.acked, events = tally_.events, sent = tally_.sent;
  const std::uint64_t errors = tally_.error_count, told = tally_.told;
  if (options_.progress == Progress::kJson) {
    std::fprintf(stderr,
                 "{\"t\": %.3f, \"rate\": %.0f, \"sent\": %lu, \"orders\": %lu, \"acked\": %lu, \"told\": %lu, "
                 "\"events\": %lu, \"errors\": %lu, \"measuring\": %s}\n",
                 s_of(now - began_ns_), pacer_ ? pacer_->rate() : 0, sent, tally_.orders.load(), acked, told, events,
                 errors, tally_.within(now) ? "true" : "false");
  } else {
    const double seconds = s_of(now - said_ns_);
    std::fprintf(stderr, "%6.1f s   sent %-10lu acked/s %-8.0f unacked %-8lu events/s %-8.0f errors %lu\n",
                 s_of(now - began_ns_), sent, static_cast<double>(acked - said_acked_) / seconds, sent - acked,
                 static_cast<double>(events - said_events_) / seconds, errors);
  }
  said_ns_ = now;
  said_acked_ = acked;
  said_events_ = events;
}

// Obeys the lines that have come on the standard input; its end is one too.
void Load::control() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, kLookMs) <= 0) return;
  char bytes[256];
  const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count <= 0) return obey("stop");
  input_.append(bytes, static_cast<std::size_t>(count));
  for (std::size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
    obey(input_.substr(0, end));
  }
}

void Load::obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  double number = -1;
  words >> verb >> number;
  const std::int64_t now = now_ns();
  if (verb == "rate" && number >= 0 && pacer_) {
    pacer_->set_rate(number);
  } else if (verb == "measure" && number > 0 && tally_.to_ns() > now + kSecond * 1'000'000) {
    tally_.measure(now, now + ns_of(number));
  } else if (verb == "stop") {
    tally_.measure(std::min(tally_.from_ns(), now), now);
  } else if (!verb.empty()) {
    std::fprintf(stderr, "ordergate-load: not understood: %s\n", line.c_str());
  }
}

bool Load::all(bool (Sender::*state)() const) const {
  return std::ranges::all_of(senders_, [&](const auto& sender) { return ((*sender).*state)(); });
}

bool Load::any(bool (Sender::*state)() const) const {
  return std::ranges::any_of(senders_, [&](const auto& sender) { return ((*sender).*state)(); });
}

bool Load::wait(bool (Sender::*state)() const, double seconds) {
  const std::int64_t until = now_ns() + ns_of(seconds);
  while (!all(state)) {
    if (now_ns() > until) return false;
    if (state == &Sender::ready && options_.rpc == Rpc::kSession && any(&Sender::ended)) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
  }
  return true;
}

}  // namespace ordergate::load
