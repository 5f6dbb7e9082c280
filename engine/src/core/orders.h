// Every order that is held: open ones, and those that have ended lately.
#pragma once

#include <cstdint>

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
  Orders(std::uint32_t open_max, std::uint32_t ended_max);

  Order& operator[](std::uint32_t index) { return orders_[index]; }
  const Order& operator[](std::uint32_t index) const { return orders_[index]; }
  NodePool& nodes() { return nodes_; }
  const NodePool& nodes() const { return nodes_; }

  // The order with the id, or 0. `hint` is looked at first; only an open order can't have been forgotten since.
  std::uint32_t find(const OrderId& id, std::uint32_t hint = 0) const {
    if (hint != 0 && orders_[hint].id == id && is_live(orders_[hint].status)) return hint;
    return search(id);
  }

  // For what will be asked for soon: fetches the slot of an id, then the order that it probably stands for (or 0).
  void prefetch(const OrderId& id) const { __builtin_prefetch(&slots_[id.hash() & mask_], 1); }
  std::uint32_t guess(const OrderId& id) const {
    const std::uint32_t hash = id.hash();
    for (std::size_t at = hash & mask_; slots_[at].order != 0; at = (at + 1) & mask_) {
      if (slots_[at].hash == hash) return slots_[at].order;
    }
    return 0;
  }

  // A frame begins: what was forgotten before may be used again.
  void begin_frame() { reusable_ = forgotten_; }

  // Index of a record for the id; its content is indeterminate but for the extras of the order before, which the caller
  // releases. May forget one that ended. REQUIRES: no order is held under the id, and open orders are within open_max.
  std::uint32_t acquire(const OrderId& id) {
    if (ended_ > ended_max_) forget();
    const std::uint32_t index = reusable_ != 0 ? reuse() : fresh();
    insert(id.hash(), index);
    return index;
  }

  // The order has ended; it is in no book.
  void end(std::uint32_t index) {
    nodes_[index].next = 0;
    (tail_ == 0 ? head_ : nodes_[tail_].next) = index;
    tail_ = index;
    if (oldest_ended_ == 0) oldest_ended_ = index;
    ++ended_;
  }

  // Records that were used so far: 1..touched().
  std::uint32_t touched() const { return touched_; }
  // Those that have ended and are held, oldest first: from oldest_ended() along Node::next.
  std::uint32_t oldest_ended() const { return oldest_ended_; }
  std::uint32_t ended() const { return ended_; }

  // True if no record is left that was never used.
  bool full() const { return touched_ >= capacity_; }

  // Puts an order that a snapshot holds back under its id. REQUIRES: !full().
  std::uint32_t restore(const OrderId& id) {
    const std::uint32_t index = fresh();
    insert(id.hash(), index);
    return index;
  }

 private:
  struct Slot {
    std::uint32_t hash;
    std::uint32_t order;  // 0: the slot is free
  };

  std::uint32_t search(const OrderId& id) const {
    const std::uint32_t hash = id.hash();
    for (std::size_t at = hash & mask_; slots_[at].order != 0; at = (at + 1) & mask_) {
      if (slots_[at].hash == hash && orders_[slots_[at].order].id == id) return slots_[at].order;
    }
    return 0;
  }

  std::uint32_t fresh() {
    orders_[++touched_].extras = 0;
    return touched_;
  }

  // The list of records, from the one that was forgotten first to the one that ended last; it is taken from the front.
  std::uint32_t reuse() {
    const std::uint32_t index = head_;
    head_ = nodes_[index].next;
    if (head_ == 0) tail_ = 0;
    --reusable_;
    --forgotten_;
    const char* const next = reinterpret_cast<const char*>(&orders_[head_]);
    __builtin_prefetch(next, 1);
    __builtin_prefetch(next + 64, 1);
    __builtin_prefetch(&nodes_[head_], 1);
    return index;
  }

  void forget() {
    const std::uint32_t index = oldest_ended_;
    oldest_ended_ = nodes_[index].next;
    __builtin_prefetch(&orders_[oldest_ended_]);
    erase(orders_[index].id.hash(), index);
    --ended_;
    ++forgotten_;
  }

  void insert(std::uint32_t hash, std::uint32_t order) {
    if (2 * (used_ + 1) > mask_ + 1) [[unlikely]]
      grow();
    place({hash, order});
    ++used_;
  }
  void place(Slot slot) {
    std::size_t at = slot.hash & mask_;
    while (slots_[at].order != 0) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  void erase(std::uint32_t hash, std::uint32_t order);
  void grow();
  static Block<Slot> make_slots(std::size_t slots);

  static constexpr std::size_t kSlotsAtFirst = 65'536;

  std::uint32_t ended_max_;
  std::uint32_t capacity_;
  Block<Order> orders_;
  NodePool nodes_;
  std::uint32_t touched_ = 0;
  std::uint32_t head_ = 0;          // forgotten first
  std::uint32_t tail_ = 0;          // ended last
  std::uint32_t oldest_ended_ = 0;  // of those that are held
  std::uint32_t ended_ = 0;
  std::uint32_t forgotten_ = 0;
  std::uint32_t reusable_ = 0;  // of the forgotten ones

  // Linear probing; an erased slot is filled by the next one that may stand there.
  std::size_t mask_ = kSlotsAtFirst - 1;
  Block<Slot> slots_ = make_slots(kSlotsAtFirst);
  std::size_t used_ = 0;
};

}  // namespace ordergate::core
