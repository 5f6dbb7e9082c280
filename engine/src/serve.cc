#include "serve.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "log.h"
#include "rpc/server.h"

namespace ordergate {
namespace {

constexpr int kExitForced = 130;

// Blocked before any thread starts, so that only the waiting thread takes them.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a reader of our log that went away
  return signals;
}

// Only that no two starts look alike; nothing is derived from it.
std::string new_instance() {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  char text[40];
  std::snprintf(text, sizeof text, "%llx-%x", static_cast<unsigned long long>(now), std::random_device{}());
  return text;
}

void follow_parent() {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) raise(SIGTERM);  // it went away in between
}

}  // namespace

int serve(const Options& options, rpc::Shard& shard, snapshot::Snapshots& snapshots, const rpc::TlsPem& tls) {
  const sigset_t signals = block_signals();
  // Its handlers would stop gRPC's threads at every snapshot, for the sake of a child that makes no calls.
  setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);
  if (options.die_with_parent) follow_parent();
  rpc::Server server(shard, snapshots, new_instance());
  const std::string address = server.listen(options.listen, tls);
  if (address.empty()) {
    std::fprintf(stderr, "--listen: %s can't be used\n", options.listen.c_str());
    return kExitUsage;
  }
  std::thread([&server, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    server.stop();
    sigwait(&signals, &signal);
    _exit(kExitForced);
  }).detach();
  std::fprintf(stderr, "ordergate-engine ready listen=%s shard=%u digest=%s frame=%s\n", address.c_str(), options.shard,
               shard.digest().c_str(), shard.last_applied().text().c_str());
  server.run();
  snapshots.finish(shard.engine(), shard.last_applied(), shard.last_published());
  log::info("stopped", {{"last_applied", shard.last_applied().text()}, {"last_snapshot", snapshots.last().text()}});
  // All is done and closed. What is left is gRPC's own end, which waits up to 10 s for a poller of its if a write had
  // to wait lately.
  _exit(0);
}

}  // namespace ordergate
