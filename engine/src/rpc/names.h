// What texts of a command frame may be.
#pragma once

#include <string_view>

namespace ordergate::rpc {

// Printable ASCII without spaces.
bool is_printable(std::string_view text);

// A name of an account or a symbol: 1 to 256 bytes of UTF-8 without control characters, which neither protobuf nor
// Postgres would take. An event must stay below wire::Nested's limit.
bool is_name(std::string_view text);

// A tag, a session or a group: none, or up to 64 printable characters.
bool is_label(std::string_view text);

}  // namespace ordergate::rpc
