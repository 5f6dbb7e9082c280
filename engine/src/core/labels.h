// Clients' texts that orders share: tags, sessions, groups for self-trade prevention.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ordergate::core {

// Numbers texts from 1 for as long as an order has them: clients may make up a new one for every order.
class Labels {
 public:
  // Number of the text, used once more; 0 for none.
  std::uint32_t use(std::string_view text) {
    if (text.empty()) return 0;
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) {
      ++entries_[found->second].users;
      return found->second;
    }
    std::uint32_t number = static_cast<std::uint32_t>(entries_.size());
    if (free_.empty()) {
      entries_.emplace_back();
    } else {
      number = free_.back();
      free_.pop_back();
    }
    entries_[number] = {std::string(text), 1};
    numbers_.emplace(entries_[number].text, number);
    return number;
  }

  // The text has one user less.
  void release(std::uint32_t number) {
    if (number == 0 || --entries_[number].users != 0) return;
    numbers_.erase(entries_[number].text);
    free_.push_back(number);
  }

  // Number of a text, or 0 if no order has it.
  std::uint32_t find(std::string_view text) const {
    const auto found = numbers_.find(text);
    return found == numbers_.end() ? 0 : found->second;
  }

  std::string_view text(std::uint32_t number) const { return entries_[number].text; }

 private:
  struct Entry {
    std::string text;
    std::uint32_t users;
  };

  std::vector<Entry> entries_ = std::vector<Entry>(1);  // 0: none
  std::vector<std::uint32_t> free_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
};

}  // namespace ordergate::core
