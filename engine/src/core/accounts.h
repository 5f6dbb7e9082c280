// Accounts: their sequences, what they have open, and what they hold.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "core/names.h"
#include "core/types.h"

namespace ordergate::core {

// One account in one instrument, in lots.
class Exposure {
 public:
  explicit Exposure(Wide position = 0) : position_(position), reach_{position, -position} {}

  // Bought less sold.
  Wide position() const { return position_; }
  // Leaves of its open orders of the side.
  Wide open(Side side) const { return reach(side) - (side == Side::kBuy ? position_ : -position_); }
  // What it would have bought (sold) on balance if all of them traded.
  Wide reach(Side side) const { return reach_[place(side)]; }
  bool none() const { return position_ == 0 && reach_[0] == 0 && reach_[1] == 0; }

  void add_open(Side side, std::int64_t lots) { reach_[place(side)] += lots; }
  // An order of the side traded which was not open.
  void trade(Side side, std::int64_t lots) {
    reach_[place(side)] += lots;
    trade_open(side, lots);
  }
  // One that was: what it had open it now has.
  void trade_open(Side side, std::int64_t lots) {
    const std::int64_t sign = -std::int64_t{side == Side::kSell};  // whose turn it is can't be foretold: no branch
    position_ += (lots ^ sign) - sign;
    reach_[place(opposite(side))] -= lots;
  }

 private:
  static std::size_t place(Side side) { return static_cast<std::size_t>(side) - 1; }

  Wide position_;
  std::array<Wide, 2> reach_;  // kept so, since every new order is compared with it
};

struct alignas(64) Account {
  Sequence last_seq;
  Notional open_notional;  // of its open orders, in units of the shard (limits.h)
  std::uint32_t open_orders;
  std::uint32_t limits;  // index into LimitsBook; 0: the default ones
  TradingState state;
};

class Accounts {
 public:
  explicit Accounts(std::uint32_t instruments) : blocks_per_account_((instruments + kBlock - 1) / kBlock) {}

  std::uint32_t intern(std::string_view name) {
    const std::uint32_t number = names_.intern(name);
    if (number == accounts_.size()) {
      accounts_.push_back(
          {.last_seq = {0}, .open_notional = 0, .open_orders = 0, .limits = 0, .state = TradingState::kActive});
      block_of_.resize(accounts_.size() * blocks_per_account_);
    }
    return number;
  }
  std::string_view name(std::uint32_t account) const { return names_.name(account); }
  // Number of a name that may not be known; size() if it is not.
  std::uint32_t find(std::string_view name) const { return names_.find(name); }
  std::uint32_t size() const { return names_.size(); }

  Account& operator[](std::uint32_t account) { return accounts_[account]; }
  const Account& operator[](std::uint32_t account) const { return accounts_[account]; }
  Sequence next_seq(std::uint32_t account) { return {++accounts_[account].last_seq.value}; }

  // What it has in the instrument; made now if there is nothing yet.
  [[gnu::always_inline]] Exposure& exposure(std::uint32_t account, std::uint32_t instrument) {
    Exposures*& block = block_of_[account * blocks_per_account_ + instrument / kBlock];
    if (block == nullptr) [[unlikely]]
      block = make_exposures();
    return (*block)[instrument % kBlock];
  }
  // The same where nothing is made: nullptr.
  const Exposure* find_exposure(std::uint32_t account, std::uint32_t instrument) const {
    const Exposures* const block = block_of_[account * blocks_per_account_ + instrument / kBlock];
    return block == nullptr ? nullptr : &(*block)[instrument % kBlock];
  }

 private:
  // Instruments side by side: an account that trades one of a thousand need not have room for all.
  static constexpr std::uint32_t kBlock = 8;
  using Exposures = std::array<Exposure, kBlock>;

  [[gnu::noinline]] Exposures* make_exposures() { return &exposures_.emplace_back(); }

  std::size_t blocks_per_account_;
  Names names_;
  std::vector<Account> accounts_;
  std::vector<Exposures*> block_of_;  // by account and instrument / kBlock; nullptr: none
  std::deque<Exposures> exposures_;
};

}  // namespace ordergate::core
