// Every command that was seen, by its id.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "core/order.h"
#include "core/types.h"

namespace ordergate::core {

// What an id stands for.
struct Known {
  std::uint32_t order = 0;   // a new order's index; 0 if it is none
  std::uint32_t cancel = 0;  // a cancel's index; 0 if it is none

  explicit operator bool() const { return (order | cancel) != 0; }
};

// Hash table with linear probing over slots of 8 bytes; the ids themselves lie in the records. Nothing is ever erased.
class Ids {
 public:
  Ids(const Orders& orders, const ChunkedPool<CancelRecord>& cancels) : orders_(orders), cancels_(cancels) {}

  Known find(const OrderId& id) const;

  // Fetches the slot of an id that will be asked for soon: in a table of millions of ids the wait for memory is most of
  // what a command costs.
  void prefetch(const OrderId& id) const { __builtin_prefetch(&slots_[id.hash() & mask_]); }

  // The order that an id probably stands for, or 0: only to fetch what will be needed.
  std::uint32_t guess(const OrderId& id) const {
    const std::uint32_t hash = id.hash();
    for (std::size_t at = hash & mask_; slots_[at].ref != 0; at = (at + 1) & mask_) {
      if (slots_[at].hash == hash) return (slots_[at].ref & kCancel) != 0 ? 0 : slots_[at].ref;
    }
    return 0;
  }

  // Takes the memory for `count` ids now.
  void reserve(std::size_t count);

  // Remembers the record with the id. REQUIRES: !find(id), and the record holds the id.
  void add_order(const OrderId& id, std::uint32_t order) { add(id.hash(), order); }
  void add_cancel(const OrderId& id, std::uint32_t cancel) { add(id.hash(), cancel | kCancel); }

 private:
  static constexpr std::uint32_t kCancel = 0x8000'0000u;  // in Slot::ref: index of a cancel, not of an order

  struct Slot {
    std::uint32_t hash;
    std::uint32_t ref;  // 0: the slot is free
  };

  void add(std::uint32_t hash, std::uint32_t ref) {
    if (2 * (used_ + 1) > mask_ + 1) [[unlikely]]
      resize(2 * (mask_ + 1));
    place({hash, ref});
    ++used_;
  }
  static Block<Slot> make_slots(std::size_t slots);
  void place(Slot slot);
  void resize(std::size_t slots);

  const Orders& orders_;
  const ChunkedPool<CancelRecord>& cancels_;
  std::size_t mask_ = 1023;  // number of slots, less 1
  Block<Slot> slots_ = make_slots(mask_ + 1);
  std::size_t used_ = 0;
};

}  // namespace ordergate::core
