// The frames of commands.h as the gateway writes them.
#pragma once

#include <algorithm>

#include "ordergate/log/v1/command_frame.pb.h"
#include "testing/commands.h"

namespace ordergate::testing {

inline void to_proto(const core::Decimal& decimal, log::v1::Decimal* out) {
  out->set_mantissa(decimal.mantissa);
  out->set_digits(decimal.digits);
}

inline void add_row(const core::OrderTerms& row, log::v1::CommandFrame& out) {
  log::v1::OrderTerms& terms = *out.add_terms();
  terms.set_order_index(row.row);
  terms.set_stop_price_ticks(row.stop_price.value);
  terms.set_display_lots(row.display.value);
  terms.set_expire_at_ns(static_cast<std::uint64_t>(row.expire_at.value));
  terms.set_self_trade_prevention(static_cast<std::uint32_t>(row.stp));
  terms.set_stp_group(std::string(row.stp_group));
  terms.set_tag(std::string(row.tag));
  terms.set_session(std::string(row.session));
  terms.set_cancel_on_disconnect(row.cancel_on_disconnect);
}

inline void add_row(const core::AmendTerms& row, log::v1::CommandFrame& out) {
  log::v1::AmendTerms& terms = *out.add_amend_terms();
  terms.set_amend_index(row.row);
  terms.set_stop_price_ticks(row.stop_price.value);
  terms.set_expire_at_ns(static_cast<std::uint64_t>(row.expire_at.value));
  terms.set_decimal(row.decimal);
  terms.set_limit_price_digits(row.limit_price_digits);
  terms.set_quantity_digits(row.quantity_digits);
  terms.set_stop_price_digits(row.stop_price_digits);
}

inline void add_row(const core::ExpectedVersion& row, log::v1::CommandFrame& out) {
  log::v1::ExpectedVersion& version = *out.add_expected_versions();
  version.set_command_index(row.command);
  version.set_version(row.version);
}

inline void add_row(const core::MassCancel& row, log::v1::CommandFrame& out) {
  log::v1::MassCancelRow& cancel = *out.add_mass_cancels();
  cancel.set_symbol(row.symbol + 1);
  cancel.set_side(row.side);
  cancel.set_tag(std::string(row.tag));
  cancel.set_session(std::string(row.session));
  cancel.set_disconnected(row.disconnected);
}

inline void add_row(const core::TradingStateChange& row, log::v1::CommandFrame& out) {
  log::v1::TradingStateRow& change = *out.add_trading_states();
  change.set_account(std::string(row.account));
  change.set_symbol(row.symbol + 1);
  change.set_state(static_cast<std::uint32_t>(row.state));
  change.set_cancel_open_orders(row.cancel_open_orders);
}

inline void add_row(const core::LimitsChange& row, log::v1::CommandFrame& out) {
  log::v1::LimitsRow& limits = *out.add_limits();
  limits.set_account(std::string(row.account));
  to_proto(row.limits.max_order_quantity, limits.mutable_max_order_quantity());
  to_proto(row.limits.max_order_notional, limits.mutable_max_order_notional());
  limits.set_max_open_orders(row.limits.max_open_orders);
  to_proto(row.limits.max_open_notional, limits.mutable_max_open_notional());
  to_proto(row.limits.max_position, limits.mutable_max_position());
  limits.set_price_band_ppm(row.limits.band_ppm);
}

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
  const auto aimed = std::ranges::count_if(frame.kinds, [](core::CommandKind kind) {
    return kind == core::CommandKind::kCancelOrder || kind == core::CommandKind::kAmendOrder;
  });
  out.set_targets(frame.targets, 16 * static_cast<std::size_t>(aimed));
  for (const auto price : frame.amend_prices) out.add_amend_limit_price_ticks(price.value);
  for (const auto quantity : frame.amend_quantities) out.add_amend_quantity_lots(quantity.value);
  for (const auto symbol : frame.amend_symbols) out.add_amend_symbol(symbol + 1);
  for (const auto& row : frame.terms) add_row(row, out);
  for (const auto& row : frame.amend_terms) add_row(row, out);
  for (const auto& row : frame.expected_versions) add_row(row, out);
  for (const auto& row : frame.mass_cancels) add_row(row, out);
  for (const auto& row : frame.trading_states) add_row(row, out);
  for (const auto& row : frame.limits) add_row(row, out);
  for (std::uint32_t i = 0; i < frame.valid_until.size(); ++i) {
    if (frame.valid_until[i].value == 0) continue;
    log::v1::Deadline& deadline = *out.add_deadlines();
    deadline.set_command_index(i);
    deadline.set_valid_until_ns(static_cast<std::uint64_t>(frame.valid_until[i].value));
  }
  return out;
}

}  // namespace ordergate::testing
