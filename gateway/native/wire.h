// The protobuf wire format, as far as plain commands need it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ordergate::native {

// Fields of a message, one after the other. A reader that meets what it does
// not understand fails, and stays failed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The next field; false at the end, and after a failure. Only varints and
  // what has a length are understood.
  bool next() {
    if (failed_ || at_ == end_) return false;
    const std::uint64_t tag = take_varint();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    if (failed_ || tag > 0xFFFF || field_ == 0) return fail();
    if ((tag & 7) == 0) {
      has_text_ = false;
      number_ = take_varint();
      return !failed_;
    }
    if ((tag & 7) != 2) return fail();
    const std::uint64_t size = take_varint();
    if (failed_ || size > static_cast<std::uint64_t>(end_ - at_)) return fail();
    has_text_ = true;
    text_ = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }

  std::uint32_t field() const { return field_; }
  bool failed() const { return failed_; }

  // What the field holds; fails if it is of the other kind.
  std::string_view text() {
    if (!has_text_) fail();
    return has_text_ ? text_ : std::string_view();
  }
  std::uint64_t number() {
    if (has_text_) fail();
    return number_;
  }

  bool fail() {
    failed_ = true;
    return false;
  }

 private:
  std::uint64_t take_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail();  // cut off, or a number above 2^63, which is none of ours
    return 0;
  }

  const char* at_;
  const char* end_;
  std::uint32_t field_ = 0;
  bool failed_ = false;
  bool has_text_ = false;
  std::uint64_t number_ = 0;
  std::string_view text_;
};

inline void put_varint(std::string& out, std::uint64_t value) {
  for (; value > 0x7F; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
inline std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value > 0x7F; value >>= 7) ++size;
  return size;
}
inline void put_tag(std::string& out, std::uint32_t field, unsigned type) { put_varint(out, field << 3 | type); }
// An element of a repeated field: written even if it is empty.
inline void put_text(std::string& out, std::uint32_t field, std::string_view text) {
  put_tag(out, field, 2);
  put_varint(out, text.size());
  out.append(text);
}
inline void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  if (!bytes.empty()) put_text(out, field, bytes);
}
template <class Column>
void put_packed(std::string& out, std::uint32_t field, const Column& column) {
  if (column.empty()) return;
  std::size_t size = 0;
  for (const auto value : column) size += varint_size(static_cast<std::uint64_t>(value));
  put_tag(out, field, 2);
  put_varint(out, size);
  for (const auto value : column) put_varint(out, static_cast<std::uint64_t>(value));
}

}  // namespace ordergate::native
