#include "core/orders.h"

#include <algorithm>
#include <utility>

namespace ordergate::core {

// Room for what a frame may forget and enter before its records can be used again.
Orders::Orders(std::uint32_t open_max, std::uint32_t ended_max, std::uint32_t frame_commands_max)
    : ended_max_(ended_max),
      held_max_(open_max + ended_max),
      capacity_(static_cast<std::uint32_t>(open_max + ended_max + 2 * std::size_t{frame_commands_max})),
      orders_(make_pages<Order>(std::size_t{capacity_} + 2)),
      nodes_(std::size_t{capacity_} + 2),
      queue_(std::bit_ceil(std::size_t{ended_max} + frame_commands_max + 2)),
      queue_mask_(queue_.size() - 1) {
  orders_[0] = {};  // what guess() of an unknown id is fetched from
  nodes_[0] = {};
}

std::uint32_t Orders::search_crowd(const OrderId& id) const {
  const auto found = std::ranges::find_if(crowd_, [&](std::uint32_t order) { return orders_[order].id == id; });
  return found == crowd_.end() ? 0 : *found;
}

// Takes `gone` out of its bucket, which is full, and lets one of the crowd in there; or out of the crowd.
void Orders::thin_crowd(const OrderId& id, std::uint32_t gone) {
  Bucket& bucket = bucket_of(id);
  const unsigned found = equal(bucket.orders, gone);
  if (found == 0) {
    std::erase(crowd_, gone);
    return;
  }
  bucket.orders[std::countr_zero(found)] = 0;
  const auto waits =
      std::ranges::find_if(crowd_, [&](std::uint32_t order) { return place_of(orders_[order].id) == place_of(id); });
  if (waits == crowd_.end()) return;
  const std::uint32_t order = *waits;
  crowd_.erase(waits);
  place(orders_[order].id, order);
}

void Orders::lengthen() {
  std::vector<std::uint32_t> longer(2 * queue_.size());
  for (std::uint64_t number = reused_; number != ended_; ++number) {
    longer[number & (longer.size() - 1)] = queued(number);
  }
  queue_ = std::move(longer);
  queue_mask_ = queue_.size() - 1;
}

Block<Orders::Bucket> Orders::make_buckets(std::size_t count) {
  Block<Bucket> block = make_pages<Bucket>(count);
  std::fill_n(block.get(), count, Bucket{});
  return block;
}

void Orders::grow() {
  const std::size_t old_count = mask_ + 1;
  const Block<Bucket> old = std::exchange(buckets_, make_buckets(2 * old_count));
  const std::vector<std::uint32_t> crowd = std::exchange(crowd_, {});
  mask_ = 2 * old_count - 1;
  used_max_ = most_of(2 * old_count);
  const auto move = [this](std::uint32_t order) {
    if (order != 0) place(orders_[order].id, order);
  };
  for (std::size_t at = 0; at < old_count; ++at) std::ranges::for_each(old[at].orders, move);
  std::ranges::for_each(crowd, move);
}

}  // namespace ordergate::core
