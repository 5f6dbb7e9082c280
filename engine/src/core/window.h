// The commands whose repeat is recognised.
#pragma once

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

// Remembers the last commands, by count and age, in buckets of one cache line: to look a command up and to remember it
// touches one line, and to forget it none: what is too old counts as free. A key is told by 64 bits of it beside those
// that choose its bucket.
class Window {
 public:
  // REQUIRES: 1 <= commands <= 2^26.
  Window(std::uint32_t commands, Time age);

  // Digest of the content under the key, if it is remembered.
  struct Found {
    bool known;
    std::uint32_t content;
  };
  Found find(const OrderId& id) const {
    const Bucket& bucket = buckets_[bucket_of(id)];
    for (const Slot& slot : bucket.slots) {
      if (slot.tag == id.second && live(slot.seq)) return {true, slot.content};
    }
    if ((bucket.slots[0].seq & kCrowded) != 0) [[unlikely]]
      return find_crowded(id);
    return {false, 0};
  }

  // REQUIRES: !find(id).known.
  void remember(const OrderId& id, std::uint32_t content) {
    ++last_;
    if (span_ < window_) ++span_;
    Bucket& bucket = buckets_[bucket_of(id)];
    // Which of them is free can't be foretold: no branches.
    unsigned free = 0;
    for (unsigned i = 0; i < 4; ++i) free |= static_cast<unsigned>(!live(bucket.slots[i].seq)) << i;
    if (free == 0) [[unlikely]]
      return crowd(id, content);
    Slot& slot = bucket.slots[std::countr_zero(free)];
    slot.tag = id.second;
    slot.content = content;
    slot.seq = (slot.seq & kCrowded) | (last_ & kSeqMask);
  }

  void prefetch(const OrderId& id) const { __builtin_prefetch(&buckets_[bucket_of(id)], 1); }

  // Forgets what is older than the age at `now`; what comes is of this time.
  void advance(Time now);

  void save(StateWriter& out) const;
  // REQUIRES: a window of the same size that remembers nothing.
  void load(StateReader& in);

  // Adds all that is remembered, whatever bucket it lies in.
  void add_to(StateHash& hash) const;

 private:
  static constexpr std::uint32_t kCrowded = 0x8000'0000u;  // in seq of a bucket's first slot
  static constexpr std::uint32_t kSeqMask = 0x7FFF'FFFFu;
  // The numbers of commands come round after 2^31. Before a slot's can, it is set back to this age: once in so many
  // commands all slots are walked through (64 MB at the default size). REQUIRES: more than the largest window.
  static constexpr std::uint32_t kForgetEvery = 1u << 29;
  static constexpr std::uint32_t kOldAge = 1u << 30;

  // 16 bytes, so that four of them are a cache line.
  struct Slot {
    std::uint64_t tag;
    std::uint32_t content;
    std::uint32_t seq;
  };
  struct alignas(64) Bucket {
    Slot slots[4];
  };
  struct Since {
    std::uint32_t seq;  // the commands after it
    Time time;          // came at this time
  };

  std::size_t bucket_of(const OrderId& id) const { return static_cast<std::size_t>(id.first * kSpread >> shift_); }
  bool live(std::uint32_t seq) const { return ((last_ - seq) & kSeqMask) < span_; }
  Found find_crowded(const OrderId& id) const;
  void crowd(const OrderId& id, std::uint32_t content);
  void sweep();
  void forget_old();
  void put_back(std::size_t bucket, Slot slot);

  static constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15u;

  std::uint32_t window_;
  Time age_;
  unsigned shift_;
  std::size_t bucket_count_;
  Block<Bucket> buckets_;
  std::uint32_t last_ = 0;  // number of the last command, modulo 2^31
  std::uint32_t span_ = 0;  // how many of the last ones are remembered
  std::uint32_t forgot_at_ = 0;  // last_ when the slots were walked through
  std::deque<Since> since_;
  // What found its bucket full, by bucket; few.
  std::unordered_map<std::size_t, std::vector<Slot>> crowded_;
  std::size_t crowd_ = 0;  // how many these are
  std::size_t sweep_at_ = 1024;
};

}  // namespace ordergate::core
