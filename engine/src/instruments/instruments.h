// The instrument file, which the gateway reads too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/engine.h"
#include "instruments/decimal.h"

namespace ordergate::instruments {

struct Instrument {
  core::InstrumentLimits limits;
  Grid price;     // ticks <-> text
  Grid quantity;  // lots <-> text
};

// All instruments of the installation, in the order of their symbols (bytes).
struct Instruments {
  std::vector<Instrument> rows;
  std::string digest;  // SHA-256 that relay and engine compare, 64 hex digits; protos/README.md

  std::vector<core::InstrumentLimits> limits() const;
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
