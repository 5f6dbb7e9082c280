// Durations in a few thousand counters, with a known relative error: what HdrHistogram does, for the range that is
// needed.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace ordergate::load {

// Values below 2^7 ns are counted exactly; above, each power of two is divided into 2^7 buckets, so that a percentile
// is at most 0.8 % above the value that was recorded. Not thread-safe.
class Histogram {
 public:
  void record(std::int64_t ns) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    ++counts_[std::min(bucket_of(value), kBuckets - 1)];
    ++count_;
    sum_ += static_cast<double>(value);
    max_ = std::max(max_, value);
  }

  std::uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_) / 1e6; }
  double mean_ms() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_) / 1e6; }

  // The smallest recorded value that `part` (0 to 1) of all values do not exceed, up to the error above; 0 if empty.
  double percentile_ms(double part) const {
    const double exact = part * static_cast<double>(count_);
    auto rank = static_cast<std::uint64_t>(exact);
    if (static_cast<double>(rank) < exact || rank == 0) ++rank;
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets && count_ > 0; ++bucket) {
      seen += counts_[bucket];
      if (seen >= rank) return static_cast<double>(std::min(last_of(bucket), max_)) / 1e6;
    }
    return max_ms();
  }

 private:
  static constexpr unsigned kBits = 7;
  static constexpr unsigned kLargest = 42;  // 2^42 ns are 73 minutes
  static constexpr std::size_t kBuckets = (std::size_t{kLargest} - kBits + 1) << kBits;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < (1U << kBits)) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return (std::size_t{shift + 1} << kBits) + (value >> shift) - (1U << kBits);
  }
  // The largest value of a bucket.
  static std::uint64_t last_of(std::size_t bucket) {
    if (bucket < (1U << kBits)) return bucket;
    const std::size_t shift = (bucket >> kBits) - 1;
    return (((bucket & ((1U << kBits) - 1)) + (1U << kBits) + 1) << shift) - 1;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kBuckets);
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace ordergate::load
