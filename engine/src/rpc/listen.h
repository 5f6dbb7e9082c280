// The address to listen at, made ready.
#pragma once

#include <optional>
#include <string>

namespace ordergate::rpc {

// For "unix:PATH": makes the directory, refuses a socket that somebody listens on, and removes a stale one, which gRPC
// would do without asking. Other addresses need nothing. Returns why it can't be used.
std::optional<std::string> prepare_address(const std::string& address);

}  // namespace ordergate::rpc
