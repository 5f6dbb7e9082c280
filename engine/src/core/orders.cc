#include "core/orders.h"

#include <algorithm>
#include <utility>

#include "core/frame.h"

namespace ordergate::core {

// Room for what a frame may forget and enter before its records can be used again.
Orders::Orders(std::uint32_t open_max, std::uint32_t ended_max)
    : ended_max_(ended_max),
      capacity_(static_cast<std::uint32_t>(open_max + ended_max + 2 * kFrameCommandsMax)),
      orders_(make_block<Order>(std::size_t{capacity_} + 2)),
      nodes_(std::size_t{capacity_} + 2) {
  prefer_huge_pages(orders_, std::size_t{capacity_} + 2);
  orders_[0] = {};  // what guess() of an unknown id is fetched from
  nodes_[0] = {};
}

// Backward shift (Knuth 6.4, algorithm R): no slot is left that only marks where something was.
void Orders::erase(std::uint32_t hash, std::uint32_t order) {
  std::size_t hole = hash & mask_;
  while (slots_[hole].order != order) hole = (hole + 1) & mask_;
  for (std::size_t at = (hole + 1) & mask_; slots_[at].order != 0; at = (at + 1) & mask_) {
    const std::size_t home = slots_[at].hash & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole].order = 0;
  --used_;
}

Block<Orders::Slot> Orders::make_slots(std::size_t slots) {
  const bool large = slots * sizeof(Slot) >= kHugePage;
  Block<Slot> block = large ? make_block<Slot>(slots) : make_small_block<Slot>(slots);
  if (large) prefer_huge_pages(block, slots);
  std::fill_n(block.get(), slots, Slot{});
  return block;
}

void Orders::grow() {
  const std::size_t old_slots = mask_ + 1;
  const Block<Slot> old = std::exchange(slots_, make_slots(2 * old_slots));
  mask_ = 2 * old_slots - 1;
  for (std::size_t at = 0; at < old_slots; ++at) {
    if (old[at].order != 0) place(old[at]);
  }
}

}  // namespace ordergate::core
