// BLAKE2b (RFC 7693) of short texts, 16 bytes of digest, no key: as
// hashlib.blake2b(data, digest_size=16).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ordergate::native {

using Key = std::array<unsigned char, 16>;

class Blake2b {
 public:
  static Key digest(std::string_view data) {
    Blake2b state;
    std::size_t done = 0;
    for (; data.size() - done > kBlock; done += kBlock) state.compress(data.data() + done, done + kBlock, false);
    char last[kBlock] = {};
    std::memcpy(last, data.data() + done, data.size() - done);
    state.compress(last, data.size(), true);
    Key key;
    std::memcpy(key.data(), state.h_.data(), key.size());
    return key;
  }

 private:
  static constexpr std::size_t kBlock = 128;
  using Words = std::array<std::uint64_t, 8>;
  static constexpr Words kStart = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                   0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
  static constexpr unsigned char kOrder[10][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

  Blake2b() { h_[0] ^= 0x01010000u ^ sizeof(Key); }

  void compress(const char* block, std::uint64_t total, bool last) {
    std::uint64_t m[16];
    std::memcpy(m, block, sizeof m);
    std::uint64_t v[16];
    for (int i = 0; i < 8; ++i) {
      v[i] = h_[static_cast<std::size_t>(i)];
      v[i + 8] = kStart[static_cast<std::size_t>(i)];
    }
    v[12] ^= total;
    if (last) v[14] = ~v[14];
    for (int round = 0; round < 12; ++round) {
      const unsigned char* s = kOrder[round % 10];
      for (int i = 0; i < 4; ++i) mix(v[i], v[4 + i], v[8 + i], v[12 + i], m[s[2 * i]], m[s[2 * i + 1]]);
      for (int i = 0; i < 4; ++i) {
        mix(v[i], v[4 + (i + 1) % 4], v[8 + (i + 2) % 4], v[12 + (i + 3) % 4], m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
      }
    }
    for (std::size_t i = 0; i < 8; ++i) h_[i] ^= v[i] ^ v[i + 8];
  }

  static void mix(std::uint64_t& a, std::uint64_t& b, std::uint64_t& c, std::uint64_t& d, std::uint64_t x,
                  std::uint64_t y) {
    a += b + x;
    d = std::rotr(d ^ a, 32);
    c += d;
    b = std::rotr(b ^ c, 24);
    a += b + y;
    d = std::rotr(d ^ a, 16);
    c += d;
    b = std::rotr(b ^ c, 63);
  }

  Words h_ = kStart;
};
static_assert(std::endian::native == std::endian::little);

}  // namespace ordergate::native
