// Names that the log uses, as small numbers: accounts and symbols.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/state_hash.h"
#include "core/types.h"

namespace ordergate::core {

// Numbers names from 0 in the order in which they are first seen.
class Names {
 public:
  // Number of the name, given now if it has none.
  std::uint32_t intern(std::string_view name) {
    const std::uint64_t key = quick_hash(name);
    const std::uint32_t number = search(name, key);
    return number != kFree ? number : add(name, key);
  }
  // Number of the name; size() if it has none.
  std::uint32_t find(std::string_view name) const {
    const std::uint32_t number = search(name, quick_hash(name));
    return number != kFree ? number : size();
  }
  std::string_view name(std::uint32_t number) const { return names_[number].text; }
  // StateHash::of(name).
  std::uint64_t hash(std::uint32_t number) const { return names_[number].hash; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(names_.size()); }

 private:
  static constexpr std::uint32_t kFree = 0xFFFF'FFFFu;

  struct Entry {
    std::string text;
    std::uint64_t hash;
  };
  struct Slot {
    std::uint64_t key = 0;
    const std::string* text = nullptr;
    std::uint32_t number = kFree;
  };

  // Every frame's names are looked up: eight bytes at a time, the last ones over again if they don't come out even.
  static std::uint64_t quick_hash(std::string_view name) {
    std::uint64_t hash = name.size();
    std::uint64_t word = 0;
    if (name.size() < sizeof word / 2) {
      for (const char c : name) word = word << 8 | static_cast<unsigned char>(c);
      return StateHash::mix(hash ^ word << 8);
    }
    if (name.size() < sizeof word) {
      std::uint32_t half = 0;
      std::memcpy(&half, name.data(), sizeof half);
      std::memcpy(&word, name.data() + name.size() - sizeof half, sizeof half);
      return StateHash::mix(hash ^ (word << 32 | half));
    }
    for (std::size_t at = 0; at + sizeof word < name.size(); at += sizeof word) {
      std::memcpy(&word, name.data() + at, sizeof word);
      hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    std::memcpy(&word, name.data() + name.size() - sizeof word, sizeof word);
    return StateHash::mix(hash ^ word);
  }

  std::uint32_t search(std::string_view name, std::uint64_t key) const {
    std::size_t at = key & mask();
    while (slots_[at].number != kFree && (slots_[at].key != key || *slots_[at].text != name)) at = (at + 1) & mask();
    return slots_[at].number;
  }

  std::size_t mask() const { return slots_.size() - 1; }

  std::uint32_t add(std::string_view name, std::uint64_t key) {
    const std::uint32_t number = size();
    names_.push_back({std::string(name), StateHash::of(name)});
    if (8 * names_.size() > slots_.size()) {  // hardly ever two names in one place
      std::vector<Slot> old(2 * slots_.size());
      old.swap(slots_);
      for (const Slot& slot : old) {
        if (slot.number != kFree) place(slot);
      }
    }
    place({key, &names_.back().text, number});
    return number;
  }

  void place(Slot slot) {
    std::size_t at = slot.key & mask();
    while (slots_[at].number != kFree) at = (at + 1) & mask();
    slots_[at] = slot;
  }

  std::deque<Entry> names_;
  std::vector<Slot> slots_ = std::vector<Slot>(512);
};

}  // namespace ordergate::core
