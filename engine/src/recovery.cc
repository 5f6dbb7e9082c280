#include "recovery.h"

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "core/state_io.h"
#include "log.h"
#include "snapshot/file.h"

namespace ordergate {
namespace {

// Why the file can't be used; nothing if the shard has its state.
std::string load(const snapshot::File& file, rpc::Shard& shard) {
  if (!file.error.empty()) return file.error;
  core::StateReader reader(file.state);
  if (!shard.load(reader, file.frame)) return "its state contradicts itself";
  const std::string hash = shard.engine().state_hash();
  if (hash != file.state_hash) return "its state has the hash " + hash + ", not " + std::string(file.state_hash);
  return {};
}

std::string seconds_since(std::chrono::steady_clock::time_point start) {
  char text[32];
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  std::snprintf(text, sizeof text, "%.3f", passed.count());
  return text;
}

}  // namespace

std::unique_ptr<rpc::Shard> recover(const snapshot::Directory& directory,
                                    const std::function<std::unique_ptr<rpc::Shard>()>& make) {
  auto shard = make();
  const auto snapshots = directory.snapshots();
  for (const auto& [frame, path] : snapshots) {
    const auto start = std::chrono::steady_clock::now();
    const snapshot::File file = snapshot::read_file(path, shard->stamp());
    const std::string fault = load(file, *shard);
    if (fault.empty()) {
      log::info("snapshot_loaded", {{"frame", file.frame.text()},
                                    {"file", path},
                                    {"bytes", std::to_string(file.size)},
                                    {"open_orders", std::to_string(shard->engine().open_orders())},
                                    {"seconds", seconds_since(start)}});
      return shard;
    }
    log::warning("snapshot_skipped", {{"file", path}, {"reason", fault}});
    shard = make();  // a state that was read in part is of no use
  }
  if (!snapshots.empty()) log::warning("no_good_snapshot", {{"starts", "from the beginning of the log"}});
  return shard;
}

}  // namespace ordergate
