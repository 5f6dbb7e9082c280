// Storage with 32-bit links. Index 0 means "none" everywhere.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <vector>

#include "core/memory.h"
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
  explicit NodePool(std::uint32_t capacity) : nodes_(make_block<Node>(std::size_t{capacity} + 1)), capacity_(capacity) {
    prefer_huge_pages(nodes_, std::size_t{capacity} + 1);
  }

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
  Block<Node> nodes_;
  std::uint32_t capacity_;
  std::uint32_t live_ = 0;
  std::uint32_t touched_ = 0;  // nodes 1..touched_ were used at least once
  std::uint32_t free_ = 0;     // head of the list of released nodes
};

// Growing array whose elements never move. Elements are numbered from 1. A chunk is a huge page.
template <class T>
class ChunkedPool {
 public:
  T& operator[](std::uint32_t index) { return chunks_[index >> kChunkBits][index & kMask]; }
  const T& operator[](std::uint32_t index) const { return chunks_[index >> kChunkBits][index & kMask]; }

  // Number of the last element; 0 if there is none.
  std::uint32_t size() const { return size_; }

  // Index of a new element with indeterminate content.
  std::uint32_t append() {
    const std::uint32_t index = ++size_;
    if ((index >> kChunkBits) >= chunks_.size()) [[unlikely]]
      grow();
    return index;
  }

  // Index of the first of `count` new elements that lie side by side; skips the rest of a chunk if need be.
  std::uint32_t append_run(std::uint32_t count) {
    std::uint32_t first = size_ + 1;
    if ((first & kMask) + count > kMask + 1u) first = (first | kMask) + 1;
    size_ = first + count - 1;
    if ((size_ >> kChunkBits) >= chunks_.size()) [[unlikely]]
      grow();
    return first;
  }

  // Takes the memory for `count` elements now, all of it resident.
  void reserve(std::uint32_t count) {
    while (chunks_.size() <= count >> kChunkBits) {
      grow();
      touch(chunks_.back(), kMask + 1u);
    }
  }

 private:
  static constexpr std::uint32_t kChunkBits = std::bit_width(kHugePage / sizeof(T)) - 1;
  static constexpr std::uint32_t kMask = (1u << kChunkBits) - 1;

  void grow() {
    chunks_.push_back(make_block<T>(kMask + 1u));
    // The first chunk of a small engine stays small.
    if (chunks_.size() > 1) prefer_huge_pages(chunks_.back(), kMask + 1u);
  }

  std::vector<Block<T>> chunks_;
  std::uint32_t size_ = 0;
};

}  // namespace ordergate::core
