#include "pack.h"

#include <algorithm>
#include <string>

namespace ordergate::rows {
namespace {

constexpr std::uint8_t kQueued = 1;
constexpr More kNoMore;

std::uint8_t code(std::string_view column, std::size_t place) { return static_cast<std::uint8_t>(column[place]); }

std::string_view key_at(std::string_view keys, std::size_t place) { return keys.substr(kKeySize * place, kKeySize); }

void put_id(Copy& out, const Entry& entry) {
  out.bigint(static_cast<std::int64_t>(entry.ms));
  out.bigint(static_cast<std::int64_t>(entry.seq));
}

// 0 stands for none.
void put_price(Copy& out, std::int64_t price) { price != 0 ? out.bigint(price) : out.null(); }

}  // namespace

void Copy::numeric(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  const std::size_t count = (digits.size() + 3) / 4;  // digits of base 10,000
  std::string groups;
  std::size_t used = 0;  // without zeros at the end
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = digits.size() - 4 * (count - 1 - i);
    std::int16_t group = 0;
    for (std::size_t at = end < 4 ? 0 : end - 4; at != end; ++at) {
      group = static_cast<std::int16_t>(10 * group + (digits[at] - '0'));
    }
    group = swapped(group);
    groups.append(reinterpret_cast<const char*>(&group), sizeof group);
    if (group != 0) used = i + 1;
  }
  put(static_cast<std::int32_t>(8 + 2 * used));
  put(static_cast<std::int16_t>(used));
  put(static_cast<std::int16_t>(count == 0 ? 0 : count - 1));  // weight of the first
  put(std::int16_t{0});                                        // positive
  put(std::int16_t{0});                                        // no decimals are shown
  out_.append(groups, 0, 2 * used);
}

Packer::Slot& Packer::slot(std::string_view key) {
  Slot& slot = slots_[key];
  slot.key = key;
  return slot;
}

bool Packer::add_commands(const Entry& entry) {
  if (!frames_.empty() && entry.id() <= frames_.back().id()) return false;
  const CommandFrame& from = commands_;
  if (!commands_.read(entry.frame)) return false;
  const Entry* const frame = &frames_.emplace_back(entry);
  std::size_t row = 0;
  auto more = from.more.begin();
  for (std::size_t i = 0; i < from.kinds.size(); ++i) {
    if (from.kinds[i] != CommandFrame::kNewOrder) continue;
    const std::size_t at = row++;
    const bool has_more = more != from.more.end() && more->order == at;
    const More* const its = has_more ? &more_.emplace_back(*more++) : nullptr;
    Slot& order = slot(key_at(from.keys, i));
    if (order.terms != kNone) continue;  // the first NewOrder of the log with an id is the order
    order.terms = static_cast<std::uint32_t>(terms_.size());
    terms_.push_back({.account = from.accounts[from.account_index[i]],
                      .command_id = from.command_ids[i],
                      .symbol = from.symbols[from.symbol_index[at]],
                      .side = code(from.sides, at),
                      .type = code(from.order_types, at),
                      .time_in_force = code(from.times_in_force, at),
                      .flags = code(from.flags, at),
                      .quantity = from.quantities[at],
                      .limit_price = from.limit_prices[at],
                      .frame = frame,
                      .index = i,
                      .queued_us = from.queued_us,
                      .age_us = from.age_us[i],
                      .more = its});
  }
  return true;
}

bool Packer::add_events(const Entry& entry) {
  if (!event_frames_.empty() && entry.id() <= event_frames_.back().id()) return false;
  if (!events_.read(entry.frame)) return false;
  const Entry& frame = event_frames_.emplace_back(entry);
  times_.push_back(events_.engine_time_ns);
  auto revision = events_.revisions.begin();
  for (std::size_t i = 0; i < events_.kinds.size(); ++i) {
    const bool revises = revision != events_.revisions.end() && revision->event == i;
    if (events_.changes(i)) {
      add_state(frame, i);
      if (revises) {
        slot(key_at(events_.order_ids, i)).revised = static_cast<std::uint32_t>(revised_.size());
        revised_.push_back({*revision, events_.seqs[i]});
      }
    }
    if (revises) ++revision;
  }
  add_trades(frame);
  put_account_events(frame);
  return true;
}

// Columns are absolute, so that of several events about an order the last one
// counts.
void Packer::add_state(const Entry& entry, std::size_t event) {
  const EventFrame& from = events_;
  Slot& order = slot(key_at(from.order_ids, event));
  if (order.state == kNone) {
    order.state = static_cast<std::uint32_t>(states_.size());
    states_.emplace_back();
  }
  states_[order.state] = {.status = code(from.statuses, event),
                          .reason = code(from.reasons, event),
                          .cause = code(from.causes, event),
                          .executed = from.executed[event],
                          .leaves = from.leaves[event],
                          .notional = from.notionals[event],
                          .version = from.versions[event],
                          .seq = from.seqs[event],
                          .frame = &entry,
                          .engine_us = from.engine_time_ns / 1000};
}

void Packer::add_trades(const Entry& entry) {
  const EventFrame& from = events_;
  for (std::size_t i = 0; i < from.trade_numbers.size(); ++i) {
    const std::uint32_t maker = from.maker_events[i], taker = from.taker_events[i];
    executions_.push_back({.number = from.trade_numbers[i],
                           .symbol = from.symbols[from.trade_symbols[i]],
                           .price = from.trade_prices[i],
                           .quantity = from.trade_quantities[i],
                           .taker_side = code(from.taker_sides, i),
                           .maker = key_at(from.order_ids, maker),
                           .taker = key_at(from.order_ids, taker),
                           .maker_account = from.accounts[from.account_index[maker]],
                           .taker_account = from.accounts[from.account_index[taker]],
                           .maker_seq = from.seqs[maker],
                           .taker_seq = from.seqs[taker],
                           .frame = &entry,
                           .engine_us = from.engine_time_ns / 1000});
  }
}

void Packer::put_account_events(const Entry& entry) {
  Copy& out = at(Table::kAccountEvents);
  for (const AccountEvents& part : events_.account_events) {
    if (part.count == 0) continue;
    out.row(7);
    out.smallint(shard_);
    out.text(events_.accounts[part.account]);
    out.bigint(part.first_seq);
    out.bigint(part.first_seq + part.count - 1);
    put_id(out, entry);
    out.text(part.events);
  }
}

void Packer::finish() {
  std::vector<const Slot*> orders, updates;
  for (const auto& [key, slot] : slots_) (slot.terms != kNone ? orders : updates).push_back(&slot);
  std::ranges::sort(orders, {}, &Slot::key);
  std::ranges::sort(updates, {}, &Slot::key);
  for (const Slot* order : orders) {
    const bool plain = terms_[order->terms].more == nullptr && order->revised == kNone;
    plain ? put_plain(*order) : put_full(*order);
  }
  for (const Slot* order : updates) put_update(*order);
  put_executions();
  put_frames();
}

// A row of `orders`.
void Packer::put_plain(const Slot& order) {
  const Terms& terms = terms_[order.terms];
  const State state = state_of(order);
  Copy& out = at(Table::kOrders);
  out.row(27);
  out.text(order.key);
  out.smallint(shard_);
  put_what(out, terms);
  out.bigint(terms.quantity);
  put_price(out, terms.limit_price);
  put_id(out, *terms.frame);
  out.integer(terms.index);
  out.time(terms.queued_us - terms.age_us);
  out.time(terms.queued_us);
  out.time(state.frame == nullptr ? terms.queued_us : state.engine_us);
  put_progress(out, state);
  out.numeric(state.notional);
  put_event(out, state);
}

// A row of the stage of orders with more than the usual terms, or whose terms an event changed.
void Packer::put_full(const Slot& order) {
  const Terms& terms = terms_[order.terms];
  const Revised* const revised = order.revised == kNone ? nullptr : &revised_[order.revised];
  const More& more = terms.more == nullptr ? kNoMore : *terms.more;
  Copy& out = at(Table::kFullOrders);
  out.row(35);
  out.text(order.key);
  put_what(out, terms);
  out.bigint(revised == nullptr ? terms.quantity : revised->terms.quantity);
  out.bigint(revised == nullptr ? terms.limit_price : revised->terms.limit_price);
  put_id(out, *terms.frame);
  out.integer(terms.index);
  out.bigint(terms.queued_us);
  out.bigint(terms.age_us);
  put_state(out, state_of(order));
  out.bigint(revised == nullptr ? more.stop_price : revised->terms.stop_price);
  out.bigint(more.display);
  out.bigint(revised == nullptr ? more.expire_us : revised->terms.expire_us);
  out.smallint(more.stp);
  out.text(more.stp_group);
  out.text(more.tag);
  out.text(more.session);
  out.boolean(more.cancel_on_disconnect);
  revised == nullptr ? out.null() : out.bigint(revised->seq);
}

// Without an event, a new order is queued.
Packer::State Packer::state_of(const Slot& order) const {
  if (order.state != kNone) return states_[order.state];
  return State{.status = kQueued, .leaves = terms_[order.terms].quantity};
}

void Packer::put_what(Copy& out, const Terms& terms) {
  out.text(terms.account);
  out.text(terms.command_id);
  out.text(terms.symbol);
  for (const auto value : {terms.side, terms.type, terms.time_in_force, terms.flags}) out.smallint(value);
}

// The columns of a stage's state; a queued order has no event, and no time of one.
void Packer::put_state(Copy& out, const State& state) {
  put_progress(out, state);
  out.text(state.notional);
  put_event(out, state);
  state.frame == nullptr ? out.null() : out.bigint(state.engine_us);
}

void Packer::put_progress(Copy& out, const State& state) {
  for (const auto value : {state.status, state.reason, state.cause}) out.smallint(value);
  out.bigint(state.executed);
  out.bigint(state.leaves);
}

void Packer::put_event(Copy& out, const State& state) {
  out.integer(state.version);
  out.bigint(state.seq);
  if (state.frame != nullptr) return put_id(out, *state.frame);
  out.null();
  out.null();
}

// A row of the stage of events about orders of earlier batches.
void Packer::put_update(const Slot& order) {
  const bool full = order.revised != kNone;
  Copy& out = at(full ? Table::kFullUpdates : Table::kUpdates);
  out.row(full ? 17 : 12);
  out.text(order.key);
  put_state(out, states_[order.state]);
  if (!full) return;
  const Revised& revised = revised_[order.revised];
  out.bigint(revised.terms.quantity);
  out.bigint(revised.terms.limit_price);
  out.bigint(revised.terms.stop_price);
  out.bigint(revised.terms.expire_us);
  out.bigint(revised.seq);
}

void Packer::put_executions() {
  std::ranges::sort(executions_, {}, &Execution::number);
  Copy& out = at(Table::kExecutions);
  for (const Execution& trade : executions_) {
    out.row(15);
    out.smallint(shard_);
    out.bigint(trade.number);
    out.text(trade.symbol);
    out.bigint(trade.price);
    out.bigint(trade.quantity);
    out.smallint(trade.taker_side);
    out.text(trade.maker);
    out.text(trade.taker);
    out.text(trade.maker_account);
    out.text(trade.taker_account);
    out.bigint(trade.maker_seq);
    out.bigint(trade.taker_seq);
    put_id(out, *trade.frame);
    out.time(trade.engine_us);
  }
}

// Command frames, with the engine's times of those whose events are here, too;
// and the times of earlier frames.
void Packer::put_frames() {
  auto time = times_.begin();
  auto events = event_frames_.begin();
  const auto put_times_below = [&](const Entry* frame) {
    for (; events != event_frames_.end() && (frame == nullptr || events->id() < frame->id()); ++events, ++time) {
      Copy& out = at(Table::kTimes);
      out.row(3);
      put_id(out, *events);
      out.bigint(*time);
    }
  };
  Copy& out = at(Table::kFrames);
  for (const Entry& frame : frames_) {
    put_times_below(&frame);
    out.row(5);
    out.smallint(shard_);
    put_id(out, frame);
    out.text(frame.frame);
    if (events != event_frames_.end() && events->id() == frame.id()) {
      out.bigint(*time++);
      ++events;
    } else {
      out.null();
    }
  }
  put_times_below(nullptr);
}

}  // namespace ordergate::rows
