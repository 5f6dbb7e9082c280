// A growing array that leaves new elements as they are.
#pragma once

#include <cstddef>
#include <type_traits>

#include "core/memory.h"

namespace ordergate::core {

// std::vector sets every new element to zero before it is written; what is written here is written once.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // A new element with indeterminate content.
  T& append() {
    if (size_ == capacity_) [[unlikely]]
      grow();
    return data_[size_++];
  }
  void push_back(const T& element) { append() = element; }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }
  T& operator[](std::size_t index) { return data_[index]; }
  const T& operator[](std::size_t index) const { return data_[index]; }
  T& back() { return data_[size_ - 1]; }
  const T& back() const { return data_[size_ - 1]; }
  T* begin() { return data_.get(); }
  T* end() { return data_.get() + size_; }
  const T* begin() const { return data_.get(); }
  const T* end() const { return data_.get() + size_; }

 private:
  void grow() {
    const std::size_t capacity = capacity_ == 0 ? 1024 : 2 * capacity_;
    Block<T> larger = make_small_block<T>(capacity);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = data_[i];
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  Block<T> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace ordergate::core
