// SHA-256, for digests of configurations.
#pragma once

#include <string>
#include <string_view>

namespace ordergate::instruments {

// 64 hex digits, lower case.
std::string sha256_hex(std::string_view text);

}  // namespace ordergate::instruments
