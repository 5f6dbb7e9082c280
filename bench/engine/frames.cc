#include "frames.h"

#include <charconv>
#include <stdexcept>

#include "core/state_hash.h"
#include "executed.h"

namespace ordergate::bench {
namespace {

// Length of an id as the SDK makes them: 32 hexadecimal digits.
constexpr std::size_t kIdLength = 32;
constexpr std::size_t kNumberDigits = 16;
constexpr std::uint64_t kAccounts = 64;

// Stands for the gateway's cryptographic hash.
core::OrderId id_of(std::uint64_t number) {
  const std::uint64_t key = core::StateHash::mix(number);
  return {core::StateHash::mix(key), core::StateHash::mix(~key)};
}

// Cancels and amends have numbers of their own, above all orders.
constexpr std::uint64_t kFirstCommand = std::uint64_t{1} << 40;

void put_hex(char* out, std::uint64_t value) {
  constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < kNumberDigits; ++i) out[i] = kHex[(value >> (60 - 4 * i)) & 15];
}

}  // namespace

Frames::Frames(const workload::Workload& workload)
    : executed_(executed_before_replaces(workload)), slots_(workload.header.symbols) {
  const workload::Header& header = workload.header;
  if ((header.flags & workload::kFlagSparseIds) != 0) throw std::runtime_error("the file must have dense ids");
  for (std::uint32_t symbol = 0; symbol < header.symbols; ++symbol) symbols_.push_back("S" + std::to_string(symbol));
  for (std::uint64_t account = 0; account < kAccounts; ++account)
    accounts_.push_back("acct-" + std::to_string(account));
  account_views_.assign(accounts_.begin(), accounts_.end());
}

std::uint64_t Frames::number_of(std::string_view command_id) {
  std::uint64_t number = 0;
  std::from_chars(command_id.data(), command_id.data() + kNumberDigits, number, 16);
  return number;
}

void Frames::build(Operations operations, std::size_t operations_max) {
  clear();
  texts_.reserve(2 * operations.size() * kIdLength);  // views into it must stay
  std::vector<Start> starts;
  std::size_t in_frame = operations_max;
  for (const workload::Record& operation : operations) {
    if (in_frame == operations_max) {
      starts.push_back(here());
      std::fill(slots_.begin(), slots_.end(), 0);
      first_symbol_ = frame_symbols_.size();
      in_frame = 0;
    }
    add(operation);
    ++in_frame;
  }
  starts.push_back(here());
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) view(starts[i], starts[i + 1]);
}

void Frames::clear() {
  kinds_.clear(), ids_.clear(), texts_.clear(), command_ids_.clear(), account_index_.clear(), age_us_.clear();
  symbol_index_.clear(), sides_.clear(), types_.clear(), times_in_force_.clear(), flags_.clear(), prices_.clear();
  quantities_.clear(), targets_.clear(), amend_prices_.clear(), amend_quantities_.clear(), amend_symbols_.clear();
  frame_symbols_.clear(), frames_.clear();
}

void Frames::add(const workload::Record& operation) {
  if (operation.op == workload::kNew) {
    add_new(operation);
  } else if (operation.op == workload::kCancel) {
    add_cancel(operation);
  } else {
    add_amend(operation);
  }
}

void Frames::add_new(const workload::Record& operation) {
  add_command(core::CommandKind::kNewOrder, operation.order_id);
  account_index_.push_back(static_cast<std::uint32_t>(operation.order_id % kAccounts));
  symbol_index_.push_back(symbol_slot(operation.symbol));
  sides_.push_back(operation.side == workload::kBuy ? core::Side::kBuy : core::Side::kSell);
  types_.push_back(core::OrderType::kLimit);
  times_in_force_.push_back(operation.tif == workload::kIoc ? core::TimeInForce::kIoc : core::TimeInForce::kGtc);
  flags_.push_back(0);
  prices_.push_back({operation.price});
  quantities_.push_back({operation.quantity});
}

void Frames::add_cancel(const workload::Record& operation) {
  add_command(core::CommandKind::kCancelOrder, kFirstCommand + ++commands_);
  account_index_.push_back(static_cast<std::uint32_t>(operation.order_id % kAccounts));
  targets_.push_back(id_of(operation.order_id));
}

void Frames::add_amend(const workload::Record& operation) {
  add_command(core::CommandKind::kAmendOrder, kFirstCommand + ++commands_);
  account_index_.push_back(static_cast<std::uint32_t>(operation.order_id % kAccounts));
  targets_.push_back(id_of(operation.order_id));
  amend_prices_.push_back({operation.price});
  amend_quantities_.push_back({static_cast<std::int64_t>((*executed_)[replaced_++] + operation.quantity)});
  amend_symbols_.push_back(symbol_slot(operation.symbol));
}

void Frames::add_command(core::CommandKind kind, std::uint64_t number) {
  kinds_.push_back(kind);
  ids_.push_back(id_of(number));
  char text[kIdLength];
  put_hex(text, number);
  put_hex(text + kNumberDigits, ~number);
  command_ids_.emplace_back(texts_.data() + texts_.size(), sizeof text);
  texts_.append(text, sizeof text);
  age_us_.push_back(10);
}

std::uint32_t Frames::symbol_slot(std::uint32_t symbol) {
  if (slots_[symbol] == 0) {
    frame_symbols_.push_back(symbols_[symbol]);
    slots_[symbol] = static_cast<std::uint32_t>(frame_symbols_.size() - first_symbol_);
  }
  return slots_[symbol] - 1;
}

void Frames::view(const Start& from, const Start& to) {
  const std::size_t commands = to.command - from.command;
  const std::size_t orders = to.order - from.order;
  const std::size_t amends = to.amend - from.amend;
  const auto part = [](const auto& column, std::size_t start, std::size_t count) {
    return std::span(column).subspan(start, count);
  };
  now_ns_ += 1000;
  frames_.push_back({.queued_at = {now_ns_},
                     .accounts = account_views_,
                     .symbols = part(frame_symbols_, from.symbol, to.symbol - from.symbol),
                     .kinds = part(kinds_, from.command, commands),
                     .ids = reinterpret_cast<const char*>(ids_.data() + from.command),
                     .command_ids = part(command_ids_, from.command, commands),
                     .account_index = part(account_index_, from.command, commands),
                     .age_us = part(age_us_, from.command, commands),
                     .valid_until = {},
                     .symbol_index = part(symbol_index_, from.order, orders),
                     .sides = part(sides_, from.order, orders),
                     .types = part(types_, from.order, orders),
                     .times_in_force = part(times_in_force_, from.order, orders),
                     .flags = part(flags_, from.order, orders),
                     .prices = part(prices_, from.order, orders),
                     .quantities = part(quantities_, from.order, orders),
                     .terms = {},
                     .targets = reinterpret_cast<const char*>(targets_.data() + from.target),
                     .expected_versions = {},
                     .amend_prices = part(amend_prices_, from.amend, amends),
                     .amend_quantities = part(amend_quantities_, from.amend, amends),
                     .amend_symbols = part(amend_symbols_, from.amend, amends),
                     .amend_terms = {},
                     .mass_cancels = {},
                     .trading_states = {},
                     .limits = {}});
}

}  // namespace ordergate::bench
