#include "snapshot/snapshots.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "log.h"

namespace ordergate::snapshot {
namespace {

// The child yields to the engine where both want the same processor.
constexpr int kChildNice = 10;

std::string seconds(std::chrono::steady_clock::duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", std::chrono::duration<double>(duration).count());
  return text;
}

std::string microseconds(std::chrono::steady_clock::duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

// What the parent has open, above all what it listens on and its lock of the directory, is not to outlive it.
void close_all_but(int fd) {
  const auto kept = static_cast<unsigned>(fd);
  if (kept > 3) ::close_range(3, kept - 1, 0);
  ::close_range(kept + 1, ~0u, 0);
}

}  // namespace

Snapshots::~Snapshots() { abandon(); }

void Snapshots::loaded(const core::Engine& engine, rpc::LogId frame) {
  last_ = frame;
  commands_ = engine.counters().commands;
}

void Snapshots::start(const core::Engine& engine, rpc::LogId frame) {
  commands_ = engine.counters().commands;
  if (directory_ == nullptr) return;
  stamp_.frame = frame;
  const int fd = open_temporary();
  if (fd < 0) return;
  const pid_t parent = ::getpid();
  began_ = Clock::now();
  child_ = ::fork();
  if (child_ == 0) write_in_child(fd, parent, engine);
  pause_ = Clock::now() - began_;
  const int error = errno;
  ::close(fd);
  if (child_ < 0) return fail(std::string("fork: ") + std::strerror(error));
  phase_ = Phase::kWriting;
}

// -1 if that failed, which is then told.
int Snapshots::open_temporary() {
  const int fd = ::open(directory_->temporary().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) fail(directory_->temporary() + ": " + std::strerror(errno));
  return fd;
}

void Snapshots::write_in_child(int fd, pid_t parent, const core::Engine& engine) const {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(ECHILD);
  close_all_but(fd);
  static_cast<void>(::nice(kChildNice));
  ::_exit(write_file(fd, stamp_, engine));
}

void Snapshots::poll(rpc::LogId published) {
  int status = 0;
  if (phase_ == Phase::kWriting && ::waitpid(child_, &status, WNOHANG) == child_) reap(status);
  if (phase_ == Phase::kWritten && published >= stamp_.frame) {
    phase_ = Phase::kNaming;
    naming_ = std::async(std::launch::async, [this] { return directory_->keep(stamp_.frame); });
  }
  if (phase_ == Phase::kNaming && naming_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    named(naming_.get());
  }
}

// The child has ended: its status is 0, or errno.
void Snapshots::reap(int status) {
  if (WIFSIGNALED(status)) return fail("the child was ended by signal " + std::to_string(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return fail(std::strerror(WEXITSTATUS(status)));
  written();
}

void Snapshots::written() {
  phase_ = Phase::kWritten;
  writing_ = Clock::now() - began_;
  struct stat found{};
  bytes_ = ::stat(directory_->temporary().c_str(), &found) == 0 ? found.st_size : 0;
}

void Snapshots::named(int error) {
  if (error != 0) return fail(std::strerror(error));
  phase_ = Phase::kIdle;
  last_ = stamp_.frame;
  log::info("snapshot", {{"frame", last_.text()},
                         {"bytes", std::to_string(bytes_)},
                         {"pause_us", microseconds(pause_)},
                         {"seconds", seconds(writing_)}});
}

void Snapshots::fail(const std::string& reason) {
  phase_ = Phase::kIdle;
  directory_->discard();
  log::error("snapshot_failed", {{"frame", stamp_.frame.text()}, {"reason", reason}, {"last_snapshot", last_.text()}});
}

void Snapshots::finish(const core::Engine& engine, rpc::LogId applied, rpc::LogId published) {
  if (directory_ == nullptr) return;
  settle(applied, published);
  if (applied <= last_) return;
  if (published < applied) {
    log::warning("no_last_snapshot", {{"reason", "the relay has not confirmed all events as published"},
                                      {"last_applied", applied.text()},
                                      {"last_published", published.text()},
                                      {"last_snapshot", last_.text()}});
    return;
  }
  stamp_.frame = applied;
  write_now(engine);
}

// Nothing is under way after it. What is written, and may have its name, gets it; a child is waited for unless a newer
// state can be written instead.
void Snapshots::settle(rpc::LogId applied, rpc::LogId published) {
  if (phase_ == Phase::kWriting) {
    if (stamp_.frame < applied && applied <= published) return abandon();
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    reap(status);
  }
  if (phase_ == Phase::kNaming) return named(naming_.get());
  if (phase_ != Phase::kWritten) return;
  if (stamp_.frame <= published) return named(directory_->keep(stamp_.frame));
  fail("its events are not confirmed as published");
}

void Snapshots::abandon() {
  if (phase_ == Phase::kIdle) return;
  if (phase_ == Phase::kWriting) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  if (phase_ == Phase::kNaming) naming_.wait();
  phase_ = Phase::kIdle;
  directory_->discard();
}

void Snapshots::write_now(const core::Engine& engine) {
  const int fd = open_temporary();
  if (fd < 0) return;
  began_ = Clock::now();
  const int error = write_file(fd, stamp_, engine);
  ::close(fd);
  if (error != 0) return fail(std::strerror(error));
  written();
  pause_ = writing_;
  named(directory_->keep(stamp_.frame));
}

}  // namespace ordergate::snapshot
