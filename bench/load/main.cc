// The load tool: drives order entry of a gateway and measures it. See --help.
#include <absl/synchronization/mutex.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

#include "load.h"
#include "options.h"
#include "report.h"

namespace ordergate::load {
namespace {

void report(const Load& load) {
  const std::string& path = load.options().json;
  if (path == "-") {
    std::fputs(json_of(load).c_str(), stdout);
    return;
  }
  print_table(load);
  if (path.empty()) return;
  std::ofstream out(path);
  out << json_of(load);
  if (!out.flush()) throw std::runtime_error("--json: " + path + " can't be written");
}

int measure(int argc, char** argv) {
  Load load(read_options(argc, argv));
  load.run();
  report(load);
  return load.tally().error_count == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ordergate::load

int main(int argc, char** argv) {
  // Debian's abseil is built to look for deadlocks at every lock that gRPC takes: work that is not to be measured.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  try {
    return ordergate::load::measure(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ordergate-load: %s\n", error.what());
    return 2;
  }
}
