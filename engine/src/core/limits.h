// Pre-trade limits, turned into the units of each instrument.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/types.h"

namespace ordergate::core {

struct InstrumentLimits;

// The units of notionals: ticks × lots of different instruments can't be added. `unit` is what one tick × one lot of an
// instrument is worth in 10^-scale, scale being the same for all.
class NotionalUnits {
 public:
  // Throws std::invalid_argument if the open orders' notionals, or a unit, could overflow.
  NotionalUnits(std::span<const InstrumentLimits> instruments, std::uint32_t open_orders_max);

  std::uint64_t unit(std::uint32_t instrument) const { return units_[instrument]; }
  unsigned scale() const { return scale_; }
  // The largest notional at or below the decimal; the largest of all if it is beyond.
  Notional floor(Decimal decimal) const;
  // The decimal at or below, as exact as 62 bits are.
  Decimal decimal(Notional notional) const;

 private:
  unsigned scale_ = 0;
  std::vector<std::uint64_t> units_;
};

// Limits of one account, or the default ones, ready to compare.
struct ReadyLimits {
  static constexpr Notional kNoNotional = ~Notional{0};
  static constexpr std::int64_t kNoQuantity = kValueMax;

  struct PerInstrument {
    Notional max_order_product;  // price × quantity of one order, in ticks × lots
    std::int64_t max_quantity;   // of one order: the account's or the instrument's, whichever is less
    std::int64_t max_position;
  };

  Limits given;
  bool any = false;
  std::uint32_t max_open_orders = 0xFFFF'FFFFu;
  std::uint32_t band_ppm = 0;
  Notional max_order_notional = kNoNotional;
  Notional max_open_notional = kNoNotional;
  std::vector<PerInstrument> instruments = {};
};

ReadyLimits make_ready(const Limits& limits, std::span<const InstrumentLimits> instruments, const NotionalUnits& units);

// Whole steps in a decimal, rounded down; kValueMax if there are more. REQUIRES: step above 0.
std::int64_t floor_steps(Decimal decimal, Decimal step);

// Whole steps in a decimal; -1 if it is no multiple of the step.
std::int64_t exact_steps(Decimal decimal, Decimal step);

}  // namespace ordergate::core
