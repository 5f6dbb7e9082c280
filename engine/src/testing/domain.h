// What random flows draw from, and the engine that they are for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "core/engine.h"

namespace ordergate::testing {

inline constexpr std::int64_t kHour = std::int64_t{3600} * 1'000'000'000;
inline constexpr std::int64_t kPriceMax = 100'000'000'000;

// Tiny domains find the most.
struct Domain {
  std::string label;
  std::int64_t ids;             // command ids per account
  std::int64_t prices;          // ticks around the middle
  std::int64_t step = 1;        // ticks between prices
  std::int64_t drift = 0;       // the middle moves by up to this much with each command
  std::int64_t quantity = 3;    // of an order, at most
  std::int64_t accounts = 3;    // 1 to 4
  std::uint32_t band_ppm = 40;  // of ZINC; 0: none
  bool limits = true;           // accounts are limited now and then
  bool forgetful = false;       // remembers and holds but little
  std::uint32_t open_orders_max = 1000;
  std::size_t length = 200;  // commands
};
inline void PrintTo(const Domain& domain, std::ostream* out) { *out << domain.label; }

inline std::vector<core::InstrumentLimits> test_instruments() {
  return {{.symbol = "ACME", .min_price = {1}, .max_price = {kPriceMax}, .max_quantity = {1'000'000'000}},
          {.symbol = "ZINC", .min_price = {1}, .max_price = {kPriceMax}, .max_quantity = {1'000'000'000}}};
}

// ACME without a band, its units 0.01 and 1; ZINC with one, its units 0.005 and 0.1.
inline core::EngineConfig config_of(const Domain& domain) {
  core::EngineConfig config{.instruments = test_instruments()};
  config.instruments[0].price_increment = {1, 2};
  config.instruments[1].price_increment = {5, 3};
  config.instruments[1].lot_size = {1, 1};
  config.instruments[1].band_ppm = domain.band_ppm;
  config.instruments[1].reference_price = {domain.band_ppm != 0 ? 100'002 : 0};
  config.trading_day_end = {17 * kHour};
  config.open_orders_max = domain.open_orders_max;
  config.ended_orders = domain.forgetful ? 3 : 16'384;
  config.frame_commands_max = static_cast<std::uint32_t>(std::max<std::size_t>(1024, domain.length));
  config.ids_window = domain.forgetful ? 5 : 4096;
  config.ids_age = {domain.forgetful ? 12 * kHour : 240 * kHour};
  return config;
}

}  // namespace ordergate::testing
