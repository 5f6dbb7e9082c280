// CRC-32C (Castagnoli), as in RFC 3720.
#pragma once

#include <cstdint>
#include <span>

namespace ordergate::snapshot {

// CRC of bytes that follow those of `before` (0: none do). crc32c("123456789") is 0xE3069283.
std::uint32_t crc32c(std::span<const char> bytes, std::uint32_t before = 0);

}  // namespace ordergate::snapshot
