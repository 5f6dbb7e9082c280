// The protobuf wire format, as far as the log's frames need it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ordergate::rows {

// Fields of a message, one after the other. A reader that meets what it does
// not understand fails, and stays failed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The next field; false at the end, and after a failure.
  bool next() {
    if (failed_ || at_ == end_) return false;
    const std::uint64_t tag = take_varint();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    type_ = static_cast<unsigned>(tag & 7);
    if (failed_ || tag > 0xFFFF || field_ == 0) return fail();
    if (type_ == kVarint) {
      number_ = take_varint();
    } else if (type_ == kFixed64 && end_ - at_ >= 8) {
      std::memcpy(&number_, at_,
                  sizeof number_);  // little-endian, as this machine is
      at_ += sizeof number_;
    } else if (type_ == kBytes) {
      const std::uint64_t size = take_varint();
      if (failed_ || size > static_cast<std::uint64_t>(end_ - at_)) return fail();
      bytes_ = {at_, static_cast<std::size_t>(size)};
      at_ += size;
    } else {
      return fail();
    }
    return !failed_;
  }

  std::uint32_t field() const { return field_; }
  bool failed() const { return failed_; }
  bool fail() {
    failed_ = true;
    return false;
  }

  // What the field holds; fails if it is of another kind, or above `max`.
  std::uint64_t number(std::uint64_t max = INT64_MAX) { return type_ == kVarint ? limited(max) : wrong(); }
  std::uint64_t fixed() { return type_ == kFixed64 ? limited(INT64_MAX) : wrong(); }
  std::string_view bytes() {
    if (type_ == kBytes) return bytes_;
    fail();
    return {};
  }
  // What is not ASCII is left to who knows what UTF-8 is.
  std::string_view text() {
    const std::string_view text = bytes();
    unsigned char all = 0;
    for (const char byte : text) all |= static_cast<unsigned char>(byte);
    if (all >= 0x80) fail();
    return text;
  }

  // Appends the numbers of a packed field, none above `max`.
  template <class Column>
  void numbers(Column& column, std::uint64_t max = INT64_MAX) {
    const std::string_view packed = bytes();
    Reader inner(packed);
    while (!inner.failed_ && inner.at_ != inner.end_) {
      inner.number_ = inner.take_varint();
      column.push_back(static_cast<typename Column::value_type>(inner.limited(max)));
    }
    if (inner.failed_) fail();
  }

 private:
  static constexpr unsigned kVarint = 0, kFixed64 = 1, kBytes = 2;

  std::uint64_t limited(std::uint64_t max) {
    if (number_ > max) fail();
    return number_;
  }
  std::uint64_t wrong() {
    fail();
    return 0;
  }
  std::uint64_t take_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return wrong();  // cut off, or a number above 2^63, which is none of ours
  }

  const char* at_;
  const char* end_;
  std::uint32_t field_ = 0;
  unsigned type_ = 0;
  bool failed_ = false;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace ordergate::rows
