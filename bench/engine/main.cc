// Measures our core beside the textbook engine: engine_bench OUT.json RUNS NAME=WORKLOAD...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "measure.h"

namespace ordergate::bench {
namespace {

struct Result {
  std::string name;
  bool valid = false;
  double ratio = 0;  // throughput, naive's being 1
  Cost naive{};
  Cost core{};
  Latency naive_latency{};
  Latency core_latency{};
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Cost median(const std::vector<Cost>& costs) {
  std::vector<double> wall, cpu;
  for (const Cost& cost : costs) wall.push_back(cost.wall_ns), cpu.push_back(cost.cpu_ns);
  return {median(wall), median(cpu)};
}

// Both take turns, so that a slow minute of the machine is slow for both; the ratio is the median of the turns' ratios.
Result compare(const std::string& name, const std::string& path, int runs) {
  const workload::Workload workload = workload::load(path);
  Result result;
  result.name = name;
  result.valid = valid(kNaive, workload) && valid(kCore, workload);
  std::vector<Cost> naive, core;
  std::vector<double> ratios;
  for (int run = 0; run < runs; ++run) {
    naive.push_back(cost(kNaive, workload));
    core.push_back(cost(kCore, workload));
    ratios.push_back(naive.back().cpu_ns / core.back().cpu_ns);
  }
  result.ratio = median(ratios);
  result.naive = median(naive);
  result.core = median(core);
  result.naive_latency = latency(kNaive, workload);
  result.core_latency = latency(kCore, workload);
  return result;
}

void print_row(const char* file, const char* engine, const Cost& cost, double ratio, const Latency& latency,
               const char* verdict) {
  std::printf("%-6s %-6s %8.1f %8.1f %8.2f %6.2fx", file, engine, cost.wall_ns, cost.cpu_ns, 1e3 / cost.cpu_ns, ratio);
  for (std::size_t i = 0; i + 1 < Latency::kQuantiles.size(); ++i) std::printf(" %7.0f", latency.ns[i]);
  std::printf(" %7.0f  %s\n", latency.ns.back() / 1e3, verdict);
}

void print(const Result& result) {
  print_row(result.name.c_str(), kNaive.name, result.naive, 1, result.naive_latency, "");
  print_row("", kCore.name, result.core, result.ratio, result.core_latency, result.valid ? "VALID" : "INVALID");
  std::fflush(stdout);
}

void write_json(const std::string& path, const std::vector<Result>& results) {
  std::ofstream out(path);
  const char* separator = "{\n";
  for (const Result& result : results) {
    out << separator << "  \"" << result.name << "\": {\"ratio\": " << result.ratio
        << ", \"valid\": " << (result.valid ? "true" : "false") << ", \"ns\": " << result.core.cpu_ns
        << ", \"naive_ns\": " << result.naive.cpu_ns << ", \"p999_ns\": " << result.core_latency.p999()
        << ", \"naive_p999_ns\": " << result.naive_latency.p999() << "}";
    separator = ",\n";
  }
  out << "\n}\n";
  if (!out.flush()) throw std::runtime_error(path + " can't be written");
}

int run(const std::vector<std::string>& arguments) {
  std::printf("%-6s %-6s %8s %8s %8s %7s %7s %7s %7s %7s %7s %7s\n", "file", "engine", "wall ns", "cpu ns", "M ops/s",
              "ratio", "p50 ns", "p90", "p99", "p99.9", "p99.99", "max us");
  std::vector<Result> results;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const std::size_t equals = arguments[i].find('=');
    if (equals == std::string::npos) throw std::runtime_error("not NAME=WORKLOAD: " + arguments[i]);
    results.push_back(
        compare(arguments[i].substr(0, equals), arguments[i].substr(equals + 1), std::stoi(arguments[1])));
    print(results.back());
  }
  write_json(arguments[0], results);
  return std::ranges::all_of(results, &Result::valid) ? 0 : 1;
}

}  // namespace
}  // namespace ordergate::bench

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s OUT.json RUNS NAME=WORKLOAD...\n", argv[0]);
    return 2;
  }
  try {
    return ordergate::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine_bench: %s\n", error.what());
    return 2;
  }
}
