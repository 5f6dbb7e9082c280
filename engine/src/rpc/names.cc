#include "rpc/names.h"

#include <algorithm>

#include "core/order.h"

namespace ordergate::rpc {
namespace {

constexpr std::size_t kNameMax = 256;

// Length of the UTF-8 sequence at `text`, 0 if it is not one (RFC 3629: no overlong form, surrogate, or above
// U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

}  // namespace

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kNameMax) return false;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7F) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_label(std::string_view text) { return text.size() <= core::kCommandIdMax && is_printable(text); }

}  // namespace ordergate::rpc
