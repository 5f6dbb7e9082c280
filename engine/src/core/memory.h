// Large blocks of memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace ordergate::core {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

struct FreeBlock {
  void operator()(void* block) const { std::free(block); }
};
template <class T>
using Block = std::unique_ptr<T[], FreeBlock>;

// Room for `count` elements, indeterminate, beginning on a huge page. Memory becomes resident as it is touched.
template <class T>
Block<T> make_block(std::size_t count) {
  const std::size_t bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
  void* const block = std::aligned_alloc(kHugePage, bytes);
  if (block == nullptr) throw std::bad_alloc();
  return Block<T>(static_cast<T*>(block));
}

// The same beginning on a cache line, for what is not large.
template <class T>
Block<T> make_small_block(std::size_t count) {
  constexpr std::size_t kLine = 64;
  const std::size_t bytes = (count * sizeof(T) + kLine - 1) / kLine * kLine;
  void* const block = std::aligned_alloc(kLine, bytes);
  if (block == nullptr) throw std::bad_alloc();
  return Block<T>(static_cast<T*>(block));
}

// Asks for huge pages: a record somewhere in gigabytes of small pages costs two waits for memory, one of them for the
// page's address. Only advice: without huge pages all works as well, slower.
template <class T>
void prefer_huge_pages(const Block<T>& block, std::size_t count) {
  const std::size_t bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
  static_cast<void>(::madvise(block.get(), bytes, MADV_HUGEPAGE));
}

// Room for `count` elements: on huge pages if it is large.
template <class T>
Block<T> make_pages(std::size_t count) {
  if (count * sizeof(T) < kHugePage) return make_small_block<T>(count);
  Block<T> block = make_block<T>(count);
  prefer_huge_pages(block, count);
  return block;
}

}  // namespace ordergate::core
