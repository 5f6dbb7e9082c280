// What the core tells, and its books, as text, so that a test reads like the story that it tells.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/engine.h"
#include "testing/told.h"

namespace ordergate::testing {

// "BUY LIMIT GTC ACME" by numbers, and the labels.
inline std::string fixed_terms(const core::Engine& engine, const core::Order& order) {
  const core::Extras* const extras = engine.extras(order);
  std::string terms = std::to_string(static_cast<int>(order.side)) + "/" +
                      std::to_string(static_cast<int>(order.type)) + "/" +
                      std::to_string(static_cast<int>(order.time_in_force)) + "/" + std::to_string(order.flags) + "/" +
                      std::to_string(static_cast<int>(order.stp)) + "/" + std::string(engine.symbol(order.symbol));
  if (extras == nullptr) return terms + "/0////0";
  const auto label = [&](std::uint32_t index) { return index == 0 ? std::string() : std::string(engine.label(index)); };
  return terms + "/" + std::to_string(extras->display.value) + "/" + label(extras->stp_group) + "/" +
         label(extras->tag) + "/" + label(extras->session) + "/" + (extras->cancel_on_disconnect ? "1" : "0");
}

// Reads a sink from its first event to its last.
class SinkReader {
 public:
  SinkReader(const core::Engine& engine, const core::EventSink& sink) : engine_(engine), sink_(sink) {}

  std::vector<Told> all() {
    std::vector<Told> list;
    for (std::uint32_t at = 0; at < sink_.events.size(); ++at) list.push_back(next(at));
    return list;
  }

 private:
  Told next(std::uint32_t at) {
    const core::Event& event = sink_.events[at];
    Told told{.account = std::string(engine_.account(event.account)),
              .seq = event.seq.value,
              .kind = event.kind,
              .command = event.command,
              .answers = event.answers,
              .cause = event.cause,
              .reason = event.reason,
              .priority_kept = event.kind == core::EventKind::kAmended && event.priority_kept};
    if (event.order != 0) add_order(told, event, at);
    if (event.kind == core::EventKind::kFill) add_fill(told, event, at);
    told.what = what(event.kind, at);
    return told;
  }

  void add_order(Told& told, const core::Event& event, std::uint32_t at) {
    const core::Order& order = engine_.order(event.order);
    const core::Extras* const extras = engine_.extras(order);
    told.order = order.command_id();
    told.status = event.status;
    told.executed = event.executed.value;
    told.leaves = event.leaves.value;
    told.version = event.version;
    told.notional = event.notional;
    told.reject_reason = order.reject_reason;
    told.total = order.quantity.value;
    told.price = order.price.value;
    if (extras != nullptr) {
      told.stop_price = extras->stop_price.value;
      told.expire_at = extras->expire_at.value;
    }
    for (const core::Revision& revision : sink_.revisions) {
      if (revision.order != event.order || revision.event <= at) continue;
      told.total = revision.quantity.value;
      told.price = revision.price.value;
      told.stop_price = revision.stop_price.value;
      told.expire_at = revision.expire_at.value;
      break;
    }
    add_last_change(told, event, at);
    const bool first = event.kind == core::EventKind::kAccepted || event.kind == core::EventKind::kRejected;
    if (first) told.terms = fixed_terms(engine_, order);
  }

  void add_last_change(Told& told, const core::Event& event, std::uint32_t at) {
    told.updated_at = engine_.time().value;
    told.last_seq = event.seq.value;
    if (core::changes_order(event.kind)) return;
    while (changes_ < sink_.last_changes.size() && sink_.last_changes[changes_].event < at) ++changes_;
    if (changes_ == sink_.last_changes.size() || sink_.last_changes[changes_].event != at) {
      told.updated_at = -1;  // missing
      return;
    }
    told.updated_at = sink_.last_changes[changes_].updated_at.value;
    told.last_seq = sink_.last_changes[changes_].seq.value;
  }

  void add_fill(Told& told, const core::Event& event, std::uint32_t at) {
    const core::Trade& trade = sink_.trades[fills_++ / 2];
    told.liquidity = event.liquidity;
    told.fill_price = trade.price.value;
    told.fill_quantity = trade.quantity.value;
    told.taker_side = trade.taker_side;
    const std::uint32_t expected =
        event.liquidity == core::Liquidity::kMaker ? trade.maker_event : trade.maker_event + 1;
    if (at == expected) told.trade = trade.number.value;  // else 0: not where the trade says
  }

  std::string what(core::EventKind kind, std::uint32_t at) const {
    if (kind == core::EventKind::kMassCancelDone) {
      for (const auto& one : sink_.mass_cancels) {
        if (one.event == at)
          return std::to_string(one.matched) + " matched " + std::to_string(one.canceled) + " canceled";
      }
    } else if (kind == core::EventKind::kTradingState) {
      for (const auto& one : sink_.trading_states) {
        if (one.event != at) continue;
        constexpr std::uint32_t kNone = core::TradingStateTold::kNone;
        return "state " + std::to_string(static_cast<int>(one.state)) + " account " +
               (one.account == kNone ? std::string("all") : std::string(engine_.account(one.account))) + " symbol " +
               (one.symbol == kNone ? std::string("all") : std::string(engine_.symbol(one.symbol)));
      }
    } else if (kind == core::EventKind::kLimits) {
      for (const auto& one : sink_.limits) {
        if (one.event == at) return text(one.limits);
      }
    } else {
      return "";
    }
    return "nothing told";
  }

  const core::Engine& engine_;
  const core::EventSink& sink_;
  std::size_t changes_ = 0;
  std::size_t fills_ = 0;
};

inline std::vector<Told> told(const core::Engine& engine, const core::EventSink& sink) {
  return SinkReader(engine, sink).all();
}

// The events in brief, one line each.
inline std::vector<std::string> lines(const core::Engine& engine, const core::EventSink& sink) {
  std::vector<std::string> list;
  for (const Told& one : told(engine, sink)) list.push_back(brief(one));
  return list;
}

// The side from its best price on: "101: a1 4, b1 2(+6) | 102: c1 1", what is hidden in brackets.
inline std::string picture(const core::Engine& engine, core::Side side, std::uint32_t instrument = 0) {
  const core::Book& book = engine.book(instrument);
  std::string text;
  for (core::Price price = book.best(side); price != core::Book::none(side); price = book.worse(side, price)) {
    if (!text.empty()) text += " | ";
    text += std::to_string(price.value) + ":";
    const char* separator = " ";
    for (std::uint32_t node = book.level(side, price).head; node != 0; node = engine.nodes()[node].next) {
      const core::Order& order = engine.order(node);
      const core::Extras* const extras = engine.extras(order);
      text += separator;
      text += order.command_id();
      text += " " + std::to_string(engine.nodes()[node].leaves.value);
      if (extras != nullptr && extras->hidden.value != 0) text += "(+" + std::to_string(extras->hidden.value) + ")";
      separator = ", ";
    }
  }
  return text;
}

}  // namespace ordergate::testing
