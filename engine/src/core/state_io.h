// The state as bytes: a row of numbers and texts, little-endian.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "core/types.h"

namespace ordergate::core {

// Takes the bytes of a state, in pieces.
class StateWriter {
 public:
  virtual ~StateWriter() = default;

  template <class T>
  void put(T value) {
    static_assert(std::is_integral_v<T> || std::is_enum_v<T> || sizeof(T) == 16);
    if (sizeof value > sizeof buffer_ - used_) flush();
    std::memcpy(buffer_ + used_, &value, sizeof value);
    used_ += sizeof value;
  }
  template <class Tag, class Rep>
  void put(Strong<Tag, Rep> strong) {
    put(strong.value);
  }
  // REQUIRES: at most 65,535 bytes.
  void put(std::string_view text) {
    put(static_cast<std::uint16_t>(text.size()));
    if (text.size() > sizeof buffer_ - used_) flush();
    std::memcpy(buffer_ + used_, text.data(), text.size());
    used_ += text.size();
  }
  // Everything that was put has reached `write`.
  void flush() {
    write({buffer_, used_});
    used_ = 0;
  }

 protected:
  virtual void write(std::span<const char> bytes) = 0;

 private:
  char buffer_[1 << 16];
  std::size_t used_ = 0;
};

// Reads what a StateWriter wrote. A failed read leaves ok() false for good, and yields zeros.
class StateReader {
 public:
  explicit StateReader(std::span<const char> bytes) : bytes_(bytes) {}

  template <class T>
  T get() {
    T value{};
    if (bytes_.size() < sizeof value) {
      fail();
    } else {
      std::memcpy(&value, bytes_.data(), sizeof value);
      bytes_ = bytes_.subspan(sizeof value);
    }
    return value;
  }
  bool flag() {
    const auto value = get<std::uint8_t>();
    require(value <= 1);
    return ok() && value == 1;
  }
  // An enumerator from `least` to `most`.
  template <class Enum>
  Enum get_enum(Enum least, Enum most) {
    const auto value = get<Enum>();
    if (value >= least && value <= most) return value;
    fail();
    return least;
  }
  std::string_view text(std::size_t size_max) {
    const auto size = get<std::uint16_t>();
    if (size > size_max || size > bytes_.size()) {
      fail();
      return {};
    }
    const std::string_view text(bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return text;
  }

  // The content contradicts itself.
  void fail() {
    ok_ = false;
    bytes_ = {};
  }
  void require(bool good) {
    if (!good) fail();
  }
  bool ok() const { return ok_; }
  bool done() const { return bytes_.empty(); }

 private:
  std::span<const char> bytes_;
  bool ok_ = true;
};

}  // namespace ordergate::core
