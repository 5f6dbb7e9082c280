#include "rpc/order_event.h"

#include <cassert>
#include <charconv>

#include "rpc/failure.h"
#include "rpc/wire.h"

namespace ordergate::rpc {
namespace {

using core::Event;
using core::EventKind;
using core::Order;
using core::Reason;
using instruments::Grid;
using instruments::kDecimalMax;
using wire::Nested;
using wire::put_bool;
using wire::put_text;
using wire::put_time;
using wire::put_uint;

char* put_uuid(char* out, unsigned field, const core::OrderId& id) {
  constexpr char kHex[] = "0123456789abcdef";
  unsigned char bytes[sizeof id];
  id.write(reinterpret_cast<char*>(bytes));
  char text[36];
  char* at = text;
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    *at++ = kHex[bytes[i] >> 4];
    *at++ = kHex[bytes[i] & 15];
  }
  return put_text(out, field, {text, sizeof text});
}

char* put_decimal(char* out, unsigned field, const Grid& grid, std::int64_t steps) {
  char text[kDecimalMax];
  const char* end = grid.format(steps, text);
  return put_text(out, field, {text, static_cast<std::size_t>(end - text)});
}

char* put_mean(char* out, unsigned field, const Grid& grid, core::Notional total, std::int64_t count) {
  char text[kDecimalMax];
  const char* end = grid.format_mean(total, count, text);
  return put_text(out, field, {text, static_cast<std::size_t>(end - text)});
}

char* put_number(char* out, unsigned field, const core::Decimal& number) {
  if (number.mantissa == 0) return out;
  char text[kDecimalMax];
  const char* end = instruments::format(number, text);
  return put_text(out, field, {text, static_cast<std::size_t>(end - text)});
}

char* copy(char* out, const std::string& bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

// A field of a time, as bytes.
std::string time_field(unsigned field, core::Time time) {
  char text[32];
  return {text, put_time(text, field, time)};
}

}  // namespace

void OrderEventWriter::begin(LogId id, const core::CommandFrame& frame, const core::EventSink& sink) {
  frame_ = &frame;
  sink_ = &sink;
  next_ = {};
  history_.begin(sink.revisions);
  cursor_ = std::to_string(shard_) + ":" + id.text() + ":";
  engine_at_ = time_field(9, engine_.time());
  updated_at_ = time_field(19, engine_.time());
}

char* OrderEventWriter::write(std::uint32_t index, char* out) {
  const Event& event = sink_->events[index];
  const Nested message(out, 2);
  char* end = put_uint(message.start(), 1, event.seq.value);
  end = put_uint(end, 2, static_cast<std::uint64_t>(event.kind));
  if (event.answers) end = put_text(end, 3, frame_->command_ids[event.command]);
  if (event.order != 0) end = write_order(event, index, end);
  if (event.kind == EventKind::kFill) end = write_fill(event, end);
  if (event.reason != Reason::kNone) end = write_refusal(event, end);
  end = put_uint(end, 7, static_cast<std::uint64_t>(event.cause));
  if (event.kind == EventKind::kAmended) end = put_bool(end, 8, event.priority_kept);
  end = write_cursor(index, copy(end, engine_at_));
  end = put_uint(end, 11, shard_);
  if (event.order == 0) end = write_operation(event, end);
  return message.close(end);
}

Terms OrderEventWriter::terms(std::uint32_t index) const {
  const std::uint32_t order = sink_->events[index].order;
  return history_.at(index, order, engine_.order(order));
}

char* OrderEventWriter::write_order(const Event& event, std::uint32_t index, char* out) {
  const Order& order = engine_.order(event.order);
  const Terms terms = history_.at(index, event.order, order);
  const Nested message(out, 4);
  char* end = write_terms(order, terms, message.start());
  end = write_state(event, order, end);
  end = write_last_change(event, index, end);
  end = put_uint(end, 21, static_cast<std::uint64_t>(order.reject_reason));
  if (order.extras == 0) return message.close(put_uint(end, 25, static_cast<std::uint64_t>(order.stp)));
  return message.close(write_extras(order, terms, end));
}

char* OrderEventWriter::write_terms(const Order& order, const Terms& terms, char* out) const {
  const instruments::Instrument* of = instrument(order);
  out = put_uuid(out, 1, order.id);
  out = put_text(out, 2, order.command_id());
  out = put_text(out, 3, engine_.account(order.account));
  out = put_text(out, 4, engine_.symbol(order.symbol));
  out = put_uint(out, 5, static_cast<std::uint64_t>(order.side));
  out = put_uint(out, 6, static_cast<std::uint64_t>(order.type));
  out = put_uint(out, 7, static_cast<std::uint64_t>(order.time_in_force));
  if (of != nullptr && terms.quantity.value > 0) out = put_decimal(out, 8, of->quantity, terms.quantity.value);
  if (of != nullptr && terms.price.value > 0) out = put_decimal(out, 9, of->price, terms.price.value);
  if (of != nullptr && terms.stop_price.value > 0) out = put_decimal(out, 10, of->price, terms.stop_price.value);
  return put_uint(out, 11, order.flags & core::kPostOnly);
}

char* OrderEventWriter::write_state(const Event& event, const Order& order, char* out) const {
  const instruments::Instrument* of = instrument(order);
  out = put_uint(out, 12, static_cast<std::uint64_t>(event.status));
  if (of != nullptr) {
    out = put_decimal(out, 13, of->quantity, event.executed.value);
    out = put_decimal(out, 14, of->quantity, event.leaves.value);
    if (event.executed.value > 0) out = put_mean(out, 15, of->price, event.notional, event.executed.value);
  }
  out = put_uint(out, 16, event.version);
  out = put_time(out, 17, order.created_at());
  return put_time(out, 18, order.queued_at);
}

// The event itself, unless it only tells of the order.
char* OrderEventWriter::write_last_change(const Event& event, std::uint32_t index, char* out) {
  if (core::changes_order(event.kind)) return put_uint(copy(out, updated_at_), 20, event.seq.value);
  const auto& changes = sink_->last_changes;
  while (next_.last_change < changes.size() && changes[next_.last_change].event < index) ++next_.last_change;
  assert(next_.last_change < changes.size() && changes[next_.last_change].event == index);
  const core::LastChange& last = changes[next_.last_change];
  return put_uint(put_time(out, 19, last.updated_at), 20, last.seq.value);
}

char* OrderEventWriter::write_extras(const Order& order, const Terms& terms, char* out) const {
  const instruments::Instrument* of = instrument(order);
  const core::Extras& extras = *engine_.extras(order);
  if (of != nullptr && extras.display.value > 0) out = put_decimal(out, 22, of->quantity, extras.display.value);
  if (terms.expire_at.value != 0) out = put_time(out, 23, terms.expire_at);
  if (extras.tag != 0) out = put_text(out, 24, engine_.label(extras.tag));
  out = put_uint(out, 25, static_cast<std::uint64_t>(order.stp));
  if (extras.stp_group != 0) out = put_text(out, 26, engine_.label(extras.stp_group));
  out = put_uint(out, 27, extras.cancel_on_disconnect);
  return extras.session == 0 ? out : put_text(out, 28, engine_.label(extras.session));
}

// Fills come in pairs, the maker's first.
char* OrderEventWriter::write_fill(const Event& event, char* out) {
  const core::Trade& trade = sink_->trades[next_.trade];
  if (event.liquidity == core::Liquidity::kTaker) ++next_.trade;
  const instruments::Instrument* of = instrument(engine_.order(event.order));
  const Nested message(out, 5);
  char id[40];
  const char* id_end = std::to_chars(copy(id, trade_prefix_), id + sizeof id, trade.number.value).ptr;
  char* end = put_text(message.start(), 1, {id, static_cast<std::size_t>(id_end - id)});
  end = put_decimal(end, 2, of->quantity, trade.quantity.value);
  end = put_decimal(end, 3, of->price, trade.price.value);
  return message.close(put_uint(end, 4, static_cast<std::uint64_t>(event.liquidity)));
}

char* OrderEventWriter::write_refusal(const Event& event, char* out) const {
  const core::Time valid_until = frame_->valid_until.empty() ? core::Time{0} : frame_->valid_until[event.command];
  Refusal refusal{.command = frame_->kinds[event.command],
                  .reason = event.reason,
                  .deadline_passed = valid_until.value != 0 && valid_until < engine_.time(),
                  .stop_price = false};
  if (event.reason == Reason::kPriceBand && event.order != 0) {
    const Order& order = engine_.order(event.order);
    refusal.stop_price = order.type == core::OrderType::kStop || has_stop_beyond(order);
  }
  return put_failure(out, 6, refusal);
}

// True if a refused order's stop price is one that the instrument does not take at all.
bool OrderEventWriter::has_stop_beyond(const Order& order) const {
  const instruments::Instrument* of = instrument(order);
  if (order.type != core::OrderType::kStopLimit || order.extras == 0 || of == nullptr) return false;
  const core::Price stop = engine_.extras(order)->stop_price;
  return stop < of->limits.min_price || stop > of->limits.max_price;
}

char* OrderEventWriter::write_cursor(std::uint32_t index, char* out) const {
  char cursor[80];
  std::memcpy(cursor, cursor_.data(), cursor_.size());
  const char* end = std::to_chars(cursor + cursor_.size(), cursor + sizeof cursor, index).ptr;
  return put_text(out, 10, {cursor, static_cast<std::size_t>(end - cursor)});
}

char* OrderEventWriter::write_operation(const Event& event, char* out) {
  switch (event.kind) {
    case EventKind::kMassCancelDone:
      return write_mass_cancel(out);
    case EventKind::kTradingState:
      return write_trading_state(out);
    case EventKind::kLimits:
      return write_limits(out);
    default:
      return out;
  }
}

char* OrderEventWriter::write_mass_cancel(char* out) {
  const core::MassCancelTold& told = sink_->mass_cancels[next_.mass_cancel++];
  const Nested message(out, 12);
  return message.close(put_uint(put_uint(message.start(), 1, told.matched), 2, told.canceled));
}

char* OrderEventWriter::write_trading_state(char* out) {
  constexpr std::uint32_t kAll = core::TradingStateTold::kNone;
  const core::TradingStateTold& told = sink_->trading_states[next_.trading_state++];
  const Nested message(out, 13);
  char* end = message.start();
  if (told.account != kAll) end = put_text(end, 1, engine_.account(told.account));
  if (told.symbol != kAll) end = put_text(end, 2, engine_.symbol(told.symbol));
  return message.close(put_uint(end, 3, static_cast<std::uint64_t>(told.state)));
}

char* OrderEventWriter::write_limits(char* out) {
  const core::Limits& limits = sink_->limits[next_.limits++].limits;
  const Nested message(out, 14);
  char* end = put_number(message.start(), 1, limits.max_order_quantity);
  end = put_number(end, 2, limits.max_order_notional);
  end = put_uint(end, 3, limits.max_open_orders);
  end = put_number(end, 4, limits.max_open_notional);
  end = put_number(end, 5, limits.max_position);
  return message.close(put_number(end, 6, instruments::band(limits.band_ppm)));
}

const instruments::Instrument* OrderEventWriter::instrument(const Order& order) const {
  return order.symbol < instruments_.rows.size() ? &instruments_.rows[order.symbol] : nullptr;
}

}  // namespace ordergate::rpc
