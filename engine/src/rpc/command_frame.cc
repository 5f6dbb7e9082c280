#include "rpc/command_frame.h"

#include <algorithm>
#include <limits>

#include "core/order.h"
#include "rpc/names.h"
#include "rpc/wire.h"

namespace ordergate::rpc {
namespace {

using Fault = std::optional<std::string>;
using core::CommandKind;
using wire::Reader;
using wire::Type;

constexpr std::uint64_t kFormat = 1;
constexpr std::uint64_t kTimeMax = std::numeric_limits<std::int64_t>::max();

constexpr const char* kDamaged = "not a CommandFrame: bytes are missing or a number is out of range";

// A repeated number, packed or not, as a parser must take both. False if one is refused by `add`.
template <class Column>
bool read_numbers(Reader& reader, Type type, Column& column, bool (*add)(std::uint64_t, Column&)) {
  if (type == Type::kVarint) return add(reader.varint(), column);
  Reader packed(reader.bytes());
  bool good = true;
  while (!packed.done()) good &= add(packed.varint(), column);
  return good && packed.ok();
}

bool add_u32(std::uint64_t value, std::vector<std::uint32_t>& column) {
  column.push_back(static_cast<std::uint32_t>(value));
  return value <= std::numeric_limits<std::uint32_t>::max();
}

template <class Strong>
bool add_i64(std::uint64_t value, std::vector<Strong>& column) {
  column.push_back({static_cast<std::int64_t>(value)});
  return true;
}

// True if all bytes are within low..high. Without an early end, so that it is done in vectors.
bool within(std::string_view column, std::uint8_t low, std::uint8_t high) {
  bool beyond = false;
  for (const char c : column) {
    const auto above_low = static_cast<std::uint8_t>(static_cast<std::uint8_t>(c) - low);
    beyond |= above_low > high - low;
  }
  return !beyond;
}

template <class Enum>
bool within(std::string_view column, Enum low, Enum high) {
  return within(column, static_cast<std::uint8_t>(low), static_cast<std::uint8_t>(high));
}

bool all_below(const std::vector<std::uint32_t>& column, std::size_t limit) {
  return std::all_of(column.begin(), column.end(), [limit](std::uint32_t index) { return index < limit; });
}

// A column of one-byte enumerations, already checked, as the core's type.
template <class Enum>
std::span<const Enum> as(std::string_view column) {
  static_assert(sizeof(Enum) == 1);
  return {reinterpret_cast<const Enum*>(column.data()), column.size()};
}

}  // namespace

Fault CommandFrameDecoder::decode(std::string_view bytes) {
  clear();
  if (Fault fault = read_fields(bytes)) return fault;
  if (Fault fault = check()) return fault;
  if (Fault fault = spread_deadlines()) return fault;
  view();
  return std::nullopt;
}

void CommandFrameDecoder::clear() {
  format_ = queued_at_ns_ = 0;
  for (auto* texts : {&accounts_, &symbols_, &command_ids_}) texts->clear();
  for (auto* numbers : {&account_index_, &age_us_, &symbol_index_, &amend_symbols_}) numbers->clear();
  for (auto* column : {&kinds_, &keys_, &sides_, &order_types_, &times_in_force_, &flags_, &targets_}) *column = {};
  for (auto* prices : {&prices_, &amend_prices_}) prices->clear();
  for (auto* quantities : {&quantities_, &amend_quantities_}) quantities->clear();
  rows_.clear();
  deadlines_.clear();
  valid_until_.clear();
}

Fault CommandFrameDecoder::read_fields(std::string_view bytes) {
  Reader reader(bytes);
  while (!reader.done()) {
    const std::uint64_t tag = reader.varint();
    if (Fault fault = read_field(reader, tag >> 3, static_cast<Type>(tag & 7))) return fault;
  }
  return reader.ok() ? std::nullopt : Fault(kDamaged);
}

Fault CommandFrameDecoder::read_field(Reader& reader, std::uint64_t field, Type type) {
  const auto is = [type](Type expected) { return type == expected; };
  bool good = true;
  if (field == 1 && is(Type::kVarint)) {
    format_ = reader.varint();
  } else if (field == 2 && is(Type::kFixed64)) {
    queued_at_ns_ = reader.fixed64();
  } else if (field == 3 && is(Type::kBytes)) {
    reader.bytes();  // origin: for people
  } else if (std::string_view* column = bytes_column(field); column != nullptr && is(Type::kBytes)) {
    *column = reader.bytes();
  } else if (auto* texts = texts_column(field); texts != nullptr && is(Type::kBytes)) {
    texts->push_back(reader.bytes());
  } else if (auto* numbers = numbers_column(field); numbers != nullptr && (is(Type::kBytes) || is(Type::kVarint))) {
    good = read_numbers(reader, type, *numbers, add_u32);
  } else if ((field == 16 || field == 21) && (is(Type::kBytes) || is(Type::kVarint))) {
    good = read_numbers(reader, type, field == 16 ? prices_ : amend_prices_, add_i64<core::Price>);
  } else if ((field == 17 || field == 22) && (is(Type::kBytes) || is(Type::kVarint))) {
    good = read_numbers(reader, type, field == 17 ? quantities_ : amend_quantities_, add_i64<core::Quantity>);
  } else if (CommandRows::has(field) && is(Type::kBytes)) {
    good = rows_.read(field, reader.bytes());
  } else if (field == 19 && is(Type::kBytes)) {
    good = read_deadline(reader.bytes());
  } else if (reader.ok()) {
    return "field " + std::to_string(field) + " is unknown or of another type";
  }
  return good ? std::nullopt : Fault(kDamaged);
}

std::string_view* CommandFrameDecoder::bytes_column(std::uint64_t field) {
  switch (field) {
    case 6:
      return &kinds_;
    case 7:
      return &keys_;
    case 12:
      return &sides_;
    case 13:
      return &order_types_;
    case 14:
      return &times_in_force_;
    case 15:
      return &flags_;
    case 18:
      return &targets_;
    default:
      return nullptr;
  }
}

std::vector<std::string_view>* CommandFrameDecoder::texts_column(std::uint64_t field) {
  return field == 4 ? &accounts_ : field == 5 ? &symbols_ : field == 8 ? &command_ids_ : nullptr;
}

std::vector<std::uint32_t>* CommandFrameDecoder::numbers_column(std::uint64_t field) {
  switch (field) {
    case 9:
      return &account_index_;
    case 10:
      return &age_us_;
    case 11:
      return &symbol_index_;
    case 23:
      return &amend_symbols_;
    default:
      return nullptr;
  }
}

bool CommandFrameDecoder::read_deadline(std::string_view bytes) {
  constexpr std::uint64_t kCommandIndex = 1 << 3 | static_cast<unsigned>(Type::kVarint);
  constexpr std::uint64_t kValidUntil = 2 << 3 | static_cast<unsigned>(Type::kFixed64);
  Deadline& row = deadlines_.emplace_back();
  Reader reader(bytes);
  while (!reader.done()) {
    const std::uint64_t tag = reader.varint();
    if (tag == kCommandIndex) {
      row.command = reader.varint();
    } else if (tag == kValidUntil) {
      row.valid_until_ns = reader.fixed64();
    } else {
      return false;
    }
  }
  return reader.ok();
}

Fault CommandFrameDecoder::check() {
  if (format_ != kFormat) return "format " + std::to_string(format_) + " is not 1";
  if (queued_at_ns_ == 0 || queued_at_ns_ > kTimeMax) return "queued_at_ns is out of range";
  if (kinds_.size() > core::kFrameCommandsMax) {
    return "kinds: more than " + std::to_string(core::kFrameCommandsMax) + " commands";
  }
  if (!within(kinds_, CommandKind::kNewOrder, CommandKind::kFence)) return "kinds: unknown command kind";
  CommandCounts counts;
  for (const char kind : kinds_) ++counts.of[static_cast<std::uint8_t>(kind)];
  if (Fault fault = check_lengths(counts)) return fault;
  if (Fault fault = check_texts()) return fault;
  if (Fault fault = check_values()) return fault;
  for (std::uint32_t& symbol : amend_symbols_) --symbol;  // 1 + index, or 0, which becomes kNoSymbol
  return rows_.check(kinds_, counts, symbols_.size(), amend_symbols_);
}

Fault CommandFrameDecoder::check_lengths(const CommandCounts& counts) const {
  const std::size_t commands = kinds_.size();
  const std::size_t orders = counts[CommandKind::kNewOrder];
  const std::size_t amends = counts[CommandKind::kAmendOrder];
  const std::size_t targets = counts[CommandKind::kCancelOrder] + amends;
  const struct {
    std::string_view column;
    std::size_t length;
    std::size_t expected;
  } lengths[] = {{"keys", keys_.size(), 16 * commands},
                 {"command_ids", command_ids_.size(), commands},
                 {"account_index", account_index_.size(), commands},
                 {"age_us", age_us_.size(), commands},
                 {"symbol_index", symbol_index_.size(), orders},
                 {"sides", sides_.size(), orders},
                 {"order_types", order_types_.size(), orders},
                 {"times_in_force", times_in_force_.size(), orders},
                 {"flags", flags_.size(), orders},
                 {"limit_price_ticks", prices_.size(), orders},
                 {"quantity_lots", quantities_.size(), orders},
                 {"targets", targets_.size(), 16 * targets},
                 {"amend_limit_price_ticks", amend_prices_.size(), amends},
                 {"amend_quantity_lots", amend_quantities_.size(), amends},
                 {"amend_symbol", amend_symbols_.size(), amends}};
  for (const auto& [column, length, expected] : lengths) {
    if (length == expected) continue;
    return std::string(column) + ": " + std::to_string(length) + " instead of " + std::to_string(expected);
  }
  return std::nullopt;
}

Fault CommandFrameDecoder::check_texts() const {
  for (const std::string_view id : command_ids_) {
    if (id.empty() || id.size() > core::kCommandIdMax || !is_printable(id)) {
      return "command_ids: one is not 1 to 64 printable ASCII characters";
    }
  }
  if (!std::all_of(accounts_.begin(), accounts_.end(), is_name)) return "accounts: one is not a name";
  if (!std::all_of(symbols_.begin(), symbols_.end(), is_name)) return "symbols: one is not a name";
  return std::nullopt;
}

Fault CommandFrameDecoder::check_values() const {
  if (!all_below(account_index_, accounts_.size())) return "account_index: out of range";
  if (!all_below(symbol_index_, symbols_.size())) return "symbol_index: out of range";
  if (!within(sides_, core::Side::kBuy, core::Side::kSell)) return "sides: unknown side";
  if (!within(order_types_, core::OrderType::kLimit, core::OrderType::kStopLimit)) {
    return "order_types: unknown order type";
  }
  if (!within(times_in_force_, core::TimeInForce::kGtc, core::TimeInForce::kFok)) {
    return "times_in_force: unknown time in force";
  }
  if (!within(flags_, std::uint8_t{0}, core::kPostOnly)) return "flags: unknown flag";
  if (!all_below(amend_symbols_, symbols_.size() + 1)) return "amend_symbol: out of range";
  return std::nullopt;
}

Fault CommandFrameDecoder::spread_deadlines() {
  if (deadlines_.empty()) return std::nullopt;
  valid_until_.resize(kinds_.size());
  for (const auto& [command, valid_until_ns] : deadlines_) {
    if (command >= valid_until_.size()) return "deadlines: command_index out of range";
    if (valid_until_[command].value != 0) return "deadlines: a command has two";
    if (valid_until_ns == 0 || valid_until_ns > kTimeMax) return "deadlines: valid_until_ns is out of range";
    valid_until_[command] = {static_cast<std::int64_t>(valid_until_ns)};
  }
  return std::nullopt;
}

void CommandFrameDecoder::view() {
  frame_ = {.queued_at = {static_cast<std::int64_t>(queued_at_ns_)},
            .accounts = accounts_,
            .symbols = symbols_,
            .kinds = as<core::CommandKind>(kinds_),
            .ids = keys_.data(),
            .command_ids = command_ids_,
            .account_index = account_index_,
            .age_us = age_us_,
            .valid_until = valid_until_,
            .symbol_index = symbol_index_,
            .sides = as<core::Side>(sides_),
            .types = as<core::OrderType>(order_types_),
            .times_in_force = as<core::TimeInForce>(times_in_force_),
            .flags = as<std::uint8_t>(flags_),
            .prices = prices_,
            .quantities = quantities_,
            .terms = rows_.terms(),
            .targets = targets_.data(),
            .expected_versions = rows_.expected_versions(),
            .amend_prices = amend_prices_,
            .amend_quantities = amend_quantities_,
            .amend_symbols = amend_symbols_,
            .amend_terms = rows_.amend_terms(),
            .mass_cancels = rows_.mass_cancels(),
            .trading_states = rows_.trading_states(),
            .limits = rows_.limits()};
}

}  // namespace ordergate::rpc
