#include "histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace ordergate::load {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile_ms(0.5), 0);
  EXPECT_EQ(histogram.mean_ms(), 0);
}

TEST(Histogram, TellsPercentilesWithinAHundredth) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency_ns(14, 1.5);
  Histogram histogram;
  std::vector<double> values;
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<std::int64_t>(latency_ns(random));
    histogram.record(value);
    values.push_back(static_cast<double>(value) / 1e6);
  }
  std::ranges::sort(values);
  for (const double part : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = values[static_cast<std::size_t>(part * 100'000) - 1];
    EXPECT_GE(histogram.percentile_ms(part), exact) << part;
    EXPECT_LE(histogram.percentile_ms(part), exact * 1.008 + 1e-6) << part;
  }
  EXPECT_EQ(histogram.max_ms(), values.back());
}

TEST(Histogram, ThePercentileOfOneOfTenIsTheTenth) {
  Histogram histogram;
  for (int i = 1; i <= 10; ++i) histogram.record(i);
  EXPECT_DOUBLE_EQ(histogram.percentile_ms(0.9), 9e-6);
  EXPECT_DOUBLE_EQ(histogram.percentile_ms(0.91), 10e-6);
  EXPECT_DOUBLE_EQ(histogram.percentile_ms(0), 1e-6);
}

TEST(Histogram, TakesWhatIsBeyondItsRange) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(std::int64_t{1} << 60);
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.percentile_ms(0.5), 0);
  EXPECT_GT(histogram.percentile_ms(1), 4e6);  // an hour at least
}

}  // namespace
}  // namespace ordergate::load
