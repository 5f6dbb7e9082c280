#include "core/ids.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ordergate::core {

Known Ids::find(const OrderId& id) const {
  const std::uint32_t hash = id.hash();
  for (std::size_t at = hash & mask_; slots_[at].ref != 0; at = (at + 1) & mask_) {
    if (slots_[at].hash != hash) continue;
    const std::uint32_t index = slots_[at].ref & ~kCancel;
    if ((slots_[at].ref & kCancel) != 0) {
      if (cancels_[index].id == id) return {.cancel = index};
    } else if (orders_[index].id == id) {
      return {.order = index};
    }
  }
  return {};
}

void Ids::place(Slot slot) {
  std::size_t at = slot.hash & mask_;
  while (slots_[at].ref != 0) at = (at + 1) & mask_;
  slots_[at] = slot;
}

Block<Ids::Slot> Ids::make_slots(std::size_t slots) {
  Block<Slot> block = make_block<Slot>(slots);
  if (slots * sizeof(Slot) >= kHugePage) prefer_huge_pages(block, slots);
  std::fill_n(block.get(), slots, Slot{});
  return block;
}

void Ids::resize(std::size_t slots) {
  const Block<Slot> old = std::exchange(slots_, make_slots(slots));
  const std::size_t old_slots = std::exchange(mask_, slots - 1) + 1;
  for (std::size_t at = 0; at < old_slots; ++at) {
    if (old[at].ref != 0) place(old[at]);
  }
}

void Ids::reserve(std::size_t count) {
  if (2 * count > mask_ + 1) resize(std::bit_ceil(2 * count));
}

}  // namespace ordergate::core
