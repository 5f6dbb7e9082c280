// When snapshots are taken, and how without holding up the engine.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <string>

#include "core/engine.h"
#include "rpc/log_id.h"
#include "snapshot/directory.h"
#include "snapshot/file.h"

namespace ordergate::snapshot {

// One snapshot at a time goes this way:
//
//   start ──▶ a forked child writes ──▶ written ──▶ its events are published ──▶ a thread names it and syncs ──▶ kept
//
// The fork is all that the engine's thread waits for: the child has the state as it was, and the kernel copies a page
// when the parent first changes it. A snapshot is given its name only when all events up to its frame are published:
// an engine that starts from it makes them no more. What fails is logged and tried again at the next interval.
//
// Not thread-safe: the thread of the server owns it.
class Snapshots {
 public:
  // `directory` is open, or nullptr: then none are ever taken. It must outlive this. One is due after `every` commands;
  // 0: never.
  Snapshots(Directory* directory, Stamp stamp, std::uint64_t every)
      : directory_(directory), stamp_(std::move(stamp)), every_(every) {}
  ~Snapshots();
  Snapshots(const Snapshots&) = delete;
  Snapshots& operator=(const Snapshots&) = delete;

  // The engine was loaded from the snapshot of this frame.
  void loaded(const core::Engine& engine, rpc::LogId frame);

  // After each frame: cheap.
  bool due(const core::Engine& engine) const {
    return every_ != 0 && phase_ == Phase::kIdle && engine.counters().commands - commands_ >= every_;
  }
  // Begins one of the state as it is. REQUIRES: due(), `frame` is the last one applied.
  void start(const core::Engine& engine, rpc::LogId frame);
  // Takes the one under way a step further; all events up to `published` are published. To be called now and then
  // while busy().
  void poll(rpc::LogId published);
  bool busy() const { return phase_ != Phase::kIdle; }

  // At the end: settles the one under way and, if frames were applied since the last one and all their events are
  // published, takes one more, waiting for it.
  void finish(const core::Engine& engine, rpc::LogId applied, rpc::LogId published);

  // Frame of the last one kept, or loaded.
  rpc::LogId last() const { return last_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { kIdle, kWriting, kWritten, kNaming };

  int open_temporary();
  [[noreturn]] void write_in_child(int fd, pid_t parent, const core::Engine& engine) const;
  void reap(int status);
  void written();
  void named(int error);
  void fail(const std::string& reason);
  void settle(rpc::LogId applied, rpc::LogId published);
  void abandon();
  void write_now(const core::Engine& engine);

  Directory* const directory_;
  Stamp stamp_;  // its frame is that of the snapshot under way
  const std::uint64_t every_;
  std::uint64_t commands_ = 0;  // when the last one was begun or loaded
  rpc::LogId last_;

  Phase phase_ = Phase::kIdle;
  pid_t child_ = 0;
  std::future<int> naming_;
  Clock::time_point began_;
  Clock::duration pause_{};    // of the engine's thread
  Clock::duration writing_{};  // until it was seen to be on disk
  std::int64_t bytes_ = 0;
};

}  // namespace ordergate::snapshot
