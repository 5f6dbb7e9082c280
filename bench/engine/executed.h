// What the textbook engine executed of each order before it was replaced.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "workload.hpp"

namespace ordergate::bench {

// Executed quantity of the order of each REPLACE record, in the order of the records. Made once per workload.
std::shared_ptr<const std::vector<std::uint64_t>> executed_before_replaces(const workload::Workload& workload);

}  // namespace ordergate::bench
