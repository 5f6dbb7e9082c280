// Rows of one table, as Postgres' COPY takes them in its binary format.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ordergate::rows {

class Copy {
 public:
  // A new row; so many columns must follow.
  void row(std::int16_t columns) {
    if (rows_++ == 0) out_.append(std::string_view("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19));
    put(columns);
  }
  void null() { put(std::int32_t{-1}); }
  void smallint(std::uint64_t value) { column(static_cast<std::int16_t>(value)); }
  void integer(std::uint64_t value) { column(static_cast<std::int32_t>(value)); }
  void bigint(std::int64_t value) { column(value); }
  void boolean(bool value) { text(value ? std::string_view("\1", 1) : std::string_view("\0", 1)); }
  // text, bytea, uuid: their bytes.
  void text(std::string_view bytes) {
    put(static_cast<std::int32_t>(bytes.size()));
    out_.append(bytes);
  }
  // timestamptz counts microseconds since 2000, here since 1970.
  void time(std::int64_t us) { column(us - 946'684'800'000'000); }
  // A whole number in decimal digits. REQUIRES: nothing but digits.
  void numeric(std::string_view digits);

  std::size_t rows() const { return rows_; }
  // All of it. Call once.
  std::string_view finish() {
    if (rows_ != 0) put(std::int16_t{-1});
    return out_;
  }

 private:
  static std::int16_t swapped(std::int16_t value) {
    return static_cast<std::int16_t>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  }
  static std::int32_t swapped(std::int32_t value) {
    return static_cast<std::int32_t>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  }
  static std::int64_t swapped(std::int64_t value) {
    return static_cast<std::int64_t>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  }
  template <class Integer>
  void put(Integer value) {
    value = swapped(value);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof bytes);
  }
  template <class Integer>
  void column(Integer value) {
    const std::int32_t size = swapped(static_cast<std::int32_t>(sizeof value));
    value = swapped(value);
    char bytes[sizeof size + sizeof value];
    std::memcpy(bytes, &size, sizeof size);
    std::memcpy(bytes + sizeof size, &value, sizeof value);
    out_.append(bytes, sizeof bytes);
  }

  std::string out_;
  std::size_t rows_ = 0;
};

}  // namespace ordergate::rows
