// What is measured: an engine that takes operations in chunks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "workload.hpp"

namespace ordergate::bench {

using Operations = std::span<const workload::Record>;

// Two steps, since only what the engine itself does is timed: an engine gets its input from somewhere, already decoded.
class Contestant {
 public:
  virtual ~Contestant() = default;

  // Untimed: lays the operations out as the engine takes them, at most `batch` at a time.
  virtual void prepare(Operations operations, std::size_t batch) = 0;

  // Timed: applies what was prepared.
  virtual void apply() = 0;

  // The same, and appends the ticks of the timestamp counter that each operation took.
  virtual void apply_each(std::vector<std::uint32_t>& ticks) = 0;
};

// How a contestant is made. `checked` makes one that hashes its trades into `hash` and is not to be timed.
struct Maker {
  const char* name;
  std::unique_ptr<Contestant> (*timed)(const workload::Workload& workload);
  std::unique_ptr<Contestant> (*checked)(const workload::Workload& workload, workload::TradeHash& hash);
};

extern const Maker kNaive;
extern const Maker kCore;

}  // namespace ordergate::bench
