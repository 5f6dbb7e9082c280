// ordergate-engine: options, instruments, then the server until a signal.

#include <absl/synchronization/mutex.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "options.h"
#include "recovery.h"
#include "replay.h"
#include "rpc/listen.h"
#include "rpc/tls.h"
#include "serve.h"

namespace {

using ordergate::kExitUsage;
using ordergate::rpc::Shard;
using ordergate::snapshot::Directory;
using ordergate::snapshot::Snapshots;

int refuse(const char* option, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", option, why.c_str());
  return kExitUsage;
}

using MakeShard = std::function<std::unique_ptr<Shard>()>;

int recover_and_serve(const ordergate::Options& options, const MakeShard& make, const ordergate::rpc::TlsPem& tls) {
  if (options.data_dir.empty()) {
    const auto shard = make();
    Snapshots none(nullptr, shard->stamp(), 0);
    return ordergate::serve(options, *shard, none, tls);
  }
  Directory directory(options.data_dir, options.shard);
  if (const auto why = directory.open()) return refuse("--data-dir", *why);
  const auto shard = ordergate::recover(directory, make);
  Snapshots snapshots(&directory, shard->stamp(), options.snapshot_every);
  snapshots.loaded(shard->engine(), shard->last_applied());
  return ordergate::serve(options, *shard, snapshots, tls);
}

int listen_and_serve(const ordergate::Options& options, const MakeShard& make) {
  if (options.tls.any() && options.listen.starts_with("unix:")) {
    return refuse("--tls-cert",
                  "TLS needs --listen HOST:PORT; on a unix socket its permissions decide who may connect");
  }
  const auto [tls, option, error] = ordergate::rpc::load_tls(options.tls);
  if (!tls) return refuse(option.c_str(), error);
  if (const auto why = ordergate::rpc::prepare_address(options.listen)) return refuse("--listen", *why);
  return recover_and_serve(options, make, *tls);
}

}  // namespace

int main(int argc, char** argv) {
  const auto [options, exit_code] = ordergate::parse_options(argc, argv);
  if (!options) return exit_code;
  ordergate::log::set_level(options->log_level);
  // Debian's abseil looks for deadlocks at every lock that gRPC takes: a search that costs more than the lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto [instruments, error] = ordergate::instruments::load(options->instruments);
  if (!instruments) return refuse("--instruments", error);
  if (options->check_instruments) return std::puts(instruments->digest.c_str()) < 0;

  try {
    const MakeShard make = [&] { return std::make_unique<Shard>(*instruments, options->shard, options->engine); };
    return options->replay.empty() ? listen_and_serve(*options, make) : ordergate::replay(options->replay, *make());
  } catch (const std::invalid_argument& unfit) {
    return refuse("--instruments", options->instruments + ": " + unfit.what());
  }
}
