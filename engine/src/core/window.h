// The commands whose repeat is recognised.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "core/memory.h"
#include "core/state_hash.h"
#include "core/types.h"

namespace ordergate::core {

class StateReader;
class StateWriter;

// Remembers the last commands, by count and age. Ids and contents stand in a ring, in the order in which they came; a
// table of 8 bytes for each says where. Its buckets are cache lines: to look a command up and to remember it touches
// one of them, and to forget it none, since what is too old counts as free.
class Window {
 public:
  // REQUIRES: 1 <= commands <= 2^26.
  Window(std::uint32_t commands, Time age);

  // Digest of the content under the id, if it is remembered.
  struct Found {
    bool known;
    std::uint32_t content;
  };
  [[gnu::always_inline]] Found find(const OrderId& id) const {
    const Bucket& bucket = buckets_[bucket_of(id)];
    for (unsigned places = equal(bucket.tags, id.tag()); places != 0; places &= places - 1) [[unlikely]] {
      const Found found = look_at(bucket.seqs[std::countr_zero(places)], id);
      if (found.known) return found;
    }
    if ((bucket.seqs[0] & kCrowded) != 0) [[unlikely]]
      return find_crowded(id);
    return {false, 0};
  }

  // REQUIRES: !find(id).known.
  [[gnu::always_inline]] void remember(const OrderId& id, std::uint32_t content) {
    ++last_;
    if (span_ < window_) ++span_;
    __builtin_prefetch(&ring_[(last_ + 16) & ring_mask_], 1);
    ring_[last_ & ring_mask_] = {id, content};
    const std::size_t at = bucket_of(id);
    Bucket& bucket = buckets_[at];
    const unsigned free = ~live(bucket.seqs) & 0xFFu;  // which of them is can't be foretold: no branches
    if (free == 0) [[unlikely]]
      return crowd(at);
    const int place = std::countr_zero(free);
    bucket.tags[place] = id.tag();
    bucket.seqs[place] = (bucket.seqs[place] & kCrowded) | (last_ & kSeqMask);
  }

  void prefetch(const OrderId& id) const { __builtin_prefetch(&buckets_[bucket_of(id)], 1); }

  // Forgets what is older than the age at `now`; what comes is of this time.
  void advance(Time now);

  void save(StateWriter& out) const;
  // REQUIRES: a window that remembers nothing.
  void load(StateReader& in);

  // Adds all that is remembered.
  void add_to(StateHash& hash) const;

 private:
  static constexpr std::size_t kPlaces = 8;
  static constexpr std::uint32_t kCrowded = 0x8000'0000u;  // in the first seq of a bucket
  static constexpr std::uint32_t kSeqMask = 0x7FFF'FFFFu;

  struct Entry {
    OrderId id;
    std::uint32_t content;
  };
  struct alignas(64) Bucket {
    std::uint32_t tags[kPlaces];
    std::uint32_t seqs[kPlaces];
  };
  struct Since {
    std::uint32_t seq;  // the commands after it
    Time time;          // came at this time
  };

  std::size_t bucket_of(const OrderId& id) const { return static_cast<std::size_t>(id.place() >> shift_); }

  // A number of a command is told from those 2^31 before it by the ring alone; that one which is long forgotten looks
  // as if it were not takes a place for a while, and does no other harm.
  bool live(std::uint32_t seq) const { return ((last_ - seq) & kSeqMask) < span_; }
  Found look_at(std::uint32_t seq, const OrderId& id) const {
    if (!live(seq)) return {false, 0};
    const Entry& entry = ring_[seq & ring_mask_];
    return {entry.id == id, entry.content};
  }

#ifdef __SSE2__
  // Bit n: what holds of the n-th of them.
  static unsigned bits(__m128i low, __m128i high) {
    return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(low)) | _mm_movemask_ps(_mm_castsi128_ps(high)) << 4);
  }
  static __m128i half(const std::uint32_t* at) { return _mm_load_si128(reinterpret_cast<const __m128i*>(at)); }
  static unsigned equal(const std::uint32_t (&tags)[kPlaces], std::uint32_t tag) {
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(tag));
    return bits(_mm_cmpeq_epi32(half(tags), wanted), _mm_cmpeq_epi32(half(tags + 4), wanted));
  }
  unsigned live(const std::uint32_t (&seqs)[kPlaces]) const {
    const __m128i last = _mm_set1_epi32(static_cast<int>(last_));
    const __m128i mask = _mm_set1_epi32(static_cast<int>(kSeqMask));
    const __m128i span = _mm_set1_epi32(static_cast<int>(span_));
    const auto young = [&](__m128i seq) {
      return _mm_cmplt_epi32(_mm_and_si128(_mm_sub_epi32(last, seq), mask), span);
    };
    return bits(young(half(seqs)), young(half(seqs + 4)));
  }
#else
  static unsigned equal(const std::uint32_t (&tags)[kPlaces], std::uint32_t tag) {
    unsigned found = 0;
    for (std::size_t i = 0; i < kPlaces; ++i) found |= static_cast<unsigned>(tags[i] == tag) << i;
    return found;
  }
  unsigned live(const std::uint32_t (&seqs)[kPlaces]) const {
    unsigned found = 0;
    for (std::size_t i = 0; i < kPlaces; ++i) found |= static_cast<unsigned>(live(seqs[i])) << i;
    return found;
  }
#endif

  // The times of what is remembered: each with how many of the last commands came then or later.
  template <class Act>
  void each_time(const Act& act) const;
  Found find_crowded(const OrderId& id) const;
  void crowd(std::size_t bucket);
  void sweep();

  std::uint32_t window_;
  Time age_;
  std::size_t bucket_count_;
  unsigned shift_;
  std::uint32_t ring_mask_;
  Block<Bucket> buckets_;
  Block<Entry> ring_;
  std::uint32_t last_ = 0;  // number of the last command, modulo 2^32
  std::uint32_t span_ = 0;  // how many of the last ones are remembered
  std::deque<Since> since_;
  // Numbers of those that found their bucket full, by bucket; few.
  std::unordered_map<std::size_t, std::vector<std::uint32_t>> crowded_;
  std::size_t crowd_ = 0;  // how many these are
  std::size_t sweep_at_ = 1024;
};

}  // namespace ordergate::core
