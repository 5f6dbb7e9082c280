#include "instruments/instruments.h"

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <span>
#include <sstream>

#include "instruments/sha256.h"

namespace ordergate::instruments {
namespace {

// Thrown within this file only; `parse` turns it into Loaded::error.
struct Refused {
  std::string text;
};

using Keys = std::span<const std::string_view>;
constexpr std::string_view kFileKeys[]{"instrument", "trading_day_end", "default_limits"};
constexpr std::string_view kInstrumentKeys[]{"symbol",    "price_increment", "lot_size",        "min_price",
                                             "max_price", "max_quantity",    "reference_price", "price_band"};
constexpr std::string_view kLimitKeys[]{"max_order_quantity", "max_order_notional", "max_open_orders",
                                        "max_open_notional",  "max_position",       "price_band"};
constexpr std::size_t kSymbolMax = 32;
constexpr std::uint32_t kBandMaxPpm = 1'000'000'000;
constexpr unsigned kBandDigits = 6;

struct Row {
  Instrument instrument;
  std::string digest_line;
};

std::string quoted(std::string_view text) { return std::string("'").append(text).append("'"); }

bool is_symbol(std::string_view text) {
  return !text.empty() && text.size() <= kSymbolMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

void check_keys(const std::string& where, const toml::table& table, Keys known) {
  for (const auto& [key, value] : table) {
    if (std::ranges::find(known, key.str()) == known.end()) throw Refused{where + ": unknown key " + quoted(key.str())};
  }
}

// The key's value in plain form.
std::string decimal(const std::string& where, const toml::table& row, std::string_view key) {
  const auto value = row[key].value_exact<std::string>();
  auto plain = value ? plain_decimal(*value) : std::nullopt;
  if (plain) return *std::move(plain);
  throw Refused{where + ": " + std::string(key) + " must be a decimal string above 0, such as \"0.01\"" +
                (value ? "; it is " + quoted(*value) : "")};
}

Grid grid(const std::string& where, std::string_view key, const std::string& plain) {
  if (const auto found = Grid::of(plain)) return *found;
  throw Refused{where + ": " + std::string(key) + " has more than 18 digits after the point, or is too large"};
}

std::int64_t steps(const std::string& where, std::string_view key, const Grid& of, const std::string& step,
                   const std::string& plain) {
  if (const auto found = of.parse(plain)) return *found;
  throw Refused{where + ": " + std::string(key) + " is not a multiple of " + step + ", or too large"};
}

// Millionths of a band in plain form; 0 for an empty text.
std::uint32_t band_ppm(const std::string& where, const std::string& plain) {
  if (plain.empty()) return 0;
  const auto band = number(plain);
  std::uint64_t ppm = 0;
  if (band && band->digits <= kBandDigits && band->mantissa <= kBandMaxPpm) {
    ppm = band->mantissa;
    for (unsigned digits = band->digits; digits < kBandDigits; ++digits) ppm *= 10;
  }
  if (ppm == 0 || ppm > kBandMaxPpm) {
    throw Refused{where + ": price_band " + quoted(plain) +
                  " has more than 6 digits after the point, or is above 1000"};
  }
  return static_cast<std::uint32_t>(ppm);
}

// As decimal(), or an empty text if the key is not there.
std::string optional_decimal(const std::string& where, const toml::table& row, std::string_view key) {
  return row.contains(key) ? decimal(where, row, key) : std::string();
}

// A line of the digest.
std::string line(std::initializer_list<std::string_view> fields) {
  std::string text;
  for (const std::string_view field : fields) text.append(text.empty() ? "" : "\t").append(field);
  return text + "\n";
}

Row read_row(const std::string& path, const toml::table& row) {
  const auto symbol = row["symbol"].value_exact<std::string>();
  if (!symbol || !is_symbol(*symbol)) {
    throw Refused{path + ": symbol " + quoted(symbol.value_or("")) +
                  " must be 1 to 32 printable ASCII characters without spaces"};
  }
  const std::string where = path + ": instrument " + quoted(*symbol);
  check_keys(where, row, kInstrumentKeys);
  const std::string increment = decimal(where, row, "price_increment");
  const std::string lot = decimal(where, row, "lot_size");
  const std::string low = row.contains("min_price") ? decimal(where, row, "min_price") : increment;
  const std::string high = decimal(where, row, "max_price");
  const std::string largest = decimal(where, row, "max_quantity");
  const std::string reference = optional_decimal(where, row, "reference_price");
  const std::string band = optional_decimal(where, row, "price_band");
  const Grid price = grid(where, "price_increment", increment);
  const Grid quantity = grid(where, "lot_size", lot);
  const auto ticks = [&](std::string_view key, const std::string& plain) {
    return core::Price{plain.empty() ? 0 : steps(where, key, price, increment, plain)};
  };
  Instrument instrument{.limits = {.symbol = *symbol,
                                   .min_price = ticks("min_price", low),
                                   .max_price = ticks("max_price", high),
                                   .max_quantity = {steps(where, "max_quantity", quantity, lot, largest)},
                                   .reference_price = ticks("reference_price", reference),
                                   .band_ppm = band_ppm(where, band),
                                   .price_increment = price.step(),
                                   .lot_size = quantity.step()},
                        .price = price,
                        .quantity = quantity};
  if (instrument.limits.min_price > instrument.limits.max_price)
    throw Refused{where + ": min_price is above max_price"};
  const core::Price from = instrument.limits.reference_price;
  if (!reference.empty() && (from < instrument.limits.min_price || from > instrument.limits.max_price))
    throw Refused{where + ": reference_price is outside of min_price to max_price"};
  return {std::move(instrument), line({*symbol, increment, lot, low, high, largest, reference, band})};
}

std::vector<Row> read_rows(const std::string& path, const toml::table& document) {
  const toml::array* tables = document["instrument"].as_array();
  if (tables == nullptr || tables->empty() || !tables->is_array_of_tables()) {
    throw Refused{path + ": needs at least one [[instrument]]"};
  }
  std::vector<Row> rows;
  for (const toml::node& node : *tables) rows.push_back(read_row(path, *node.as_table()));
  const auto symbol = [](const Row& row) -> const std::string& { return row.instrument.limits.symbol; };
  std::ranges::sort(rows, {}, symbol);
  const auto twice = std::ranges::adjacent_find(rows, {}, symbol);
  if (twice != rows.end()) throw Refused{path + ": instrument " + quoted(symbol(*twice)) + " is there twice"};
  return rows;
}

// "HH:MM" of the trading day's end, as it stands in the file.
std::string read_day_end(const std::string& path, const toml::table& document, core::Time& end) {
  if (!document.contains("trading_day_end")) return "00:00";
  const std::string text = document["trading_day_end"].value_exact<std::string>().value_or("");
  const auto digit = [&text](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  const bool shaped = text.size() == 5 && text[2] == ':' && digit(0) && digit(1) && digit(3) && digit(4);
  const int hours = shaped ? (text[0] - '0') * 10 + (text[1] - '0') : 24;
  const int minutes = shaped ? (text[3] - '0') * 10 + (text[4] - '0') : 0;
  if (hours > 23 || minutes > 59) {
    throw Refused{path + ": trading_day_end must be a time of day in UTC, \"HH:MM\"; it is " + quoted(text)};
  }
  end = {(std::int64_t{hours} * 60 + minutes) * 60 * 1'000'000'000};
  return text;
}

std::string read_max_open_orders(const std::string& where, const toml::table& table, std::uint32_t& orders) {
  if (!table.contains("max_open_orders")) return {};
  const auto value = table["max_open_orders"].value_exact<std::int64_t>();
  if (!value || *value < 1 || *value > std::int64_t{std::numeric_limits<std::uint32_t>::max()}) {
    throw Refused{where + ": max_open_orders must be an integer from 1 to 4294967295"};
  }
  orders = static_cast<std::uint32_t>(*value);
  return std::to_string(orders);
}

// Reads the limits and returns their line of the digest.
std::string read_default_limits(const std::string& path, const toml::table& document, core::Limits& limits) {
  const toml::table none;
  const toml::table* table = document.contains("default_limits") ? document["default_limits"].as_table() : &none;
  if (table == nullptr) throw Refused{path + ": default_limits must be a table, [default_limits]"};
  const std::string where = path + ": default_limits";
  check_keys(where, *table, kLimitKeys);
  const auto read = [&](std::string_view key, core::Decimal& limit) {
    const std::string plain = optional_decimal(where, *table, key);
    const auto found = plain.empty() ? core::Decimal{} : number(plain);
    if (!found)
      throw Refused{where + ": " + std::string(key) + " has more than 18 digits after the point, or is too large"};
    limit = *found;
    return plain;
  };
  const std::string quantity = read("max_order_quantity", limits.max_order_quantity);
  const std::string notional = read("max_order_notional", limits.max_order_notional);
  const std::string orders = read_max_open_orders(where, *table, limits.max_open_orders);
  const std::string open_notional = read("max_open_notional", limits.max_open_notional);
  const std::string position = read("max_position", limits.max_position);
  const std::string band = optional_decimal(where, *table, "price_band");
  limits.band_ppm = band_ppm(where, band);
  return line({"default_limits", quantity, notional, orders, open_notional, position, band});
}

}  // namespace

std::vector<core::InstrumentLimits> Instruments::limits() const {
  std::vector<core::InstrumentLimits> limits;
  for (const Instrument& row : rows) limits.push_back(row.limits);
  return limits;
}

std::optional<std::uint32_t> Instruments::find(std::string_view symbol) const {
  const auto at = std::ranges::lower_bound(rows, symbol, {},
                                           [](const Instrument& row) { return std::string_view(row.limits.symbol); });
  if (at == rows.end() || at->limits.symbol != symbol) return std::nullopt;
  return static_cast<std::uint32_t>(at - rows.begin());
}

Loaded parse(const std::string& path, std::string_view text) {
  try {
    const toml::table document = toml::parse(text, path);
    check_keys(path, document, kFileKeys);
    Instruments found;
    std::string lines;
    for (Row& row : read_rows(path, document)) {
      lines += row.digest_line;
      found.rows.push_back(std::move(row.instrument));
    }
    lines += line({"trading_day_end", read_day_end(path, document, found.trading_day_end)});
    lines += read_default_limits(path, document, found.default_limits);
    found.digest = sha256_hex(lines);
    return {.instruments = std::move(found), .error = {}};
  } catch (const toml::parse_error& error) {
    std::ostringstream message;
    message << path << ": line " << error.source().begin.line << ": " << error.description();
    return {.instruments = std::nullopt, .error = message.str()};
  } catch (const Refused& refused) {
    return {.instruments = std::nullopt, .error = refused.text};
  }
}

Loaded load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return {.instruments = std::nullopt, .error = path + ": can't be read; --instruments names the instrument file"};
  std::ostringstream text;
  text << file.rdbuf();
  return parse(path, text.str());
}

}  // namespace ordergate::instruments
