// Storage with 32-bit links. Index 0 means "none" everywhere.
#pragma once

#include <cassert>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/types.h"

namespace ordergate::core {

// An order's place in the book: what matching touches, and no more, since bytes touched per resting order decide the
// speed of a large book.
struct Node {
  Quantity leaves;
  Price price;
  std::uint32_t next;   // younger order of the level; in a free node the next free one
  std::uint32_t prev;   // older order of the level
  std::uint32_t order;  // index into Orders
  std::uint32_t reserved;
};
static_assert(sizeof(Node) == 32);

// Nodes of all books of a shard. Capacity is fixed; memory becomes resident only as nodes are first used, and nothing
// is allocated after construction. Last released, first acquired.
class NodePool {
 public:
  explicit NodePool(std::uint32_t capacity)
      : nodes_(std::make_unique_for_overwrite<Node[]>(std::size_t{capacity} + 1)), capacity_(capacity) {}

  Node& operator[](std::uint32_t index) { return nodes_[index]; }
  const Node& operator[](std::uint32_t index) const { return nodes_[index]; }

  bool full() const { return live_ == capacity_; }
  std::uint32_t live() const { return live_; }
  std::uint32_t capacity() const { return capacity_; }

  // REQUIRES: !full().
  std::uint32_t acquire() {
    assert(!full());
    ++live_;
    if (free_ == 0) return ++touched_;
    const std::uint32_t index = free_;
    free_ = nodes_[index].next;
    return index;
  }

  void release(std::uint32_t index) {
    --live_;
    nodes_[index].next = free_;
    free_ = index;
  }

 private:
  std::unique_ptr<Node[]> nodes_;
  std::uint32_t capacity_;
  std::uint32_t live_ = 0;
  std::uint32_t touched_ = 0;  // nodes 1..touched_ were used at least once
  std::uint32_t free_ = 0;     // head of the list of released nodes
};

// Growing array whose elements never move. Elements are numbered from 1.
template <class T, std::uint32_t kChunkBits = 13>
class ChunkedPool {
 public:
  T& operator[](std::uint32_t index) { return chunks_[index >> kChunkBits][index & kMask]; }
  const T& operator[](std::uint32_t index) const { return chunks_[index >> kChunkBits][index & kMask]; }

  // Number of the last element; 0 if there is none.
  std::uint32_t size() const { return size_; }

  // Index of a new element with indeterminate content.
  std::uint32_t append() {
    const std::uint32_t index = ++size_;
    if ((index >> kChunkBits) >= chunks_.size()) chunks_.push_back(std::make_unique_for_overwrite<T[]>(kMask + 1u));
    return index;
  }

 private:
  static constexpr std::uint32_t kMask = (1u << kChunkBits) - 1;
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::uint32_t size_ = 0;
};

}  // namespace ordergate::core
