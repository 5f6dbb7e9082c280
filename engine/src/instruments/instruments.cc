#include "instruments/instruments.h"

#include <openssl/evp.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace ordergate::instruments {
namespace {

// Thrown within this file only; `parse` turns it into Loaded::error.
struct Refused {
  std::string text;
};

constexpr std::array<std::string_view, 6> kKeys{"symbol",    "price_increment", "lot_size",
                                                "min_price", "max_price",       "max_quantity"};
constexpr std::size_t kSymbolMax = 32;

struct Row {
  Instrument instrument;
  std::string digest_line;
};

std::string quoted(std::string_view text) { return std::string("'").append(text).append("'"); }

bool is_symbol(std::string_view text) {
  return !text.empty() && text.size() <= kSymbolMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
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

Row read_row(const std::string& path, const toml::table& row) {
  const auto symbol = row["symbol"].value_exact<std::string>();
  if (!symbol || !is_symbol(*symbol)) {
    throw Refused{path + ": symbol " + quoted(symbol.value_or("")) +
                  " must be 1 to 32 printable ASCII characters without spaces"};
  }
  const std::string where = path + ": instrument " + quoted(*symbol);
  for (const auto& [key, value] : row) {
    if (std::find(kKeys.begin(), kKeys.end(), key.str()) == kKeys.end()) {
      throw Refused{where + ": unknown key " + quoted(key.str())};
    }
  }
  const std::string increment = decimal(where, row, "price_increment");
  const std::string lot = decimal(where, row, "lot_size");
  const std::string low = row.contains("min_price") ? decimal(where, row, "min_price") : increment;
  const std::string high = decimal(where, row, "max_price");
  const std::string largest = decimal(where, row, "max_quantity");
  const Grid price = grid(where, "price_increment", increment);
  const Grid quantity = grid(where, "lot_size", lot);
  Instrument instrument{.limits = {.symbol = *symbol,
                                   .min_price = {steps(where, "min_price", price, increment, low)},
                                   .max_price = {steps(where, "max_price", price, increment, high)},
                                   .max_quantity = {steps(where, "max_quantity", quantity, lot, largest)}},
                        .price = price,
                        .quantity = quantity};
  if (instrument.limits.min_price > instrument.limits.max_price)
    throw Refused{where + ": min_price is above max_price"};
  return {std::move(instrument),
          *symbol + "\t" + increment + "\t" + lot + "\t" + low + "\t" + high + "\t" + largest + "\n"};
}

std::vector<Row> read_rows(const std::string& path, const toml::table& document) {
  for (const auto& [key, value] : document) {
    if (key.str() != "instrument") throw Refused{path + ": unknown key " + quoted(key.str())};
  }
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

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace

std::vector<core::InstrumentLimits> Instruments::limits() const {
  std::vector<core::InstrumentLimits> limits;
  for (const Instrument& row : rows) limits.push_back(row.limits);
  return limits;
}

Loaded parse(const std::string& path, std::string_view text) {
  try {
    const toml::table document = toml::parse(text, path);
    Instruments found;
    std::string lines;
    for (Row& row : read_rows(path, document)) {
      lines += row.digest_line;
      found.rows.push_back(std::move(row.instrument));
    }
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
