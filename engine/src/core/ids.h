// Every command that was seen, by its id.
#pragma once

#include <cstdint>
#include <vector>

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
  void prefetch(const OrderId& id) const { __builtin_prefetch(&slots_[id.hash() & (slots_.size() - 1)]); }

  // Remembers the record with the id. REQUIRES: !find(id), and the record holds the id.
  void add_order(const OrderId& id, std::uint32_t order) { add(id.hash(), order); }
  void add_cancel(const OrderId& id, std::uint32_t cancel) { add(id.hash(), cancel | kCancel); }

 private:
  static constexpr std::uint32_t kCancel = 0x8000'0000u;  // in Slot::ref: index of a cancel, not of an order

  struct Slot {
    std::uint32_t hash;
    std::uint32_t ref;  // 0: the slot is free
  };

  void add(std::uint32_t hash, std::uint32_t ref);
  static void place(std::vector<Slot>& slots, Slot slot);
  void grow();

  const Orders& orders_;
  const ChunkedPool<CancelRecord>& cancels_;
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  std::size_t used_ = 0;
};

}  // namespace ordergate::core
