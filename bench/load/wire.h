// Reads the fields of a protobuf message in place. A response is only looked at where something is counted: parsing
// acks and events in full would make the load tool the bottleneck.
#pragma once

#include <cstdint>
#include <string_view>

namespace ordergate::load {

// A cursor over the fields of one message:
//
//   for (Fields fields(bytes); fields.next();) if (fields.number() == 3) use(fields.bytes());
class Fields {
 public:
  explicit Fields(std::string_view message) : at_(message.data()), end_(at_ + message.size()) {}

  // Goes to the next field; false at the end, or where the message is broken (see `broken`).
  bool next() {
    std::uint64_t tag = 0;
    if (at_ == end_) return false;
    if (!read(tag)) return fail();
    number_ = static_cast<std::uint32_t>(tag >> 3);
    bytes_ = {};
    switch (tag & 7) {
      case 0:
        return read(value_) || fail();
      case 1:
        return take(8) || fail();
      case 2:
        return (read(value_) && take(value_)) || fail();
      case 5:
        return take(4) || fail();
      default:
        return fail();
    }
  }

  std::uint32_t number() const { return number_; }
  // Value of a varint field.
  std::uint64_t value() const { return value_; }
  // Content of a field of text, bytes or a message.
  std::string_view bytes() const { return bytes_; }
  bool broken() const { return broken_; }

 private:
  bool read(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; at_ != end_ && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool take(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) return false;
    bytes_ = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }
  bool fail() {
    broken_ = true;
    at_ = end_;
    return false;
  }

  const char* at_;
  const char* end_;
  std::uint32_t number_ = 0;
  std::uint64_t value_ = 0;
  std::string_view bytes_;
  bool broken_ = false;
};

}  // namespace ordergate::load
