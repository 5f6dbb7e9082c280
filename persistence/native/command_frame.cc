// CommandFrame.
#include <algorithm>
#include <functional>

#include "checks.h"
#include "frames.h"
#include "wire.h"

namespace ordergate::rows {
namespace {

// Field 1 of a row of which nothing else is needed.
bool read_index(std::string_view row, std::vector<std::uint32_t>& indexes) {
  Reader in(row);
  indexes.push_back(0);
  while (in.next()) {
    if (in.field() == 1) indexes.back() = static_cast<std::uint32_t>(in.number(kIndexMax));
  }
  return !in.failed();
}

}  // namespace

bool CommandFrame::read(std::string_view frame) {
  constexpr unsigned kPlain = 1u << kNewOrder | 1u << kCancelOrder | 1u << kAmendOrder | 1u << kTick | 1u << kFence;
  clear();
  return read_fields(frame) && format_ == kFormat && !has_operations_ && all_in(kinds, kPlain) && is_even();
}

// Memory is kept from frame to frame.
void CommandFrame::clear() {
  queued_us = 0;
  for (auto* texts : {&accounts, &symbols, &command_ids}) texts->clear();
  for (auto* bytes : {&kinds, &keys, &sides, &order_types, &times_in_force, &flags, &targets}) *bytes = {};
  for (auto* column : {&account_index, &age_us, &symbol_index, &amend_symbols_, &amend_rows_, &version_rows_}) {
    column->clear();
  }
  for (auto* column : {&limit_prices, &quantities, &amend_prices_, &amend_quantities_}) column->clear();
  more.clear();
  format_ = 0;
  has_operations_ = false;
}

bool CommandFrame::read_fields(std::string_view frame) {
  Reader in(frame);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        format_ = in.number();
        break;
      case 2:
        queued_us = static_cast<std::int64_t>(in.fixed() / 1000);
        break;
      case 3:
        in.text();
        break;
      case 4:
        accounts.push_back(in.text());
        break;
      case 5:
        symbols.push_back(in.text());
        break;
      case 6:
        kinds = in.bytes();
        break;
      case 7:
        keys = in.bytes();
        break;
      case 8:
        command_ids.push_back(in.text());
        break;
      case 9:
        in.numbers(account_index, kIndexMax);
        break;
      case 10:
        in.numbers(age_us, kIndexMax);
        break;
      case 11:
        in.numbers(symbol_index, kIndexMax);
        break;
      case 12:
        sides = in.bytes();
        break;
      case 13:
        order_types = in.bytes();
        break;
      case 14:
        times_in_force = in.bytes();
        break;
      case 15:
        flags = in.bytes();
        break;
      case 16:
        in.numbers(limit_prices);
        break;
      case 17:
        in.numbers(quantities);
        break;
      case 18:
        targets = in.bytes();
        break;
      default:
        if (!read_rare(in)) return false;
        break;
    }
  }
  return !in.failed();
}

// What few frames have.
bool CommandFrame::read_rare(Reader& in) {
  switch (in.field()) {
    case 20:
      return read_more(in.bytes());
    case 21:
      in.numbers(amend_prices_);
      break;
    case 22:
      in.numbers(amend_quantities_);
      break;
    case 23:
      in.numbers(amend_symbols_, kIndexMax);
      break;
    case 24:
      return read_index(in.bytes(), amend_rows_);
    case 25:
      return read_index(in.bytes(), version_rows_);
    case 26:
    case 27:
    case 28:
      has_operations_ = true;
      break;
    default:
      break;
  }
  return true;
}

bool CommandFrame::read_more(std::string_view row) {
  Reader in(row);
  More& of = more.emplace_back();
  while (in.next()) {
    switch (in.field()) {
      case 1:
        of.order = static_cast<std::uint32_t>(in.number(kIndexMax));
        break;
      case 2:
        of.stop_price = static_cast<std::int64_t>(in.number());
        break;
      case 3:
        of.display = static_cast<std::int64_t>(in.number());
        break;
      case 4:
        of.expire_us = static_cast<std::int64_t>(in.fixed() / 1000);
        break;
      case 5:
        of.stp = static_cast<std::uint32_t>(in.number(kSmallMax));
        break;
      case 6:
        of.stp_group = in.text();
        break;
      case 7:
        of.tag = in.text();
        break;
      case 8:
        of.session = in.text();
        break;
      case 9:
        of.cancel_on_disconnect = in.number() != 0;
        break;
      default:
        break;
    }
  }
  return !in.failed();
}

// Whether every column has the length that it must have, and every index is
// within its table.
bool CommandFrame::is_even() const {
  const std::size_t count = kinds.size();
  const auto of_kind = [this](char kind) { return static_cast<std::size_t>(std::ranges::count(kinds, kind)); };
  const std::size_t orders = of_kind(kNewOrder), amends = of_kind(kAmendOrder);
  const auto all = [](std::size_t size, const auto&... columns) { return ((columns.size() == size) && ...); };
  return count <= kIntMax && keys.size() == kKeySize * count && all(count, command_ids, account_index, age_us) &&
         all(orders, symbol_index, sides, order_types, times_in_force, flags, limit_prices, quantities) &&
         targets.size() == kKeySize * (of_kind(kCancelOrder) + amends) &&
         all(amends, amend_prices_, amend_quantities_, amend_symbols_) && all_below(account_index, accounts.size()) &&
         all_below(symbol_index, symbols.size()) && all_below(amend_symbols_, symbols.size() + 1) &&
         rises(more, orders, &More::order) && rises(amend_rows_, amends, std::identity{}) &&
         rises(version_rows_, count, std::identity{});
}

}  // namespace ordergate::rows
