#include "replay.h"

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

namespace ordergate {
namespace {

struct Header {
  std::uint64_t ms;
  std::uint64_t seq;
  std::uint64_t engine_time_ns;
};
constexpr std::size_t kHeaderBytes = sizeof(Header) + sizeof(std::uint32_t);

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  return std::move(text).str();
}

// Takes one record off `rest`; nothing if it is cut short.
std::optional<rpc::CommandEntry> next_record(std::string_view& rest, rpc::LogId previous) {
  Header header;
  std::uint32_t length = 0;
  if (rest.size() < kHeaderBytes) return std::nullopt;
  std::memcpy(&header, rest.data(), sizeof header);
  std::memcpy(&length, rest.data() + sizeof header, sizeof length);
  rest.remove_prefix(kHeaderBytes);
  if (rest.size() < length) return std::nullopt;
  const std::string_view frame = rest.substr(0, length);
  rest.remove_prefix(length);
  return rpc::CommandEntry{
      .id = {header.ms, header.seq}, .previous = previous, .engine_time_ns = header.engine_time_ns, .frame = frame};
}

void print(const rpc::Shard& shard, std::uint64_t frames, std::uint64_t bytes, double seconds) {
  const core::Counters& counters = shard.engine().counters();
  std::printf("frames %" PRIu64 "\ncommands %" PRIu64 "\nevents %" PRIu64 "\ntrades %" PRIu64 "\nopen_orders %" PRIu32
              "\nevent_bytes %" PRIu64 "\nstate_hash %s\n",
              frames, counters.commands, counters.events, counters.trades, shard.engine().open_orders(), bytes,
              shard.engine().state_hash().c_str());
  std::printf("seconds %.6f\ncommands_per_s %.0f\nevents_per_s %.0f\n", seconds,
              static_cast<double>(counters.commands) / seconds, static_cast<double>(counters.events) / seconds);
}

}  // namespace

int replay(const std::string& path, rpc::Shard& shard) {
  const auto log = read_file(path);
  if (!log) {
    std::fprintf(stderr, "--replay: %s can't be read\n", path.c_str());
    return 1;
  }
  std::string_view rest = *log;
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
  const auto start = std::chrono::steady_clock::now();
  while (!rest.empty()) {
    const auto at = rest.data() - log->data();
    const auto entry = next_record(rest, shard.last_applied());
    const auto fault =
        entry ? shard.apply(*entry) : rpc::Fault{rpc::Fault::Kind::kUnreadable, "the record is cut short"};
    if (fault) {
      std::fprintf(stderr, "--replay: %s: at byte %td: %s\n", path.c_str(), at, fault->text.c_str());
      return 1;
    }
    if (!shard.held().empty()) bytes += shard.held().back().frame.size();
    shard.publish(shard.last_applied());
    ++frames;
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  print(shard, frames, bytes, taken.count());
  return 0;
}

}  // namespace ordergate
