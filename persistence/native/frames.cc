#include "frames.h"

#include <algorithm>
#include <functional>

#include "wire.h"

namespace ordergate::rows {
namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::uint64_t kSmallMax = INT16_MAX;
constexpr std::uint64_t kIntMax = INT32_MAX;
constexpr std::uint64_t kIndexMax = UINT32_MAX;

// Whether all kinds are in `known`, a set of bits.
bool all_in(std::string_view kinds, unsigned known) {
  return std::ranges::all_of(kinds, [known](char kind) {
    const auto bit = static_cast<unsigned char>(kind);
    return bit < 32 && (known >> bit & 1u) != 0;
  });
}

bool all_below(const std::vector<std::uint32_t> &indexes, std::size_t count) {
  return std::ranges::all_of(
      indexes, [count](std::uint32_t index) { return index < count; });
}

// Whether rows for what is rare are in the order of what they belong to, and
// within it.
template <class Rows, class Index>
bool rises(const Rows &rows, std::size_t count, Index index) {
  return rows.empty() ||
         (std::ranges::adjacent_find(rows, std::ranges::greater_equal{},
                                     index) == rows.end() &&
          std::invoke(index, rows.back()) < count);
}

// Field 1 of a row of which nothing else is needed.
bool read_index(std::string_view row, std::vector<std::uint32_t> &indexes) {
  Reader in(row);
  indexes.push_back(0);
  while (in.next()) {
    if (in.field() == 1)
      indexes.back() = static_cast<std::uint32_t>(in.number(kIndexMax));
  }
  return !in.failed();
}

bool is_number(std::string_view digits) {
  return std::ranges::all_of(
      digits, [](char digit) { return digit >= '0' && digit <= '9'; });
}

} // namespace

bool CommandFrame::read(std::string_view frame) {
  constexpr unsigned kPlain = 1u << kNewOrder | 1u << kCancelOrder |
                              1u << kAmendOrder | 1u << kTick | 1u << kFence;
  clear();
  return read_fields(frame) && format_ == kFormat && !has_operations_ &&
         all_in(kinds, kPlain) && is_even();
}

// Memory is kept from frame to frame.
void CommandFrame::clear() {
  queued_us = 0;
  for (auto *texts : {&accounts, &symbols, &command_ids})
    texts->clear();
  for (auto *bytes :
       {&kinds, &keys, &sides, &order_types, &times_in_force, &flags, &targets})
    *bytes = {};
  for (auto *column : {&account_index, &age_us, &symbol_index, &amend_symbols_,
                       &amend_rows_, &version_rows_}) {
    column->clear();
  }
  for (auto *column :
       {&limit_prices, &quantities, &amend_prices_, &amend_quantities_})
    column->clear();
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
    case 20:
      if (!read_more(in.bytes()))
        return false;
      break;
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
      if (!read_index(in.bytes(), amend_rows_))
        return false;
      break;
    case 25:
      if (!read_index(in.bytes(), version_rows_))
        return false;
      break;
    case 26:
    case 27:
    case 28:
      has_operations_ = true;
      break;
    default:
      break;
    }
  }
  return !in.failed();
}

bool CommandFrame::read_more(std::string_view row) {
  Reader in(row);
  More &of = more.emplace_back();
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
  const auto of_kind = [this](char kind) {
    return static_cast<std::size_t>(std::ranges::count(kinds, kind));
  };
  const std::size_t orders = of_kind(kNewOrder), amends = of_kind(kAmendOrder);
  const auto all = [](std::size_t size, const auto &...columns) {
    return ((columns.size() == size) && ...);
  };
  return count <= kIntMax && keys.size() == kKeySize * count &&
         all(count, command_ids, account_index, age_us) &&
         all(orders, symbol_index, sides, order_types, times_in_force, flags,
             limit_prices, quantities) &&
         targets.size() == kKeySize * (of_kind(kCancelOrder) + amends) &&
         all(amends, amend_prices_, amend_quantities_, amend_symbols_) &&
         all_below(account_index, accounts.size()) &&
         all_below(symbol_index, symbols.size()) &&
         all_below(amend_symbols_, symbols.size() + 1) &&
         rises(more, orders, &More::order) &&
         rises(amend_rows_, amends, std::identity{}) &&
         rises(version_rows_, count, std::identity{});
}

bool EventFrame::read(std::string_view frame) {
  // All but COMMAND_REJECTED and those that operations yield.
  constexpr unsigned kPlain = 0b11'0010'0111'1111'1110u;
  clear();
  return read_fields(frame) && format_ == kFormat && all_in(kinds, kPlain) &&
         is_even() && is_within();
}

void EventFrame::clear() {
  engine_time_ns = 0;
  for (auto *texts : {&accounts, &symbols, &notionals})
    texts->clear();
  account_events.clear();
  for (auto *bytes : {&kinds, &order_ids, &statuses, &reasons, &causes,
                      &taker_sides, &answers_})
    *bytes = {};
  for (auto *column : {&account_index, &versions, &trade_symbols, &maker_events,
                       &taker_events, &command_index_}) {
    column->clear();
  }
  for (auto *column : {&seqs, &executed, &leaves, &trade_numbers, &trade_prices,
                       &trade_quantities})
    column->clear();
  revisions.clear();
  format_ = 0;
}

bool EventFrame::read_fields(std::string_view frame) {
  Reader in(frame);
  while (in.next()) {
    switch (in.field()) {
    case 1:
      format_ = in.number();
      break;
    case 2:
      engine_time_ns = static_cast<std::int64_t>(in.fixed());
      break;
    case 4:
      accounts.push_back(in.text());
      break;
    case 5:
      if (!read_account_events(in.bytes()))
        return false;
      break;
    case 6:
      kinds = in.bytes();
      break;
    case 7:
      in.numbers(command_index_, kIndexMax);
      break;
    case 8:
      in.numbers(account_index, kIndexMax);
      break;
    case 9:
      in.numbers(seqs);
      break;
    case 10:
      order_ids = in.bytes();
      break;
    case 11:
      statuses = in.bytes();
      break;
    case 12:
      reasons = in.bytes();
      break;
    case 13:
      causes = in.bytes();
      break;
    case 14:
      in.numbers(executed);
      break;
    case 15:
      in.numbers(leaves);
      break;
    case 16:
      in.numbers(versions, kIntMax);
      break;
    case 17:
      notionals.push_back(in.text());
      break;
    case 18:
      in.numbers(trade_numbers);
      break;
    case 19:
      in.numbers(trade_symbols, kIndexMax);
      break;
    case 20:
      symbols.push_back(in.text());
      break;
    case 21:
      in.numbers(trade_prices);
      break;
    case 22:
      in.numbers(trade_quantities);
      break;
    case 23:
      taker_sides = in.bytes();
      break;
    case 24:
      in.numbers(maker_events, kIndexMax);
      break;
    case 25:
      in.numbers(taker_events, kIndexMax);
      break;
    case 26:
      answers_ = in.bytes();
      break;
    case 27:
      if (!read_revision(in.bytes()))
        return false;
      break;
    default:
      break;
    }
  }
  return !in.failed();
}

bool EventFrame::read_account_events(std::string_view part) {
  Reader in(part);
  AccountEvents &of = account_events.emplace_back();
  while (in.next()) {
    switch (in.field()) {
    case 1:
      of.account = static_cast<std::uint32_t>(in.number(kIndexMax));
      break;
    case 2:
      of.first_seq = static_cast<std::int64_t>(in.number(INT64_MAX / 2));
      break;
    case 3:
      of.count = static_cast<std::uint32_t>(in.number(kIndexMax));
      break;
    case 4:
      of.events = in.bytes();
      break;
    default:
      break;
    }
  }
  return !in.failed();
}

bool EventFrame::read_revision(std::string_view row) {
  Reader in(row);
  Revision &of = revisions.emplace_back();
  while (in.next()) {
    switch (in.field()) {
    case 1:
      of.event = static_cast<std::uint32_t>(in.number(kIndexMax));
      break;
    case 2:
      of.quantity = static_cast<std::int64_t>(in.number());
      break;
    case 3:
      of.limit_price = static_cast<std::int64_t>(in.number());
      break;
    case 4:
      of.stop_price = static_cast<std::int64_t>(in.number());
      break;
    case 5:
      of.expire_us = static_cast<std::int64_t>(in.fixed() / 1000);
      break;
    default:
      break;
    }
  }
  return !in.failed();
}

bool EventFrame::is_even() const {
  const std::size_t events = kinds.size(), trades = trade_numbers.size();
  const auto all = [](std::size_t size, const auto &...columns) {
    return ((columns.size() == size) && ...);
  };
  return order_ids.size() == kKeySize * events &&
         (answers_.empty() || answers_.size() == events) &&
         all(events, command_index_, account_index, seqs, statuses, reasons,
             causes, executed, leaves, versions, notionals) &&
         all(trades, trade_symbols, trade_prices, trade_quantities, taker_sides,
             maker_events, taker_events);
}

bool EventFrame::is_within() const {
  return all_below(account_index, accounts.size()) &&
         all_below(trade_symbols, symbols.size()) &&
         all_below(maker_events, kinds.size()) &&
         all_below(taker_events, kinds.size()) &&
         std::ranges::all_of(account_events,
                             [this](const auto &part) {
                               return part.account < accounts.size();
                             }) &&
         std::ranges::all_of(notionals, is_number) &&
         rises(revisions, kinds.size(), &Revision::event);
}

} // namespace ordergate::rows
