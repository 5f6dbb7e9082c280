#include "rpc/order_event.h"

#include <charconv>

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
using wire::put_text;
using wire::put_time;
using wire::put_uint;

constexpr std::uint64_t kNotApplied = 1;  // ordergate.v1.Disposition; every refusal of the engine is one

// What people are told of a refusal.
struct Explanation {
  std::string_view field;
  std::string_view text;
};

Explanation explain(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return {};
    case Reason::kInvalidField:
      return {"new_order", "The terms of the order contradict each other."};
    case Reason::kUnknownSymbol:
      return {"new_order.symbol", "The engine has no such instrument."};
    case Reason::kPriceBand:
      return {"new_order.limit_price", "The price is outside of the instrument's allowed prices."};
    case Reason::kMaxOrderQuantity:
      return {"new_order.quantity", "The quantity exceeds the instrument's maximum for one order."};
    case Reason::kIdConflict:
      return {"command_id", "The command_id was used before with other content."};
    case Reason::kStale:
      return {"valid_until", "The command reached the engine after its valid_until."};
    case Reason::kUnknownOrder:
      return {"cancel_order.order", "The account has no order with this id."};
    case Reason::kTooLate:
      return {"", "The order is already filled, canceled or rejected."};
    case Reason::kWouldCross:
      return {"", "The post_only order would have traded at once."};
    case Reason::kEngineCapacity:
      return {"", "The engine holds as many orders as it can."};
  }
  return {};
}

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

char* put_failure(char* out, unsigned field, Reason reason) {
  const auto [path, text] = explain(reason);
  const Nested failure(out, field);
  char* end = put_uint(failure.start(), 1, static_cast<std::uint64_t>(reason));
  end = put_uint(end, 2, kNotApplied);
  end = put_text(end, 3, path);
  return failure.close(put_text(end, 4, text));
}

std::string number_after(std::string prefix, char separator, std::uint64_t number) {
  return std::move(prefix) + separator + std::to_string(number);
}

}  // namespace

void OrderEventWriter::begin(LogId id, core::Time time) {
  time_ = time;
  cursor_ = std::to_string(shard_) + ":" + id.text() + ":";
  char text[32];
  engine_at_.assign(text, static_cast<std::size_t>(put_time(text, 9, time) - text));
}

char* OrderEventWriter::write(const Event& event, std::uint32_t index, std::string_view command_id, char* out) const {
  const Nested message(out, 2);
  char* end = put_uint(message.start(), 1, event.seq.value);
  end = put_uint(end, 2, static_cast<std::uint64_t>(event.kind));
  if (event.liquidity != core::Liquidity::kMaker) end = put_text(end, 3, command_id);
  if (event.order != 0) end = write_order(event, end);
  if (event.kind == EventKind::kFill) end = write_fill(event, end);
  if (event.reason != Reason::kNone) end = put_failure(end, 6, event.reason);
  end = put_uint(end, 7, static_cast<std::uint64_t>(event.cause));
  std::memcpy(end, engine_at_.data(), engine_at_.size());
  end += engine_at_.size();
  char cursor[80];
  std::memcpy(cursor, cursor_.data(), cursor_.size());
  const char* cursor_end = std::to_chars(cursor + cursor_.size(), cursor + sizeof cursor, index).ptr;
  end = put_text(end, 10, {cursor, static_cast<std::size_t>(cursor_end - cursor)});
  return message.close(put_uint(end, 11, shard_));
}

char* OrderEventWriter::write_order(const Event& event, char* out) const {
  const Order& order = engine_.order(event.order);
  const Nested message(out, 4);
  return message.close(write_state(event, order, write_terms(order, message.start())));
}

char* OrderEventWriter::write_terms(const Order& order, char* out) const {
  const instruments::Instrument* of = instrument(order);
  out = put_uuid(out, 1, order.id);
  out = put_text(out, 2, engine_.command_id(order));
  out = put_text(out, 3, engine_.account(order.account));
  out = put_text(out, 4, engine_.symbol(order.symbol));
  out = put_uint(out, 5, static_cast<std::uint64_t>(order.side));
  out = put_uint(out, 6, static_cast<std::uint64_t>(order.type));
  out = put_uint(out, 7, static_cast<std::uint64_t>(order.time_in_force));
  if (of != nullptr && order.quantity.value > 0) out = put_decimal(out, 8, of->quantity, order.quantity.value);
  if (of != nullptr && order.price.value > 0) out = put_decimal(out, 9, of->price, order.price.value);
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
  out = put_time(out, 17, order.created_at);
  out = put_time(out, 18, order.queued_at);
  out = put_time(out, 19, event.updated_at);
  out = put_uint(out, 20, event.last_seq.value);
  return put_uint(out, 21, static_cast<std::uint64_t>(order.reject_reason));
}

char* OrderEventWriter::write_fill(const Event& event, char* out) const {
  const instruments::Instrument* of = instrument(engine_.order(event.order));
  const Nested message(out, 5);
  char* end = put_text(message.start(), 1, number_after(std::to_string(shard_), '-', event.trade.value));
  end = put_decimal(end, 2, of->quantity, event.fill_quantity.value);
  end = put_decimal(end, 3, of->price, event.fill_price.value);
  return message.close(put_uint(end, 4, static_cast<std::uint64_t>(event.liquidity)));
}

const instruments::Instrument* OrderEventWriter::instrument(const Order& order) const {
  return order.symbol < instruments_.rows.size() ? &instruments_.rows[order.symbol] : nullptr;
}

}  // namespace ordergate::rpc
