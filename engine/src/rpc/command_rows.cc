#include "rpc/command_rows.h"

#include <algorithm>
#include <concepts>
#include <limits>

#include "rpc/names.h"
#include "rpc/wire.h"

namespace ordergate::rpc {
namespace {

using core::CommandKind;
using wire::Reader;
using wire::Type;

constexpr std::uint32_t kDigitsMax = 18;
constexpr std::uint32_t kBandMaxPpm = 1'000'000'000;
constexpr std::uint64_t kSelfTradePreventionMax = static_cast<std::uint64_t>(core::SelfTradePrevention::kDecrement);

// One field's value, taken into its place: false if it is of another type, or does not fit.
class Value {
 public:
  Value(Reader& reader, Type type) : reader_(reader), type_(type) {}

  template <std::unsigned_integral Number>
  bool into(Number& out) {
    const std::uint64_t value = type_ == Type::kVarint ? reader_.varint() : 0;
    out = static_cast<Number>(value);
    return type_ == Type::kVarint && value <= std::numeric_limits<Number>::max();
  }
  bool into(bool& out) {
    out = type_ == Type::kVarint && reader_.varint() != 0;
    return type_ == Type::kVarint;
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  bool into(Enum& out) {
    std::underlying_type_t<Enum> value = 0;
    const bool good = into(value);
    out = static_cast<Enum>(value);
    return good;
  }
  bool into(std::string_view& out) {
    out = type_ == Type::kBytes ? reader_.bytes() : std::string_view();
    return type_ == Type::kBytes;
  }
  // Prices and quantities are varints (a negative one is for the core to refuse), instants are fixed.
  template <class Tag>
  bool into(core::Strong<Tag, std::int64_t>& out) {
    constexpr Type kExpected = std::is_same_v<Tag, core::TimeTag> ? Type::kFixed64 : Type::kVarint;
    if (type_ != kExpected) return false;
    out.value = static_cast<std::int64_t>(kExpected == Type::kFixed64 ? reader_.fixed64() : reader_.varint());
    return true;
  }
  bool into(core::Decimal& out);

 private:
  Reader& reader_;
  Type type_;
};

// Gives each field's number and value to `take`, which says whether it is good.
template <class Take>
bool read_fields(std::string_view bytes, const Take& take) {
  Reader reader(bytes);
  while (!reader.done()) {
    const std::uint64_t tag = reader.varint();
    Value value(reader, static_cast<Type>(tag & 7));
    if (!take(tag >> 3, value)) return false;
  }
  return reader.ok();
}

bool Value::into(core::Decimal& out) {
  std::string_view bytes;
  return into(bytes) && read_fields(bytes, [&out](std::uint64_t field, Value& value) {
           return field == 1 ? value.into(out.mantissa) : field == 2 && value.into(out.digits);
         });
}

// 1 + an index, or 0.
bool read_symbol(Value& value, std::uint32_t& symbol) {
  const bool good = value.into(symbol);
  --symbol;
  static_assert(core::kNoSymbol == std::uint32_t{0} - 1);
  return good;
}

bool read_row(std::string_view bytes, core::OrderTerms& row) {
  return read_fields(bytes, [&row](std::uint64_t field, Value& value) {
    switch (field) {
      case 1:
        return value.into(row.row);
      case 2:
        return value.into(row.stop_price);
      case 3:
        return value.into(row.display);
      case 4:
        return value.into(row.expire_at);
      case 5:
        return value.into(row.stp);
      case 6:
        return value.into(row.stp_group);
      case 7:
        return value.into(row.tag);
      case 8:
        return value.into(row.session);
      case 9:
        return value.into(row.cancel_on_disconnect);
      default:
        return false;
    }
  });
}

bool read_row(std::string_view bytes, core::AmendTerms& row) {
  return read_fields(bytes, [&row](std::uint64_t field, Value& value) {
    switch (field) {
      case 1:
        return value.into(row.row);
      case 2:
        return value.into(row.stop_price);
      case 3:
        return value.into(row.expire_at);
      case 4:
        return value.into(row.decimal);
      case 5:
        return value.into(row.limit_price_digits);
      case 6:
        return value.into(row.quantity_digits);
      case 7:
        return value.into(row.stop_price_digits);
      default:
        return false;
    }
  });
}

bool read_row(std::string_view bytes, core::ExpectedVersion& row) {
  return read_fields(bytes, [&row](std::uint64_t field, Value& value) {
    return field == 1 ? value.into(row.command) : field == 2 && value.into(row.version);
  });
}

bool read_row(std::string_view bytes, core::MassCancel& row) {
  row.symbol = core::kNoSymbol;
  return read_fields(bytes, [&row](std::uint64_t field, Value& value) {
    switch (field) {
      case 1:
        return read_symbol(value, row.symbol);
      case 2:
        return value.into(row.side);
      case 3:
        return value.into(row.tag);
      case 4:
        return value.into(row.session);
      case 5:
        return value.into(row.disconnected);
      default:
        return false;
    }
  });
}

bool read_row(std::string_view bytes, core::TradingStateChange& row) {
  row.symbol = core::kNoSymbol;
  return read_fields(bytes, [&row](std::uint64_t field, Value& value) {
    switch (field) {
      case 1:
        return value.into(row.account);
      case 2:
        return read_symbol(value, row.symbol);
      case 3:
        return value.into(row.state);
      case 4:
        return value.into(row.cancel_open_orders);
      default:
        return false;
    }
  });
}

bool read_row(std::string_view bytes, core::LimitsChange& row) {
  core::Limits& limits = row.limits;
  return read_fields(bytes, [&](std::uint64_t field, Value& value) {
    switch (field) {
      case 1:
        return value.into(row.account);
      case 2:
        return value.into(limits.max_order_quantity);
      case 3:
        return value.into(limits.max_order_notional);
      case 4:
        return value.into(limits.max_open_orders);
      case 5:
        return value.into(limits.max_open_notional);
      case 6:
        return value.into(limits.max_position);
      case 7:
        return value.into(limits.band_ppm);
      default:
        return false;
    }
  });
}

template <class Row>
bool append(std::vector<Row>& rows, std::string_view bytes) {
  return read_row(bytes, rows.emplace_back());
}

// True if the numbers that `of` takes from the rows rise strictly and stay below `limit`.
template <class Row>
bool rising(const std::vector<Row>& rows, std::uint32_t Row::* of, std::size_t limit) {
  if (!rows.empty() && rows.back().*of >= limit) return false;
  return std::ranges::adjacent_find(rows, std::ranges::greater_equal{}, of) == rows.end();
}

bool is_symbol(std::uint32_t index, std::size_t symbols) { return index == core::kNoSymbol || index < symbols; }

bool is_decimal(const core::Decimal& decimal) {
  return decimal.mantissa <= static_cast<std::uint64_t>(core::kValueMax) && decimal.digits <= kDigitsMax;
}

std::string length_fault(std::string_view list, std::size_t length, std::uint32_t expected) {
  return std::string(list) + ": " + std::to_string(length) + " instead of " + std::to_string(expected);
}

}  // namespace

bool CommandRows::read(std::uint64_t field, std::string_view bytes) {
  any_ = true;
  switch (field) {
    case 20:
      return append(terms_, bytes);
    case 24:
      return append(amend_terms_, bytes);
    case 25:
      return append(expected_versions_, bytes);
    case 26:
      return append(mass_cancels_, bytes);
    case 27:
      return append(trading_states_, bytes);
    default:
      return append(limits_, bytes);
  }
}

void CommandRows::clear() {
  if (!any_) return;
  any_ = false;
  terms_.clear();
  amend_terms_.clear();
  expected_versions_.clear();
  mass_cancels_.clear();
  trading_states_.clear();
  limits_.clear();
}

CommandRows::Fault CommandRows::check(std::string_view kinds, const CommandCounts& counts, std::size_t symbols,
                                      const std::vector<std::uint32_t>& amend_symbols) const {
  const struct {
    std::string_view list;
    std::size_t length;
    CommandKind kind;
  } lengths[] = {{"mass_cancels", mass_cancels_.size(), CommandKind::kMassCancel},
                 {"trading_states", trading_states_.size(), CommandKind::kSetTradingState},
                 {"limits", limits_.size(), CommandKind::kSetLimits}};
  for (const auto& [list, length, kind] : lengths) {
    if (length != counts[kind]) return length_fault(list, length, counts[kind]);
  }
  if (!any_) return std::nullopt;
  if (Fault fault = check_terms(counts[CommandKind::kNewOrder])) return fault;
  if (Fault fault = check_amend_terms(counts[CommandKind::kAmendOrder], amend_symbols)) return fault;
  if (Fault fault = check_expected_versions(kinds)) return fault;
  if (Fault fault = check_mass_cancels(symbols)) return fault;
  if (Fault fault = check_trading_states(symbols)) return fault;
  return check_limits();
}

CommandRows::Fault CommandRows::check_terms(std::uint32_t orders) const {
  if (!rising(terms_, &core::OrderTerms::row, orders)) return "terms: order_index is out of range or does not rise";
  for (const core::OrderTerms& row : terms_) {
    if (row.expire_at.value < 0) return "terms: expire_at_ns is out of range";
    if (static_cast<std::uint64_t>(row.stp) > kSelfTradePreventionMax) return "terms: unknown self_trade_prevention";
    if (!is_label(row.stp_group)) return "terms: one stp_group is not up to 64 printable ASCII characters";
    if (!is_label(row.tag)) return "terms: one tag is not up to 64 printable ASCII characters";
    if (!is_label(row.session)) return "terms: one session is not up to 64 printable ASCII characters";
  }
  return std::nullopt;
}

CommandRows::Fault CommandRows::check_amend_terms(std::uint32_t amends,
                                                  const std::vector<std::uint32_t>& amend_symbols) const {
  if (!rising(amend_terms_, &core::AmendTerms::row, amends)) {
    return "amend_terms: amend_index is out of range or does not rise";
  }
  for (const core::AmendTerms& row : amend_terms_) {
    if (row.expire_at.value < 0) return "amend_terms: expire_at_ns is out of range";
    if (std::max({row.limit_price_digits, row.quantity_digits, row.stop_price_digits}) > kDigitsMax) {
      return "amend_terms: more than 18 fraction digits";
    }
    if (row.decimal && amend_symbols[row.row] != core::kNoSymbol) return "amend_terms: decimal beside amend_symbol";
  }
  return std::nullopt;
}

CommandRows::Fault CommandRows::check_expected_versions(std::string_view kinds) const {
  if (!rising(expected_versions_, &core::ExpectedVersion::command, kinds.size())) {
    return "expected_versions: command_index is out of range or does not rise";
  }
  for (const core::ExpectedVersion& row : expected_versions_) {
    const auto kind = static_cast<CommandKind>(kinds[row.command]);
    if (kind != CommandKind::kCancelOrder && kind != CommandKind::kAmendOrder) {
      return "expected_versions: a command is neither cancel nor amend";
    }
  }
  return std::nullopt;
}

CommandRows::Fault CommandRows::check_mass_cancels(std::size_t symbols) const {
  for (const core::MassCancel& row : mass_cancels_) {
    if (!is_symbol(row.symbol, symbols)) return "mass_cancels: symbol out of range";
    if (row.side > static_cast<std::uint8_t>(core::Side::kSell)) return "mass_cancels: unknown side";
    if (!is_label(row.tag)) return "mass_cancels: one tag is not up to 64 printable ASCII characters";
    if (!is_label(row.session)) return "mass_cancels: one session is not up to 64 printable ASCII characters";
  }
  return std::nullopt;
}

CommandRows::Fault CommandRows::check_trading_states(std::size_t symbols) const {
  for (const core::TradingStateChange& row : trading_states_) {
    if (!row.account.empty() && !is_name(row.account)) return "trading_states: one account is not a name";
    if (!is_symbol(row.symbol, symbols)) return "trading_states: symbol out of range";
  }
  return std::nullopt;
}

CommandRows::Fault CommandRows::check_limits() const {
  for (const auto& [account, limits] : limits_) {
    if (!is_name(account)) return "limits: one account is not a name";
    for (const core::Decimal& decimal :
         {limits.max_order_quantity, limits.max_order_notional, limits.max_open_notional, limits.max_position}) {
      if (!is_decimal(decimal)) return "limits: a decimal is above 2^62 or has more than 18 fraction digits";
    }
    if (limits.band_ppm > kBandMaxPpm) return "limits: price_band_ppm is above 10^9";
  }
  return std::nullopt;
}

}  // namespace ordergate::rpc
