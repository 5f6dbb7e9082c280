// The directory in which snapshots lie.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rpc/log_id.h"

namespace ordergate::snapshot {

// `<shard>-<ms>-<seq>.snapshot`, the frame's numbers with zeros in front, so that names sort as frames do. Several
// shards may share a directory; each sees only its own files.
class Directory {
 public:
  // One is enough as long as it is good; the second is for the day it is not.
  static constexpr std::size_t kKept = 2;

  struct Snapshot {
    rpc::LogId frame;
    std::string path;
  };

  Directory(std::string path, std::uint32_t shard) : path_(std::move(path)), shard_(shard) {}
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  // Makes the directory (its owner's alone), takes it for this process, and removes what an unclean end left half
  // written. Why it can't be used, or nothing. An engine that is just ending is waited for.
  std::optional<std::string> open();

  // Newest first.
  std::vector<Snapshot> snapshots() const;

  // Where the next one is to be written.
  std::string temporary() const { return path_ + "/" + std::to_string(shard_) + ".part"; }
  void discard() const;

  // Gives what is written at temporary() its name, for good, and removes all but the newest kKept up to this frame:
  // later ones are not of this log's life, and none of our business. Returns 0, or errno. May take as long as the disk
  // does.
  int keep(rpc::LogId frame) const;

 private:
  std::string path_of(rpc::LogId frame) const;

  const std::string path_;
  const std::uint32_t shard_;
  int lock_ = -1;
};

}  // namespace ordergate::snapshot
