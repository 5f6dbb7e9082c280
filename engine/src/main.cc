// ordergate-engine: options, instruments, then the server until a signal.

#include <cstdio>

#include "options.h"
#include "replay.h"
#include "rpc/listen.h"
#include "serve.h"

namespace {

using ordergate::kExitUsage;

int refuse(const char* option, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", option, why.c_str());
  return kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  const auto [options, exit_code] = ordergate::parse_options(argc, argv);
  if (!options) return exit_code;
  ordergate::log::set_level(options->log_level);
  auto [instruments, error] = ordergate::instruments::load(options->instruments);
  if (!instruments) return refuse("--instruments", error);
  if (options->check_instruments) return std::puts(instruments->digest.c_str()) < 0;

  ordergate::rpc::Shard shard(*std::move(instruments), options->shard, options->orders_max);
  if (!options->replay.empty()) return ordergate::replay(options->replay, shard);
  if (const auto why = ordergate::rpc::prepare_address(options->listen)) return refuse("--listen", *why);
  return ordergate::serve(*options, shard);
}
