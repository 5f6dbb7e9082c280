// Places in the books. Index 0 means "none" everywhere.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "core/types.h"

namespace ordergate::core {

// An order's place in the book: what matching touches, and no more, since bytes touched per resting order decide the
// speed of a large book. Has the index of its order.
struct Node {
  Quantity leaves;  // visible
  Price price;
  std::uint32_t next;  // younger order of the level
  std::uint32_t prev;  // older order of the level
  std::uint32_t account;
  bool rests;
  bool iceberg;
};
static_assert(sizeof(Node) == 32);

// Nodes of all books of a shard. Memory becomes resident only as nodes are first used, and nothing is allocated after
// construction.
class NodePool {
 public:
  explicit NodePool(std::size_t capacity) : nodes_(make_pages<Node>(capacity + 1)) {}

  Node& operator[](std::uint32_t index) { return nodes_[index]; }
  const Node& operator[](std::uint32_t index) const { return nodes_[index]; }

 private:
  Block<Node> nodes_;
};

}  // namespace ordergate::core
