#include "rpc/event_frame.h"

#include <algorithm>
#include <charconv>

namespace ordergate::rpc {
namespace {

using core::Event;
using wire::Buffer;
using wire::Type;

constexpr std::uint64_t kFormat = 1;

// Decimal digits of a notional; none for 0.
std::string_view digits(core::Notional value, char (&text)[40]) {
  char* const end = text + sizeof text;
  char* at = end;
  for (; value >> 64 != 0; value /= 10) *--at = static_cast<char>('0' + static_cast<unsigned>(value % 10));
  for (auto rest = static_cast<std::uint64_t>(value); rest != 0; rest /= 10) *--at = static_cast<char>('0' + rest % 10);
  return {at, static_cast<std::size_t>(end - at)};
}

// True if after the event the order has other terms than its NewOrder asked for; DAY alone gets an end.
bool revises(core::EventKind kind, core::TimeInForce time_in_force) {
  using core::EventKind;
  if (kind == EventKind::kAccepted) return time_in_force == core::TimeInForce::kDay;
  return kind == EventKind::kAmended || kind == EventKind::kTriggered || kind == EventKind::kRestated;
}

void put_field(Buffer& out, unsigned field, std::string_view bytes) {
  out.advance(wire::put_varint(wire::put_tag(out.reserve(20), field, Type::kBytes), bytes.size()));
  out.append(bytes);
}

void put_number(Buffer& out, unsigned field, std::uint64_t value) {
  out.advance(wire::put_uint(out.reserve(20), field, value));
}

}  // namespace

std::string EventFrameEncoder::encode(LogId id, const core::CommandFrame& frame, const core::EventSink& sink) {
  clear();
  writer_.begin(id, frame, sink);
  std::uint32_t index = 0;
  for (const Event& event : sink.events) add_event(event, index++);
  for (const core::Trade& trade : sink.trades) add_trade(trade);
  assemble(frame);
  return std::string(out_.view());
}

void EventFrameEncoder::clear() {
  for (std::uint32_t slot = 0; slot < used_; ++slot) slot_of_account_[slots_[slot].account] = 0;
  used_ = 0;
  symbols_.clear();
  for (Buffer& column : columns_) column.clear();
  out_.clear();
}

std::uint32_t EventFrameEncoder::slot_of(std::uint32_t account, core::Sequence seq) {
  if (account >= slot_of_account_.size()) slot_of_account_.resize(engine_.accounts());
  std::uint32_t& slot = slot_of_account_[account];
  if (slot == 0) {
    slot = ++used_;
    if (slots_.size() < used_) slots_.emplace_back();
    Slot& fresh = slots_[slot - 1];
    fresh.account = account;
    fresh.first_seq = seq;
    fresh.count = 0;
    fresh.events.clear();
  }
  return slot - 1;
}

std::uint32_t EventFrameEncoder::symbol_index(std::uint32_t symbol) {
  const auto found = std::find(symbols_.begin(), symbols_.end(), symbol);
  const auto index = static_cast<std::uint32_t>(found - symbols_.begin());
  if (found == symbols_.end()) symbols_.push_back(symbol);
  return index;
}

void EventFrameEncoder::add_event(const Event& event, std::uint32_t index) {
  const std::uint32_t slot = slot_of(event.account, event.seq);
  Buffer& events = slots_[slot].events;
  ++slots_[slot].count;
  events.advance(writer_.write(index, events.reserve(kOrderEventMax)));
  if (event.order == 0) return add_columns(event, slot, {});
  const core::Order& order = engine_.order(event.order);
  add_columns(event, slot, order.id);
  if (revises(event.kind, order.time_in_force)) add_terms(index);
}

void EventFrameEncoder::add_columns(const Event& event, std::uint32_t slot, core::OrderId id) {
  column(6).put(static_cast<char>(event.kind));
  column(7).varint(event.command);
  column(8).varint(slot);
  column(9).varint(event.seq.value);
  char* const ids = column(10).reserve(sizeof id);
  id.write(ids);
  column(10).advance(ids + sizeof id);
  column(11).put(static_cast<char>(event.status));
  column(12).put(static_cast<char>(event.reason));
  column(13).put(static_cast<char>(event.cause));
  column(14).varint(static_cast<std::uint64_t>(event.executed.value));
  column(15).varint(static_cast<std::uint64_t>(event.leaves.value));
  column(16).varint(event.version);
  char text[40];
  put_field(column(17), 17, digits(event.notional, text));
  column(26).put(event.answers ? 1 : 0);
}

void EventFrameEncoder::add_terms(std::uint32_t index) {
  const Terms terms = writer_.terms(index);
  Buffer& rows = column(27);
  const wire::Nested row(rows.reserve(80), 27);
  char* end = wire::put_uint(row.start(), 1, index);
  end = wire::put_uint(end, 2, static_cast<std::uint64_t>(terms.quantity.value));
  end = wire::put_uint(end, 3, static_cast<std::uint64_t>(terms.price.value));
  end = wire::put_uint(end, 4, static_cast<std::uint64_t>(terms.stop_price.value));
  end = wire::put_fixed64(end, 5, static_cast<std::uint64_t>(terms.expire_at.value));
  rows.advance(row.close(end));
}

void EventFrameEncoder::add_trade(const core::Trade& trade) {
  column(18).varint(trade.number.value);
  column(19).varint(symbol_index(trade.symbol));
  column(21).varint(static_cast<std::uint64_t>(trade.price.value));
  column(22).varint(static_cast<std::uint64_t>(trade.quantity.value));
  column(23).put(static_cast<char>(trade.taker_side));
  column(24).varint(trade.maker_event);
  column(25).varint(trade.maker_event + 1);
}

void EventFrameEncoder::assemble(const core::CommandFrame& frame) {
  put_number(out_, 1, kFormat);
  out_.advance(wire::put_fixed64(out_.reserve(16), 2, static_cast<std::uint64_t>(engine_.time().value)));
  put_number(out_, 3, frame.size());
  assemble_accounts();
  for (unsigned field = kFirstColumn; field <= kLastColumn; ++field) {
    if (field == 17 || field == 27) {  // strings and messages: the column holds them with tag and length
      out_.append(column(field).view());
    } else if (field == 20) {
      for (const std::uint32_t symbol : symbols_) put_field(out_, field, engine_.symbol(symbol));
    } else if (column(field).size() != 0) {
      put_field(out_, field, column(field).view());
    }
  }
}

void EventFrameEncoder::assemble_accounts() {
  for (std::uint32_t slot = 0; slot < used_; ++slot) put_field(out_, 4, engine_.account(slots_[slot].account));
  for (std::uint32_t slot = 0; slot < used_; ++slot) {
    const Slot& of = slots_[slot];
    char head[64];
    char* end = wire::put_uint(head, 1, slot);
    end = wire::put_uint(end, 2, of.first_seq.value);
    end = wire::put_uint(end, 3, of.count);
    end = wire::put_varint(wire::put_tag(end, 4, Type::kBytes), of.events.size());
    const auto head_size = static_cast<std::size_t>(end - head);
    out_.advance(wire::put_varint(wire::put_tag(out_.reserve(20), 5, Type::kBytes), head_size + of.events.size()));
    out_.append({head, head_size});
    out_.append(of.events.view());
  }
}

}  // namespace ordergate::rpc
