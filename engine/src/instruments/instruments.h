// The instrument file, which the gateway reads too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine.h"
#include "instruments/decimal.h"

namespace ordergate::instruments {

struct Instrument {
  core::InstrumentLimits limits;
  Grid price;     // ticks <-> text
  Grid quantity;  // lots <-> text
};

// All instruments of the installation, in the order of their symbols (bytes), and what holds for all of them.
struct Instruments {
  std::vector<Instrument> rows;
  core::Limits default_limits = {};  // of accounts that have none of their own
  core::Time trading_day_end = {0};  // ns after midnight UTC
  std::string digest;                // SHA-256 that relay and engine compare, 64 hex digits; protos/README.md

  std::vector<core::InstrumentLimits> limits() const;
  // Number of the instrument in rows.
  std::optional<std::uint32_t> find(std::string_view symbol) const;
};

// What came of reading the file: instruments, or an error that names file, instrument and key.
struct Loaded {
  std::optional<Instruments> instruments;
  std::string error;
};

Loaded load(const std::string& path);

// As load, from the file's text; `path` only for errors.
Loaded parse(const std::string& path, std::string_view text);

}  // namespace ordergate::instruments
