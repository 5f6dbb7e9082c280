#include "grpc_report.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace ordergate::bench {
namespace {

constexpr const char* kKey = "  \"grpc\": ";

std::string object_of(const GrpcResult& result) {
  std::ostringstream out;
  const auto share = [&](const char* name, double ns) {
    out << ", \"" << name << "_share\": " << ns / result.engine_ns;
  };
  out << "{\"valid\": " << (result.valid ? "true" : "false") << ", \"commands_per_s\": " << result.commands_per_s
      << ", \"orders_per_s\": " << result.orders_per_s << ", \"events_per_s\": " << result.events_per_s
      << ", \"engine_us_per_frame\": " << result.engine_ns / 1e3;
  share("protobuf", result.protobuf_ns());
  share("matching", result.parts.match_ns);
  share("grpc", result.grpc_ns());
  share("kernel", result.kernel_ns);
  out << ", \"round_trip_p50_us\": " << result.round_trip_p50_us
      << ", \"round_trip_p99_us\": " << result.round_trip_p99_us << "}";
  return out.str();
}

// The file's other keys, a line each, without the commas between them.
std::vector<std::string> other_keys(const std::string& path) {
  std::vector<std::string> keys;
  std::ifstream file(path);
  if (!file) return keys;
  std::string line, last;
  for (bool first = true; std::getline(file, line); first = false) {
    if (first != (line == "{")) throw std::runtime_error(path + " is not of engine_bench");
    last = line;
    if (line == "{" || line == "}" || line.starts_with(kKey)) continue;
    if (line.ends_with(',')) line.pop_back();
    keys.push_back(line);
  }
  if (last != "}") throw std::runtime_error(path + " is not of engine_bench");
  return keys;
}

}  // namespace

void print(const GrpcResult& result) {
  std::printf("\n%-10s %12s %12s %12s %14s %10s\n", "gRPC", "commands/s", "orders/s", "events/s", "alone p50 us",
              "p99 us");
  std::printf("%-10s %12.0f %12.0f %12.0f %14.0f %10.0f\n\n", "", result.commands_per_s, result.orders_per_s,
              result.events_per_s, result.round_trip_p50_us, result.round_trip_p99_us);
  const auto row = [&](const char* name, double ns) {
    std::printf("%-10s %12.1f %11.0f%%", name, ns / 1e3, 100 * ns / result.engine_ns);
  };
  std::printf("%-10s %12s %12s\n", "engine", "cpu us/frame", "share");
  row("protobuf", result.protobuf_ns());
  std::printf("   command frames %.1f, event frames %.1f, messages %.1f\n", result.parts.decode_ns / 1e3,
              result.parts.encode_ns / 1e3, result.parts.messages_ns / 1e3);
  row("matching", result.parts.match_ns);
  std::puts("");
  row("gRPC", result.grpc_ns());
  std::puts("   with its sockets");
  row("all", result.engine_ns);
  std::printf("   in the kernel %.1f   %s\n", result.kernel_ns / 1e3, result.valid ? "VALID" : "INVALID");
}

void write_json(const std::string& path, const GrpcResult& result) {
  const std::vector<std::string> keys = other_keys(path);
  std::ofstream out(path);
  out << "{\n";
  for (const std::string& key : keys) out << key << ",\n";
  out << kKey << object_of(result) << "\n}\n";
  if (!out.flush()) throw std::runtime_error(path + " can't be written");
}

}  // namespace ordergate::bench
