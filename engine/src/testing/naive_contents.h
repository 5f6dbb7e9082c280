// What a client asked for, as text: two commands under one id are the same if this is.
#pragma once

#include <string>

#include "testing/commands.h"
#include "testing/told.h"

namespace ordergate::testing {

class Content {
 public:
  explicit Content(const char* kind) : text_(kind) {}
  Content& operator<<(const std::string& value) {
    text_ += "/" + std::to_string(value.size()) + ":" + value;
    return *this;
  }
  Content& operator<<(std::int64_t value) { return *this << std::to_string(value); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

inline std::string target_of(const Cancel& command) {
  return (command.owner.empty() ? command.account : command.owner) + "/" + command.target;
}
inline std::string target_of(const Amend& command) {
  return (command.owner.empty() ? command.account : command.owner) + "/" + command.target;
}

inline std::string content(const New& c) {
  Content all("new");
  all << c.symbol << static_cast<int>(c.side) << static_cast<int>(c.order_type()) << static_cast<int>(c.time_in_force);
  all << c.price << c.quantity << c.stop_price << c.display << c.expire_at << c.post_only << static_cast<int>(c.stp);
  all << c.stp_group << c.tag << c.session << c.cancel_on_disconnect;
  return all.take();
}

inline std::string content(const Cancel& c) {
  Content all("cancel");
  all << target_of(c) << (c.expected_version ? std::to_string(*c.expected_version) : "any");
  return all.take();
}

inline std::string content(const Amend& c) {
  Content all("amend");
  all << target_of(c) << (c.expected_version ? std::to_string(*c.expected_version) : "any");
  all << c.symbol << c.price << c.quantity << c.stop_price << c.expire_at << c.decimal << c.price_digits
      << c.quantity_digits << c.stop_digits;
  return all.take();
}

inline std::string content(const MassCancel& c) {
  Content all("mass cancel");
  all << c.symbol << c.side << c.tag << c.session << c.disconnected;
  return all.take();
}

inline std::string content(const SetTradingState& c) {
  Content all("trading state");
  all << c.of_account << c.of_symbol << c.state << c.cancel_open_orders;
  return all.take();
}

inline std::string content(const SetLimits& c) {
  Content all("limits");
  all << c.account << text(c.limits);
  return all.take();
}

inline std::string content(const Tick&) { return "tick"; }

inline std::string content(const Fence&) { return "fence"; }

}  // namespace ordergate::testing
