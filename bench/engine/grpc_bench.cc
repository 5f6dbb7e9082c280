// Measures the engine's gRPC service alone: the real program, driven over its unix socket as the relay drives it.
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "grpc_client.h"
#include "grpc_engine.h"
#include "grpc_flow.h"
#include "grpc_parts.h"
#include "grpc_report.h"

namespace ordergate::bench {
namespace {

struct Options {
  std::string engine = "build/engine/ordergate-engine";
  std::string workload = "build/workload/w1.bin";
  std::string json = {};
  std::size_t commands = 1'000'000;
  std::size_t frame = 256;
  std::size_t window = 64;
  std::size_t alone = 500;
  int runs = 3;
  int cores = 2;
};

// One run: an engine of its own.
struct Run {
  double seconds;
  CpuTime cpu;
  double events;
  bool valid;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <class Value>
double median(const std::vector<Run>& runs, const Value& value) {
  std::vector<double> values;
  for (const Run& run : runs) values.push_back(value(run));
  return median(values);
}

// Engine and client share the first processors that we may use.
void stay_on(int cores) {
  cpu_set_t allowed, chosen;
  sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&chosen);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&chosen) < cores; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &chosen);
  }
  sched_setaffinity(0, sizeof chosen, &chosen);
}

Run run_once(const Options& options, const Flow& flow, const Parts& parts, std::vector<double>& round_trips_us) {
  const EngineProcess engine(options.engine, flow.instruments);
  GrpcClient client(engine.address(), engine.digest());
  const std::span<const FrameBytes> frames(flow.frames);
  const std::size_t alone = std::min(options.alone, (frames.size() - flow.warm_up) / 2);
  client.run(frames.first(flow.warm_up), options.window);
  const std::uint64_t events = client.received().events;
  const CpuTime before = engine.cpu();
  const auto start = std::chrono::steady_clock::now();
  client.run(frames.subspan(flow.warm_up, frames.size() - flow.warm_up - alone), options.window);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  const CpuTime cpu = engine.cpu() - before;
  const std::uint64_t made = client.received().events - events;
  client.run_alone(frames.last(alone), round_trips_us);
  const bool valid = client.received().events == parts.events && client.status().state_hash() == parts.state_hash;
  return {taken.count(), cpu, static_cast<double>(made), valid};
}

// `share`: of the flow's commands, those in the timed frames.
GrpcResult summarise(const Flow& flow, const Parts& parts, const std::vector<Run>& runs, double frames, double share,
                     std::vector<double> round_trips_us) {
  GrpcResult result;
  result.valid = std::ranges::all_of(runs, &Run::valid);
  result.parts = parts;
  const double seconds = median(runs, [](const Run& run) { return run.seconds; });
  result.commands_per_s = share * static_cast<double>(flow.commands) / seconds;
  result.orders_per_s = share * static_cast<double>(flow.new_orders) / seconds;
  result.events_per_s = median(runs, [](const Run& run) { return run.events / run.seconds; });
  result.engine_ns = median(runs, [&](const Run& run) { return run.cpu.total_ns / frames; });
  result.kernel_ns = median(runs, [&](const Run& run) { return run.cpu.kernel_ns / frames; });
  std::ranges::sort(round_trips_us);
  const auto quantile = [&](double part) {
    return round_trips_us[static_cast<std::size_t>(part * static_cast<double>(round_trips_us.size() - 1))];
  };
  result.round_trip_p50_us = quantile(0.5);
  result.round_trip_p99_us = quantile(0.99);
  return result;
}

int measure(const Options& options) {
  stay_on(options.cores);
  std::fprintf(stderr, "grpc_bench: %s as frames of %zu, and without gRPC\n", options.workload.c_str(), options.frame);
  const Flow flow = flow_of(workload::load(options.workload), options.commands, options.frame);
  const Parts parts = time_parts(flow);
  std::vector<Run> runs;
  std::vector<double> round_trips_us;
  for (int run = 1; run <= options.runs; ++run) {
    std::fprintf(stderr, "grpc_bench: run %d of %d over gRPC\n", run, options.runs);
    runs.push_back(run_once(options, flow, parts, round_trips_us));
  }
  const std::size_t timed = flow.frames.size() - flow.warm_up;
  const auto frames = static_cast<double>(timed - std::min(options.alone, timed / 2));
  const GrpcResult result =
      summarise(flow, parts, runs, frames, frames / static_cast<double>(timed), std::move(round_trips_us));
  print(result);
  if (!options.json.empty()) write_json(options.json, result);
  return result.valid ? 0 : 1;
}

void declare(CLI::App& app, Options& options) {
  app.option_defaults()->always_capture_default();
  app.add_option("--engine", options.engine, "The engine's program")->type_name("FILE");
  app.add_option("--workload", options.workload, "A file of gen_workload")->type_name("FILE");
  app.add_option("--json", options.json, "Sets the key \"grpc\" in this file of engine_bench")->type_name("FILE");
  app.add_option("--commands", options.commands, "Commands sent, after the warm-up")
      ->check(CLI::Range(10'000, 1 << 28));
  app.add_option("--frame", options.frame, "Commands in a frame")->check(CLI::Range(1, 4096));
  app.add_option("--window", options.window, "Frames under way")->check(CLI::Range(1, 4096));
  app.add_option("--alone", options.alone, "Frames at the end that are sent alone, for the round trip; at most half")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--runs", options.runs, "Runs, each with a new engine; medians are told")->check(CLI::Range(1, 99));
  app.add_option("--cores", options.cores, "Processors that engine and client share")->check(CLI::Range(1, 1024));
}

}  // namespace
}  // namespace ordergate::bench

int main(int argc, char** argv) {
  ordergate::bench::Options options;
  CLI::App app("The engine's gRPC service alone. Exit status 0: measured; 1: the engine's state was not the right one.",
               "grpc_bench");
  ordergate::bench::declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return ordergate::bench::measure(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "grpc_bench: %s\n", error.what());
    return 2;
  }
}
