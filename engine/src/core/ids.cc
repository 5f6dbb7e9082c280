#include "core/ids.h"

namespace ordergate::core {

Known Ids::find(const OrderId& id) const {
  const std::uint32_t hash = id.hash();
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].ref != 0; at = (at + 1) & mask) {
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

void Ids::add(std::uint32_t hash, std::uint32_t ref) {
  if (2 * (used_ + 1) > slots_.size()) grow();
  place(slots_, {hash, ref});
  ++used_;
}

void Ids::place(std::vector<Slot>& slots, Slot slot) {
  const std::size_t mask = slots.size() - 1;
  std::size_t at = slot.hash & mask;
  while (slots[at].ref != 0) at = (at + 1) & mask;
  slots[at] = slot;
}

void Ids::grow() {
  std::vector<Slot> larger(2 * slots_.size());
  for (const Slot& slot : slots_) {
    if (slot.ref != 0) place(larger, slot);
  }
  slots_.swap(larger);
}

}  // namespace ordergate::core
