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
}

TEST(InstrumentFile, DigestIsOfThePlainLines) {
  // printf 'ACME\t0.01\t1\t0.05\t1000000\t1000000\nBTC-USD\t0.01\t0.00000001\t0.01\t1000000000\t1000000\n' | sha256sum
  EXPECT_EQ(parse("i.toml", kGood).instruments->digest,
            "a5368ae64f4689782a54a4cdbc361c6a50665bc3f00f259121ee2e0ce3a40ad3");
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
