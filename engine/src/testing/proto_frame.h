// The frames of commands.h as the gateway writes them.
#pragma once

#include "ordergate/log/v1/command_frame.pb.h"
#include "testing/commands.h"

namespace ordergate::testing {

inline log::v1::CommandFrame to_proto(const core::CommandFrame& frame) {
  log::v1::CommandFrame out;
  out.set_format(1);
  out.set_queued_at_ns(static_cast<std::uint64_t>(frame.queued_at.value));
  out.set_origin("test");
  for (const auto name : frame.accounts) out.add_accounts(std::string(name));
  for (const auto name : frame.symbols) out.add_symbols(std::string(name));
  for (const auto kind : frame.kinds) out.mutable_kinds()->push_back(static_cast<char>(kind));
  out.set_keys(frame.ids, 16 * frame.size());
  for (const auto id : frame.command_ids) out.add_command_ids(std::string(id));
  for (const auto index : frame.account_index) out.add_account_index(index);
  for (const auto age : frame.age_us) out.add_age_us(age);
  for (const auto index : frame.symbol_index) out.add_symbol_index(index);
  for (const auto side : frame.sides) out.mutable_sides()->push_back(static_cast<char>(side));
  for (const auto type : frame.types) out.mutable_order_types()->push_back(static_cast<char>(type));
  for (const auto tif : frame.times_in_force) out.mutable_times_in_force()->push_back(static_cast<char>(tif));
  for (const auto flags : frame.flags) out.mutable_flags()->push_back(static_cast<char>(flags));
  for (const auto price : frame.prices) out.add_limit_price_ticks(price.value);
  for (const auto quantity : frame.quantities) out.add_quantity_lots(quantity.value);
  out.set_targets(frame.targets, 16 * (frame.size() - frame.sides.size()));
  for (std::uint32_t i = 0; i < frame.valid_until.size(); ++i) {
    if (frame.valid_until[i].value == 0) continue;
    log::v1::Deadline& deadline = *out.add_deadlines();
    deadline.set_command_index(i);
    deadline.set_valid_until_ns(static_cast<std::uint64_t>(frame.valid_until[i].value));
  }
  return out;
}

}  // namespace ordergate::testing
