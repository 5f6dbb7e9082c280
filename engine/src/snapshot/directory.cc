#include "snapshot/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

namespace ordergate::snapshot {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".snapshot";
constexpr int kDigits = 20;  // of the largest 64-bit number
constexpr auto kLockWait = std::chrono::seconds(3);
constexpr auto kLockPoll = std::chrono::milliseconds(20);

bool lock(int fd) {
  const auto until = std::chrono::steady_clock::now() + kLockWait;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kLockPoll);
  }
  return true;
}

int sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  return error;
}

// Takes a number of kDigits off the front.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  if (text.size() < kDigits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + kDigits, number);
  if (error != std::errc() || end != text.data() + kDigits) return std::nullopt;
  text.remove_prefix(kDigits);
  return number;
}

// The frame in a name of this shard's.
std::optional<rpc::LogId> frame_in(std::string_view name, std::uint32_t shard) {
  const std::string prefix = std::to_string(shard) + "-";
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  const auto ms = take_number(name);
  if (!ms || !name.starts_with("-")) return std::nullopt;
  name.remove_prefix(1);
  const auto seq = take_number(name);
  if (!seq || name != kSuffix) return std::nullopt;
  return rpc::LogId{*ms, *seq};
}

}  // namespace

Directory::~Directory() {
  if (lock_ >= 0) ::close(lock_);
}

std::optional<std::string> Directory::open() {
  std::error_code error;
  const bool made = fs::create_directories(path_, error);
  if (error) return path_ + " can't be made: " + error.message();
  if (made) fs::permissions(path_, fs::perms::owner_all, error);
  const std::string file = path_ + "/" + std::to_string(shard_) + ".lock";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return file + " can't be opened: " + std::strerror(errno);
  if (!lock(lock_)) return path_ + " is in use by another engine of shard " + std::to_string(shard_);
  discard();
  return std::nullopt;
}

std::vector<Directory::Snapshot> Directory::snapshots() const {
  std::vector<Snapshot> found;
  std::error_code error;
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    const auto frame = frame_in(entry->path().filename().native(), shard_);
    if (frame) found.push_back({*frame, entry->path().native()});
  }
  std::ranges::sort(found, std::ranges::greater(), &Snapshot::frame);
  return found;
}

void Directory::discard() const { ::unlink(temporary().c_str()); }

int Directory::keep(rpc::LogId frame) const {
  if (::rename(temporary().c_str(), path_of(frame).c_str()) != 0) return errno;
  if (const int error = sync_directory(path_)) return error;
  std::size_t kept = 0;
  for (const Snapshot& snapshot : snapshots()) {
    if (snapshot.frame <= frame && ++kept > kKept) ::unlink(snapshot.path.c_str());
  }
  return 0;
}

std::string Directory::path_of(rpc::LogId frame) const {
  char name[80];
  std::snprintf(name, sizeof name, "/%u-%0*llu-%0*llu", shard_, kDigits, static_cast<unsigned long long>(frame.ms),
                kDigits, static_cast<unsigned long long>(frame.seq));
  return path_ + name + std::string(kSuffix);
}

}  // namespace ordergate::snapshot
