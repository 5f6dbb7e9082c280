// Every order that is held: open ones, and those that have ended lately.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <vector>

#include "core/frame.h"
#include "core/memory.h"
#include "core/order.h"
#include "core/pool.h"
#include "core/types.h"

namespace ordergate::core {

// Records, their places in the book, and the table by which an id finds them. A record is used again when its order has
// ended, so many others have ended after it, and the frame in which it was forgotten is over (whoever reads that
// frame's events still needs it): in a busy book the same memory, still in the cache, serves one order after the other.
class Orders {
 public:
  Orders(std::uint32_t open_max, std::uint32_t ended_max, std::uint32_t frame_commands_max = kFrameCommandsMax);

  Order& operator[](std::uint32_t index) { return orders_[index]; }
  const Order& operator[](std::uint32_t index) const { return orders_[index]; }
  NodePool& nodes() { return nodes_; }
  const NodePool& nodes() const { return nodes_; }

  // The order with the id, or 0. `hint` is looked at first; only an open order can't have been forgotten since.
  std::uint32_t find(const OrderId& id, std::uint32_t hint = 0) const {
    if (hint != 0 && orders_[hint].id == id && is_live(orders_[hint].status)) return hint;
    return search(id);
  }

  // For what will be asked for soon: fetches the bucket of an id, then the order that it probably stands for (or 0).
  void prefetch(const OrderId& id) const { __builtin_prefetch(&bucket_of(id), 1); }
  std::uint32_t guess(const OrderId& id) const {
    const Bucket& bucket = bucket_of(id);
    const unsigned found = equal(bucket.tags, id.tag());
    return found == 0 ? 0 : bucket.orders[std::countr_zero(found)];
  }

  // A frame begins: what was forgotten before may be used again.
  void begin_frame() { reusable_ = forgotten_; }

  // Index of a record for the id; its content is indeterminate but for the extras of the order before, which the caller
  // releases. May forget one that ended. REQUIRES: no order is held under the id, and open orders are within open_max.
  std::uint32_t acquire(const OrderId& id) {
    if (ended_ - forgotten_ > ended_max_) forget();
    const std::uint32_t index = reused_ != reusable_ ? reuse() : fresh();
    insert(id, index);
    return index;
  }

  // The order has ended; it is in no book.
  void end(std::uint32_t index) {
    if (ended_ - reused_ > queue_mask_) [[unlikely]]
      lengthen();
    queued(ended_++) = index;
  }

  // How many have ended and are held, and the n-th of them, the one that ended first being number 0.
  std::uint32_t ended() const { return static_cast<std::uint32_t>(ended_ - forgotten_); }
  std::uint32_t ended(std::uint32_t n) const { return queue_[(forgotten_ + n) & queue_mask_]; }

  // True if no more orders can have been held at once: those within open_max, ended_max, and the one that came last.
  bool full() const { return touched_ > held_max_; }

  // Puts an order that a snapshot holds back under its id. REQUIRES: !full().
  std::uint32_t restore(const OrderId& id) {
    const std::uint32_t index = fresh();
    insert(id, index);
    return index;
  }

 private:
  static constexpr std::size_t kPlaces = 8;

  // A cache line. A place is free if its order is 0.
  struct alignas(64) Bucket {
    std::uint32_t tags[kPlaces];
    std::uint32_t orders[kPlaces];
  };

  // Bit n: values[n] is `value`.
  static unsigned equal(const std::uint32_t (&values)[kPlaces], std::uint32_t value) {
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(value));
    const auto half = [&](const std::uint32_t* at) {
      const __m128i found = _mm_cmpeq_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(at)), wanted);
      return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(found)));
    };
    return half(values) | half(values + kPlaces / 2) << (kPlaces / 2);
#else
    unsigned found = 0;
    for (std::size_t i = 0; i < kPlaces; ++i) found |= static_cast<unsigned>(values[i] == value) << i;
    return found;
#endif
  }

  std::size_t place_of(const OrderId& id) const { return id.place() >> 32 & mask_; }
  Bucket& bucket_of(const OrderId& id) { return buckets_[place_of(id)]; }
  const Bucket& bucket_of(const OrderId& id) const { return buckets_[place_of(id)]; }

  std::uint32_t search(const OrderId& id) const {
    const Bucket& bucket = bucket_of(id);
    for (unsigned found = equal(bucket.tags, id.tag()); found != 0; found &= found - 1) {
      const std::uint32_t order = bucket.orders[std::countr_zero(found)];
      if (order != 0 && orders_[order].id == id) return order;
    }
    if (crowd_.empty() || equal(bucket.orders, 0) != 0) [[likely]]
      return 0;
    return search_crowd(id);
  }

  std::uint32_t fresh() {
    orders_[++touched_].extras = 0;
    return touched_;
  }

  std::uint32_t& queued(std::uint64_t number) { return queue_[number & queue_mask_]; }

  std::uint32_t reuse() {
    const Order& soon = orders_[queued(reused_ + kReuseAhead)];
    __builtin_prefetch(&soon, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(&soon) + 64, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(&soon) + 128, 1);
    __builtin_prefetch(&nodes_[queued(reused_ + kReuseAhead)], 1);
    return queued(reused_++);
  }

  void forget() {
    __builtin_prefetch(&orders_[queued(forgotten_ + 2 * kForgetAhead)]);
    prefetch(orders_[queued(forgotten_ + kForgetAhead)].id);
    const std::uint32_t index = queued(forgotten_++);
    erase(orders_[index].id, index);
  }

  void insert(const OrderId& id, std::uint32_t order) {
    if (used_++ == used_max_) [[unlikely]]
      grow();
    place(id, order);
  }
  void place(const OrderId& id, std::uint32_t order) {
    Bucket& bucket = bucket_of(id);
    const unsigned free = equal(bucket.orders, 0);
    if (free == 0) [[unlikely]] {
      crowd_.push_back(order);
      return;
    }
    bucket.tags[std::countr_zero(free)] = id.tag();
    bucket.orders[std::countr_zero(free)] = order;
  }
  void erase(const OrderId& id, std::uint32_t order) {
    --used_;
    Bucket& bucket = bucket_of(id);
    const unsigned found = equal(bucket.orders, order);
    if (!crowd_.empty() && equal(bucket.orders, 0) == 0) [[unlikely]]
      return thin_crowd(id, order);
    bucket.orders[std::countr_zero(found)] = 0;
  }
  std::uint32_t search_crowd(const OrderId& id) const;
  void thin_crowd(const OrderId& id, std::uint32_t gone);
  void grow();
  static Block<Bucket> make_buckets(std::size_t count);
  static constexpr std::size_t most_of(std::size_t buckets) { return kPlaces * buckets / 3; }

  void lengthen();

  static constexpr std::size_t kBucketsAtFirst = 1'024;
  // How far ahead a record is fetched that will be used again, or forgotten. What stands in the queue behind its end is
  // an index that is good to fetch, if of no use.
  static constexpr std::uint64_t kReuseAhead = 4;
  static constexpr std::uint64_t kForgetAhead = 4;

  std::uint32_t ended_max_;
  std::uint32_t held_max_;
  std::uint32_t capacity_;
  Block<Order> orders_;
  NodePool nodes_;
  std::uint32_t touched_ = 0;
  // Records whose orders have ended, in that order, in a ring: by number, those from reused_ on can be used again (as
  // long as below reusable_), those from forgotten_ on are held, up to ended_.
  std::vector<std::uint32_t> queue_;
  std::size_t queue_mask_;
  std::uint64_t reused_ = 0;
  std::uint64_t reusable_ = 0;
  std::uint64_t forgotten_ = 0;
  std::uint64_t ended_ = 0;

  // Buckets that hold 8/3 on the average at most. What finds its bucket full waits in the crowd until a place of that
  // bucket is free: an id can only be in the crowd if its bucket is full.
  std::size_t mask_ = kBucketsAtFirst - 1;
  Block<Bucket> buckets_ = make_buckets(kBucketsAtFirst);
  std::vector<std::uint32_t> crowd_;
  std::size_t used_ = 0;
  std::size_t used_max_ = most_of(kBucketsAtFirst);
};

}  // namespace ordergate::core
