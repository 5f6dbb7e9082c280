// Names that the log uses, as small numbers: accounts and symbols.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/types.h"

namespace ordergate::core {

// Numbers names from 0 in the order in which they are first seen.
class Names {
 public:
  // Number of the name, given now if it has none.
  std::uint32_t intern(std::string_view name) {
    if (const auto found = numbers_.find(name); found != numbers_.end()) return found->second;
    const auto number = static_cast<std::uint32_t>(names_.size());
    names_.emplace_back(name);
    numbers_.emplace(names_.back(), number);
    return number;
  }
  std::string_view name(std::uint32_t number) const { return names_[number]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(names_.size()); }

 private:
  std::deque<std::string> names_;  // a deque: the map's keys view its strings
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
};

// Accounts and the dense sequence of each one's events.
class Accounts {
 public:
  std::uint32_t intern(std::string_view name) {
    const std::uint32_t number = names_.intern(name);
    if (number == last_seqs_.size()) last_seqs_.push_back({0});
    return number;
  }
  std::string_view name(std::uint32_t account) const { return names_.name(account); }
  std::uint32_t size() const { return names_.size(); }

  Sequence next_seq(std::uint32_t account) { return {++last_seqs_[account].value}; }
  Sequence last_seq(std::uint32_t account) const { return last_seqs_[account]; }

 private:
  Names names_;
  std::deque<Sequence> last_seqs_;
};

}  // namespace ordergate::core
