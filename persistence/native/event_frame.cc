// EventFrame.
#include <algorithm>
#include <functional>

#include "checks.h"
#include "frames.h"
#include "wire.h"

namespace ordergate::rows {
namespace {

bool is_number(std::string_view digits) {
  return std::ranges::all_of(digits, [](char digit) { return digit >= '0' && digit <= '9'; });
}

}  // namespace
bool EventFrame::read(std::string_view frame) {
  // All but COMMAND_REJECTED and those that operations yield.
  constexpr unsigned kPlain = 0b11'0010'0111'1111'1110u;
  clear();
  return read_fields(frame) && format_ == kFormat && all_in(kinds, kPlain) && is_even() && is_within();
}

void EventFrame::clear() {
  engine_time_ns = 0;
  for (auto* texts : {&accounts, &symbols, &notionals}) texts->clear();
  account_events.clear();
  for (auto* bytes : {&kinds, &order_ids, &statuses, &reasons, &causes, &taker_sides, &answers_}) *bytes = {};
  for (auto* column : {&account_index, &versions, &trade_symbols, &maker_events, &taker_events, &command_index_}) {
    column->clear();
  }
  for (auto* column : {&seqs, &executed, &leaves, &trade_numbers, &trade_prices, &trade_quantities}) column->clear();
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
        if (!read_account_events(in.bytes())) return false;
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
      case 26:
        answers_ = in.bytes();
        break;
      case 27:
        if (!read_revision(in.bytes())) return false;
        break;
      default:
        read_trades(in);
        break;
    }
  }
  return !in.failed();
}

void EventFrame::read_trades(Reader& in) {
  switch (in.field()) {
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
    default:
      break;
  }
}

bool EventFrame::read_account_events(std::string_view part) {
  Reader in(part);
  AccountEvents& of = account_events.emplace_back();
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
  Revision& of = revisions.emplace_back();
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
  const auto all = [](std::size_t size, const auto&... columns) { return ((columns.size() == size) && ...); };
  return order_ids.size() == kKeySize * events && (answers_.empty() || answers_.size() == events) &&
         all(events, command_index_, account_index, seqs, statuses, reasons, causes, executed, leaves, versions,
             notionals) &&
         all(trades, trade_symbols, trade_prices, trade_quantities, taker_sides, maker_events, taker_events);
}

bool EventFrame::is_within() const {
  return all_below(account_index, accounts.size()) && all_below(trade_symbols, symbols.size()) &&
         all_below(maker_events, kinds.size()) && all_below(taker_events, kinds.size()) &&
         std::ranges::all_of(account_events, [this](const auto& part) { return part.account < accounts.size(); }) &&
         std::ranges::all_of(notionals, is_number) && rises(revisions, kinds.size(), &Revision::event);
}

}  // namespace ordergate::rows
