// ordergate-engine: options, instruments, then the server until a signal.

#include <cstdio>
#include <stdexcept>
#include <string>

#include "options.h"
#include "replay.h"
#include "rpc/listen.h"
#include "rpc/tls.h"
#include "serve.h"

namespace {

using ordergate::kExitUsage;

int refuse(const char* option, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", option, why.c_str());
  return kExitUsage;
}

int listen_and_serve(const ordergate::Options& options, ordergate::rpc::Shard& shard) {
  if (options.tls.any() && options.listen.starts_with("unix:")) {
    return refuse("--tls-cert",
                  "TLS needs --listen HOST:PORT; on a unix socket its permissions decide who may connect");
  }
  const auto [tls, option, error] = ordergate::rpc::load_tls(options.tls);
  if (!tls) return refuse(option.c_str(), error);
  if (const auto why = ordergate::rpc::prepare_address(options.listen)) return refuse("--listen", *why);
  return ordergate::serve(options, shard, *tls);
}

}  // namespace

int main(int argc, char** argv) {
  const auto [options, exit_code] = ordergate::parse_options(argc, argv);
  if (!options) return exit_code;
  ordergate::log::set_level(options->log_level);
  auto [instruments, error] = ordergate::instruments::load(options->instruments);
  if (!instruments) return refuse("--instruments", error);
  if (options->check_instruments) return std::puts(instruments->digest.c_str()) < 0;

  try {
    ordergate::rpc::Shard shard(*std::move(instruments), options->shard, options->engine);
    return options->replay.empty() ? listen_and_serve(*options, shard) : ordergate::replay(options->replay, shard);
  } catch (const std::invalid_argument& unfit) {
    return refuse("--instruments", options->instruments + ": " + unfit.what());
  }
}
