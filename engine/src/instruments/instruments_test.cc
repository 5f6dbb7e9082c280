#include "instruments/instruments.h"

#include <gtest/gtest.h>

#include "core/types.h"

namespace ordergate::instruments {
namespace {

std::string formatted(const Grid& grid, std::int64_t steps) {
  char text[kDecimalMax];
  return {text, grid.format(steps, text)};
}

std::string mean(const Grid& grid, core::Notional total, std::int64_t count) {
  char text[kDecimalMax];
  return {text, grid.format_mean(total, count, text)};
}

TEST(Decimal, PlainFormHasNoSuperfluousDigits) {
  const std::pair<const char*, const char*> rows[] = {
      {"0.01", "0.01"}, {"0.010", "0.01"}, {"1.0", "1"}, {"007", "7"}, {"1000000000", "1000000000"}, {"00.50", "0.5"}};
  for (const auto& [text, plain] : rows) EXPECT_EQ(plain_decimal(text), plain) << text;
}

TEST(Decimal, OtherTextsAreNone) {
  for (const char* text : {"", "0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1.2.3", " 1", "1_000", "NaN", "٣",
                           "123456789012345678901234567890123456789"}) {
    EXPECT_EQ(plain_decimal(text), std::nullopt) << text;
  }
}

TEST(Decimal, StepsAreWrittenWithTheDigitsOfTheStep) {
  const struct {
    const char* step;
    std::int64_t steps;
    const char* text;
  } rows[] = {{"0.01", 0, "0.00"},
              {"0.01", 5, "0.05"},
              {"0.01", 10025, "100.25"},
              {"0.005", 3, "0.015"},
              {"1", 0, "0"},
              {"1", 42, "42"},
              {"25", 3, "75"},
              {"0.00000001", 153453667, "1.53453667"},
              {"0.000000000000000001", core::kValueMax, "4.611686018427387904"},
              {"68719476736", core::kValueMax, "316912650057057350374175801344"}};
  for (const auto& [step, steps, text] : rows) EXPECT_EQ(formatted(*Grid::of(step), steps), text) << step;
}

TEST(Decimal, MeanIsRoundedHalfUpToEightDigitsMore) {
  const Grid cents = *Grid::of("0.01");
  EXPECT_EQ(mean(cents, 40100, 4), "100.2500000000");
  EXPECT_EQ(mean(cents, 10, 3), "0.0333333333");
  EXPECT_EQ(mean(cents, 20, 3), "0.0666666667");
  EXPECT_EQ(mean(*Grid::of("1"), 1, 200'000'000), "0.00000001") << "half is rounded up";
  EXPECT_EQ(mean(*Grid::of("1"), 1, 200'000'001), "0.00000000") << "less than half is not";
  EXPECT_EQ(mean(*Grid::of("0.005"), 7, 2), "0.01750000000");
}

TEST(Decimal, MeanOfTheLargestOrderIsExact) {
  const core::Notional total = core::Notional(core::kValueMax) * core::Notional(core::kValueMax);
  EXPECT_EQ(mean(*Grid::of("0.01"), total, core::kValueMax), "46116860184273879.0400000000");
  EXPECT_EQ(mean(*Grid::of("68719476736"), total, core::kValueMax), "316912650057057350374175801344.00000000");
}

TEST(Decimal, NumbersAreReadExactlyAndWrittenPlainly) {
  const auto text = [](const char* plain) -> std::string {
    const auto found = number(plain);
    if (!found) return "none";
    char out[kDecimalMax];
    return {out, format(*found, out)};
  };
  for (const char* plain : {"0.01", "1", "1000000000", "4611686018427387904", "4.611686018427387904", "0.000001"}) {
    EXPECT_EQ(text(plain), plain);
  }
  EXPECT_EQ(text("4611686018427387905"), "none");
  EXPECT_EQ(text("0.0000000000000000001"), "none");
  char out[kDecimalMax];
  EXPECT_EQ(std::string(out, format({1'500, 3}, out)), "1.5");
  EXPECT_EQ(std::string(out, format({0, 18}, out)), "0");
  EXPECT_EQ(std::string(out, format(band(50'000), out)), "0.05");
}

TEST(Decimal, OnlyMultiplesOfTheStepAreSteps) {
  const Grid grid = *Grid::of("0.005");
  EXPECT_EQ(grid.parse("1"), 200);
  EXPECT_EQ(grid.parse("0.015"), 3);
  EXPECT_EQ(grid.parse("0.001"), std::nullopt);
  EXPECT_EQ(grid.parse("0.0051"), std::nullopt);
  EXPECT_EQ(Grid::of("1")->parse("4611686018427387904"), core::kValueMax);
  EXPECT_EQ(Grid::of("1")->parse("4611686018427387905"), std::nullopt);
  EXPECT_EQ(Grid::of("0.000000000000000001")->parse("99999999999999999999999999999999999999"), std::nullopt);
}

TEST(Decimal, StepsBeyondExactMeansAreRefused) {
  EXPECT_EQ(Grid::of("0.0000000000000000001"), std::nullopt);
  EXPECT_EQ(Grid::of("68719476737"), std::nullopt);
}

constexpr const char* kGood = R"(
[[instrument]]
symbol = "BTC-USD"
price_increment = "0.010"
lot_size = "0.00000001"
max_price = "1000000000"
max_quantity = "1000000"

[[instrument]]
symbol = "ACME"
price_increment = "0.01"
lot_size = "1"
min_price = "0.05"
max_price = "1000000"
max_quantity = "1000000"
)";

TEST(InstrumentFile, RowsAreSortedBySymbol) {
  const Loaded loaded = parse("i.toml", kGood);
  ASSERT_TRUE(loaded.instruments) << loaded.error;
  ASSERT_EQ(loaded.instruments->rows.size(), 2u);
  const core::InstrumentLimits& acme = loaded.instruments->rows[0].limits;
  EXPECT_EQ(acme.symbol, "ACME");
  EXPECT_EQ(acme.min_price, core::Price{5});
  EXPECT_EQ(acme.max_price, core::Price{100'000'000});
  EXPECT_EQ(acme.max_quantity, core::Quantity{1'000'000});
  EXPECT_EQ(loaded.instruments->rows[1].limits.min_price, core::Price{1}) << "by default one increment";
  EXPECT_EQ(loaded.instruments->find("ACME"), 0u);
  EXPECT_EQ(loaded.instruments->find("BTC-USD"), 1u);
  for (const char* unknown : {"", "ACM", "ACME2", "ZINC"}) {
    EXPECT_EQ(loaded.instruments->find(unknown), std::nullopt);
  }
}

TEST(InstrumentFile, DigestIsOfThePlainLines) {
  // printf 'ACME\t0.01\t1\t0.05\t1000000\t1000000\t\t\nBTC-USD\t0.01\t0.00000001\t0.01\t1000000000\t1000000\t\t\n
  //   trading_day_end\t00:00\ndefault_limits\t\t\t\t\t\t\n' (without the line break) | sha256sum
  EXPECT_EQ(parse("i.toml", kGood).instruments->digest,
            "81887ec9568bead65a91a1eba1805c99c9ea2ce73a6d88471d89cd5850d6de71");
}

const std::string kRare = "trading_day_end = \"21:30\"\n" + std::string(kGood) + R"(
reference_price = "12.50"
price_band = "0.100"

[default_limits]
max_order_quantity = "10.50"
max_order_notional = "1000000.00"
max_open_orders = 7
max_open_notional = "0.000000000000000001"
max_position = "4611686018427387904"
price_band = "1000"
)";

TEST(InstrumentFile, ReferenceBandDayEndAndLimitsAreRead) {
  const Loaded loaded = parse("i.toml", kRare);
  ASSERT_TRUE(loaded.instruments) << loaded.error;
  const core::InstrumentLimits& acme = loaded.instruments->rows[0].limits;
  EXPECT_EQ(acme.reference_price, core::Price{1250});
  EXPECT_EQ(acme.band_ppm, 100'000u);
  EXPECT_EQ(acme.price_increment.mantissa, 1u);
  EXPECT_EQ(acme.price_increment.digits, 2u);
  EXPECT_EQ(acme.lot_size.digits, 0u);
  EXPECT_EQ(loaded.instruments->rows[1].limits.reference_price, core::Price{0});
  EXPECT_EQ(loaded.instruments->rows[1].limits.band_ppm, 0u);
  EXPECT_EQ(loaded.instruments->trading_day_end, core::Time{(21 * 60 + 30) * 60'000'000'000});
  const core::Limits& limits = loaded.instruments->default_limits;
  EXPECT_EQ(limits.max_order_quantity.mantissa, 105u);
  EXPECT_EQ(limits.max_order_quantity.digits, 1u);
  EXPECT_EQ(limits.max_order_notional.mantissa, 1'000'000u);
  EXPECT_EQ(limits.max_open_orders, 7u);
  EXPECT_EQ(limits.max_open_notional.digits, 18u);
  EXPECT_EQ(limits.max_position.mantissa, static_cast<std::uint64_t>(core::kValueMax));
  EXPECT_EQ(limits.band_ppm, 1'000'000'000u);
}

TEST(InstrumentFile, DigestCoversReferenceBandDayEndAndLimits) {
  // As above, with '…\t1000000\t12.5\t0.1\n' for ACME, 'trading_day_end\t21:30\n' and
  // 'default_limits\t10.5\t1000000\t7\t0.000000000000000001\t4611686018427387904\t1000\n'
  EXPECT_EQ(parse("i.toml", kRare).instruments->digest,
            "04195e48913e8f408777753dc6733e87328d25b124074701923c9dd807d5f81e");
}

TEST(InstrumentFile, WrongReferenceBandDayEndOrLimitIsNamed) {
  const auto edited = [](const std::string& from, const std::string& to) {
    std::string text = kRare;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::pair<std::string, std::string> rows[] = {
      {edited("\"12.50\"", "\"12.505\""), "instrument 'ACME': reference_price is not a multiple of 0.01"},
      {edited("\"12.50\"", "\"0.04\""), "instrument 'ACME': reference_price is outside of min_price to max_price"},
      {edited("\"12.50\"", "\"1000000.01\""), "reference_price is outside of min_price to max_price"},
      {edited("\"12.50\"", "\"0\""), "instrument 'ACME': reference_price must be a decimal string above 0"},
      {edited("\"0.100\"", "0.1"), "instrument 'ACME': price_band must be a decimal string above 0"},
      {edited("\"0.100\"", "\"0.1000001\""), "instrument 'ACME': price_band '0.1000001' has more than 6 digits"},
      {edited("\"0.100\"", "\"1000.1\""), "instrument 'ACME': price_band '1000.1' has more than 6 digits"},
      {edited("\"21:30\"", "\"24:00\""),
       "i.toml: trading_day_end must be a time of day in UTC, \"HH:MM\"; it is '24:00'"},
      {edited("\"21:30\"", "\"21:60\""), "it is '21:60'"},
      {edited("\"21:30\"", "\"9:30\""), "it is '9:30'"},
      {edited("\"21:30\"", "\"21:30:00\""), "it is '21:30:00'"},
      {edited("\"21:30\"", "21:30:00"), "it is ''"},
      {edited("[default_limits]", "[[default_limits]]"), "i.toml: default_limits must be a table"},
      {edited("max_position", "position"), "i.toml: default_limits: unknown key 'position'"},
      {edited("= 7", "= 0"), "default_limits: max_open_orders must be an integer from 1 to 4294967295"},
      {edited("= 7", "= 4294967296"), "max_open_orders must be an integer"},
      {edited("= 7", "= \"7\""), "max_open_orders must be an integer"},
      {edited("387904", "387905"), "default_limits: max_position has more than 18 digits after the point, or is too"},
      {edited("\"1000\"", "\"1001\""), "default_limits: price_band '1001' has more than 6 digits"},
      {edited("0.000000000000000001", "0.0000000000000000001"), "max_open_notional has more than 18 digits"},
  };
  for (const auto& [text, expected] : rows) {
    const Loaded loaded = parse("i.toml", text);
    EXPECT_FALSE(loaded.instruments) << expected;
    EXPECT_NE(loaded.error.find(expected), std::string::npos) << loaded.error << "\n instead of " << expected;
  }
}

TEST(InstrumentFile, WhatIsWrongIsNamed) {
  const auto edited = [](std::string from, std::string to) {
    std::string text = kGood;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::pair<std::string, std::string> rows[] = {
      {"", "i.toml: needs at least one [[instrument]]"},
      {"instrument = []", "i.toml: needs at least one [[instrument]]"},
      {"other = 1", "i.toml: unknown key 'other'"},
      {"[[instrument]", "i.toml: line 1: "},
      {edited("BTC-USD", "BTC USD"), "i.toml: symbol 'BTC USD' must be 1 to 32 printable"},
      {edited("\"BTC-USD\"", "7"), "i.toml: symbol '' must be"},
      {edited("BTC-USD", "ACME"), "i.toml: instrument 'ACME' is there twice"},
      {edited("max_price", "maxprice"), "instrument 'BTC-USD': unknown key 'maxprice'"},
      {edited("max_price = \"1000000000\"\n", ""), "instrument 'BTC-USD': max_price must be a decimal string"},
      {edited("\"1000000000\"", "1000000000"), "instrument 'BTC-USD': max_price must be a decimal string"},
      {edited("\"0.010\"", "\"1e-2\""),
       "price_increment must be a decimal string above 0, such as \"0.01\"; it is '1e-2'"},
      {edited("\"1000000000\"", "\"1.005\""), "max_price is not a multiple of 0.01, or too large"},
      {edited("\"1000000\"", "\"1e99\""), "max_quantity must be a decimal string"},
      {edited("\"1000000\"", "\"99999999999999\""), "max_quantity is not a multiple of 0.00000001, or too large"},
      {edited("\"0.05\"", "\"1000001\""), "instrument 'ACME': min_price is above max_price"},
      {edited("\"0.010\"", "\"0.0000000000000000001\""), "price_increment has more than 18 digits"},
  };
  for (const auto& [text, expected] : rows) {
    const Loaded loaded = parse("i.toml", text);
    EXPECT_FALSE(loaded.instruments);
    EXPECT_NE(loaded.error.find(expected), std::string::npos) << loaded.error << "\n instead of " << expected;
  }
}

TEST(InstrumentFile, MissingFileIsNamed) {
  EXPECT_EQ(load("/no/such/file").error, "/no/such/file: can't be read; --instruments names the instrument file");
}

}  // namespace
}  // namespace ordergate::instruments
