#include "snapshot/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/state_io.h"
#include "instruments/sha256.h"
#include "snapshot/crc32c.h"

namespace ordergate::snapshot {
namespace {

// The file is a head, the state, and a tail; numbers are little-endian.
constexpr std::size_t kDigestBytes = 64;
constexpr std::size_t kHashBytes = 32;

struct Head {
  char magic[8];
  std::uint32_t format;
  std::uint32_t shard;
  char config_digest[kDigestBytes];
  std::uint64_t frame_ms;
  std::uint64_t frame_seq;
};
static_assert(sizeof(Head) == 96);

struct Tail {
  char state_hash[kHashBytes];
  std::uint32_t crc;  // of all before
};
static_assert(sizeof(Tail) == 36);

constexpr std::string_view kMagic = "ordgsnap";

template <class T>
std::span<const char> bytes_of(const T& value, std::size_t size = sizeof(T)) {
  return {reinterpret_cast<const char*>(&value), size};
}

int write_all(int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

// After the first error nothing more is written.
class FileWriter final : public core::StateWriter {
 public:
  explicit FileWriter(int fd) : fd_(fd) {}

  void write(std::span<const char> bytes) override {
    if (error_ != 0) return;
    crc_ = crc32c(bytes, crc_);
    error_ = write_all(fd_, bytes);
  }

  int error() const { return error_; }
  std::uint32_t crc() const { return crc_; }

 private:
  int fd_;
  int error_ = 0;
  std::uint32_t crc_ = 0;
};

Head head_of(const Stamp& stamp) {
  Head head{.magic = {},
            .format = kFormat,
            .shard = stamp.shard,
            .config_digest = {},
            .frame_ms = stamp.frame.ms,
            .frame_seq = stamp.frame.seq};
  kMagic.copy(head.magic, sizeof head.magic);
  stamp.config_digest.copy(head.config_digest, sizeof head.config_digest);
  return head;
}

// Sets file.bytes and file.size.
int read_bytes(const std::string& path, File& file) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  struct stat found{};
  int error = ::fstat(fd, &found) != 0 ? errno : 0;
  if (error == 0) {
    file.size = static_cast<std::size_t>(found.st_size);
    file.bytes = core::make_small_block<char>(file.size + 1);
  }
  for (std::size_t at = 0; error == 0 && at < file.size;) {
    const ssize_t got = ::read(fd, file.bytes.get() + at, file.size - at);
    if (got > 0) {
      at += static_cast<std::size_t>(got);
    } else if (got == 0) {
      file.size = at;
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  ::close(fd);
  return error;
}

// Damage comes first: a damaged head tells nothing.
std::string fault_of(std::span<const char> bytes, const Head& head, const Tail& tail, const Stamp& expected) {
  if (kMagic != std::string_view(head.magic, sizeof head.magic)) return "it is no snapshot";
  if (head.format != kFormat) {
    return "its format is " + std::to_string(head.format) + ", this engine reads " + std::to_string(kFormat);
  }
  if (crc32c(bytes.first(bytes.size() - sizeof tail.crc)) != tail.crc) return "it is damaged: its CRC does not fit";
  if (head.shard != expected.shard) {
    return "it is of shard " + std::to_string(head.shard) + ", this engine of " + std::to_string(expected.shard);
  }
  const std::string_view digest(head.config_digest, sizeof head.config_digest);
  if (digest != expected.config_digest) {
    return "it is of another configuration (instruments, or an option of the core): " + std::string(digest) +
           ", this engine's is " + expected.config_digest;
  }
  return {};
}

}  // namespace

std::string config_digest(std::string_view instruments_digest, std::uint32_t shard, const core::EngineConfig& config) {
  std::string text = "instruments " + std::string(instruments_digest);
  const auto add = [&text](const char* name, auto value) { text += std::string(name) + std::to_string(value); };
  add("\nshard ", shard);
  add("\nopen_orders_max ", config.open_orders_max);
  add("\nended_orders ", config.ended_orders);
  add("\nids_window ", config.ids_window);
  add("\nids_age ", config.ids_age.value);
  return instruments::sha256_hex(text);
}

int write_file(int fd, const Stamp& stamp, const core::Engine& engine) {
  FileWriter out(fd);
  out.write(bytes_of(head_of(stamp)));
  engine.save(out);
  if (out.error() != 0) return out.error();
  Tail tail{};
  engine.state_hash().copy(tail.state_hash, sizeof tail.state_hash);
  tail.crc = crc32c(bytes_of(tail.state_hash), out.crc());
  if (const int error = write_all(fd, bytes_of(tail))) return error;
  return ::fsync(fd) != 0 ? errno : 0;
}

File read_file(const std::string& path, const Stamp& expected) {
  File file;
  if (const int error = read_bytes(path, file)) {
    file.error = std::string("it can't be read: ") + std::strerror(error);
    return file;
  }
  const std::span<const char> bytes(file.bytes.get(), file.size);
  if (bytes.size() < sizeof(Head) + sizeof(Tail)) {
    file.error = "it is cut short";
    return file;
  }
  Head head;
  Tail tail;
  std::memcpy(&head, bytes.data(), sizeof head);
  std::memcpy(&tail, bytes.last(sizeof tail).data(), sizeof tail);
  file.error = fault_of(bytes, head, tail, expected);
  file.frame = {head.frame_ms, head.frame_seq};
  file.state = bytes.subspan(sizeof head, bytes.size() - sizeof head - sizeof tail);
  file.state_hash = {bytes.last(sizeof tail).data(), kHashBytes};
  return file;
}

}  // namespace ordergate::snapshot
