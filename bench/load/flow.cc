#include "flow.h"

#include <cstdio>
#include <stdexcept>

#include "command_id.h"
#include "ordergate/v1/command.pb.h"

namespace ordergate::load {
namespace {

constexpr int kPriceLevels = 500;  // on each side, in steps of 0.01
constexpr std::size_t kRestingTemplates = 256;

std::string price_text(unsigned base, int ticks) {
  const int cents = static_cast<int>(base) * 100 + ticks;
  std::string text = std::to_string(cents / 100) + ".00";
  put_digits(text.data() + text.size() - 2, 2, static_cast<std::uint64_t>(cents % 100));
  return text;
}

}  // namespace

Flow::Flow(const FlowOptions& options, std::string id, const std::string& account)
    : id_(std::move(id)), trading_(options.trading), cancel_after_(options.cancel_after) {
  for (const std::string& symbol : options.symbols) {
    makers_.push_back(make_order(symbol, false, 0, options, account));
    takers_.push_back(make_order(symbol, true, 0, options, account));
  }
  // Levels in a scattered order (311 and 500 have no common divisor), nearer ones no more often than others.
  for (std::size_t i = 0; i < kRestingTemplates; ++i) {
    const int ticks = 2 * (1 + static_cast<int>(i * 311 % kPriceLevels));  // BUND's prices are in steps of 0.005
    const bool buy = i % 2 == 0;
    rests_.push_back(
        make_order(options.symbols[i % options.symbols.size()], buy, buy ? -ticks : ticks, options, account));
  }
  cancel_ = make_cancel(account);
}

Flow::Template Flow::make_order(const std::string& symbol, bool buy, int ticks, const FlowOptions& options,
                                const std::string& account) const {
  v1::Command command;
  command.set_command_id(id_);
  command.set_account(account);
  v1::NewOrder& order = *command.mutable_new_order();
  order.set_symbol(symbol);
  order.set_side(buy ? v1::SIDE_BUY : v1::SIDE_SELL);
  order.set_order_type(v1::ORDER_TYPE_LIMIT);
  order.set_time_in_force(v1::TIME_IN_FORCE_GTC);
  order.set_quantity("1");
  order.set_limit_price(price_text(options.base_price, ticks));
  return delimited(command.SerializeAsString());
}

Flow::Template Flow::make_cancel(const std::string& account) const {
  v1::Command command;
  command.set_command_id(id_);
  command.set_account(account);
  command.mutable_cancel_order()->mutable_order()->set_client_order_id(id_);
  Template made = delimited(command.SerializeAsString());
  made.target_at = made.bytes.rfind(id_) + kIdChars - kNumberChars;
  return made;
}

Flow::Template Flow::delimited(const std::string& command) const {
  std::string length;
  for (std::size_t rest = command.size();; rest >>= 7) {
    length.push_back(static_cast<char>(rest < 0x80 ? rest : (rest & 0x7f) | 0x80));
    if (rest < 0x80) break;
  }
  Template made{length + command, 0, 0};
  made.id_at = made.bytes.find(id_) + kIdChars - kNumberChars;
  return made;
}

Kind Flow::next_kind() {
  if (taker_is_due_) return taker_is_due_ = false, Kind::kTaker;
  if (cancel_after_ > 0 && !resting_.empty() && number_ - resting_.front() > cancel_after_) return Kind::kCancel;
  credit_ += trading_;
  if (credit_ < 1 - 1e-9) return Kind::kRest;
  credit_ += trading_ - 1;  // of the taker as well
  taker_is_due_ = true;
  return Kind::kMaker;
}

Kind Flow::append(std::string& out, char tag) {
  const Kind kind = next_kind();
  const Template* made = &cancel_;
  if (kind == Kind::kMaker) made = &makers_[pairs_ % makers_.size()];
  if (kind == Kind::kTaker) made = &takers_[pairs_++ % takers_.size()];
  if (kind == Kind::kRest) made = &rests_[rested_++ % rests_.size()];
  out.push_back(tag);
  const std::size_t start = out.size();
  out += made->bytes;
  put_digits(out.data() + start + made->id_at, kNumberChars, number_);
  if (kind == Kind::kCancel) {
    put_digits(out.data() + start + made->target_at, kNumberChars, resting_.front());
    resting_.pop_front();
  }
  if (kind == Kind::kRest && cancel_after_ > 0) resting_.push_back(number_);
  ++number_;
  return kind;
}

}  // namespace ordergate::load
