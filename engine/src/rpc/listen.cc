#include "rpc/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace ordergate::rpc {
namespace {

constexpr std::string_view kUnix = "unix:";

std::string said(const std::string& path, int error) { return path + ": " + std::strerror(error); }

// 0 if somebody listens, or the error of connect.
int try_connect(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int failed = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = failed == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

}  // namespace

std::optional<std::string> prepare_address(const std::string& address) {
  if (!address.starts_with(kUnix)) return std::nullopt;
  const std::string path = address.substr(kUnix.size());
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof target.sun_path) {
    return "the path of a unix socket must have 1 to " + std::to_string(sizeof target.sun_path - 1) + " bytes";
  }
  std::memcpy(target.sun_path, path.data(), path.size());

  std::error_code error;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty() && !std::filesystem::create_directories(parent, error) && error) {
    return said(parent, error.value());
  }
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? std::nullopt : std::optional(said(path, errno));
  if (!S_ISSOCK(found.st_mode)) return path + " exists and is not a socket";
  const int refused = try_connect(target);
  if (refused == 0) return path + ": another process listens there";
  if (refused != ECONNREFUSED) return said(path, refused);
  if (::unlink(path.c_str()) != 0) return said(path, errno);
  return std::nullopt;
}

}  // namespace ordergate::rpc
