#include "core/limits.h"

#include <algorithm>
#include <stdexcept>

#include "core/engine.h"

namespace ordergate::core {
namespace {

constexpr Notional kAllBits = ~Notional{0};

Notional power_of_ten(unsigned exponent) {
  Notional power = 1;
  while (exponent-- != 0) power *= 10;  // up to 10^38
  return power;
}

// a × b, or all bits if that is too much.
Notional times(Notional a, Notional b) {
  Notional product;
  return __builtin_mul_overflow(a, b, &product) ? kAllBits : product;
}

// Whole steps and what is left, in units of 10^-digits of the larger of the two.
struct Steps {
  Notional whole;
  bool exact;
};

Steps steps_in(Decimal decimal, Decimal step) {
  const unsigned digits = std::max(decimal.digits, step.digits);
  const Notional value = Notional{decimal.mantissa} * power_of_ten(digits - decimal.digits);
  const Notional size = Notional{step.mantissa} * power_of_ten(digits - step.digits);
  return {value / size, value % size == 0};
}

}  // namespace

std::int64_t floor_steps(Decimal decimal, Decimal step) {
  return static_cast<std::int64_t>(std::min(steps_in(decimal, step).whole, Notional{kValueMax}));
}

std::int64_t exact_steps(Decimal decimal, Decimal step) {
  const auto [whole, exact] = steps_in(decimal, step);
  return exact ? static_cast<std::int64_t>(std::min(whole, Notional{kValueMax})) : -1;
}

NotionalUnits::NotionalUnits(std::span<const InstrumentLimits> instruments, std::uint32_t open_orders_max) {
  for (const InstrumentLimits& row : instruments) {
    scale_ = std::max(scale_, row.price_increment.digits + row.lot_size.digits);
  }
  for (const InstrumentLimits& row : instruments) {
    const unsigned digits = scale_ - row.price_increment.digits - row.lot_size.digits;
    const Notional unit = times(times(row.price_increment.mantissa, row.lot_size.mantissa),
                                digits > 38 ? kAllBits : power_of_ten(digits));
    const Notional largest =
        times(times(static_cast<Notional>(row.max_price.value), static_cast<Notional>(row.max_quantity.value)),
              times(unit, open_orders_max));
    if (unit > ~std::uint64_t{0} || largest >> 126 != 0) {
      throw std::invalid_argument("instrument " + row.symbol +
                                  ": max_price times max_quantity is too large for the notionals of all open orders");
    }
    units_.push_back(static_cast<std::uint64_t>(unit));
  }
}

Notional NotionalUnits::floor(Decimal decimal) const {
  if (decimal.digits > scale_) return Notional{decimal.mantissa} / power_of_ten(decimal.digits - scale_);
  return times(decimal.mantissa, power_of_ten(std::min(scale_ - decimal.digits, 38u)));
}

Decimal NotionalUnits::decimal(Notional notional) const {
  unsigned digits = scale_;
  while (digits != 0 && (notional >> 62 != 0 || digits > 18 || notional % 10 == 0)) {
    notional /= 10;
    --digits;
  }
  return {static_cast<std::uint64_t>(std::min(notional, Notional{kValueMax})), digits};
}

ReadyLimits make_ready(const Limits& limits, std::span<const InstrumentLimits> instruments,
                       const NotionalUnits& units) {
  ReadyLimits ready{.given = limits};
  if (limits.max_open_orders != 0) ready.max_open_orders = limits.max_open_orders;
  ready.band_ppm = limits.band_ppm;
  if (limits.max_order_notional.mantissa != 0) ready.max_order_notional = units.floor(limits.max_order_notional);
  if (limits.max_open_notional.mantissa != 0) ready.max_open_notional = units.floor(limits.max_open_notional);
  const auto lots = [](Decimal limit, Decimal lot) {
    return limit.mantissa == 0 ? ReadyLimits::kNoQuantity : floor_steps(limit, lot);
  };
  for (std::uint32_t i = 0; i < instruments.size(); ++i) {
    const InstrumentLimits& row = instruments[i];
    const bool limited = ready.max_order_notional != ReadyLimits::kNoNotional;
    ready.instruments.push_back(
        {.max_order_product = limited ? ready.max_order_notional / units.unit(i) : ReadyLimits::kNoNotional,
         .max_quantity = std::min(lots(limits.max_order_quantity, row.lot_size), row.max_quantity.value),
         .max_position = lots(limits.max_position, row.lot_size)});
  }
  ready.any = limits.max_order_quantity.mantissa != 0 || limits.max_order_notional.mantissa != 0 ||
              limits.max_open_orders != 0 || limits.max_open_notional.mantissa != 0 ||
              limits.max_position.mantissa != 0 || limits.band_ppm != 0;
  return ready;
}

}  // namespace ordergate::core
