#include "options.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

namespace ordergate {
namespace {

const std::map<std::string, log::Level> kLevels{{"debug", log::Level::kDebug},
                                                {"info", log::Level::kInfo},
                                                {"warning", log::Level::kWarning},
                                                {"error", log::Level::kError}};

std::string check_address(const std::string& address) {
  if (address.starts_with("unix:") && address.size() > 5) return {};
  const std::size_t colon = address.rfind(':');
  if (colon != std::string::npos && colon > 0) {
    const std::string port = address.substr(colon + 1);
    const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
    if (digits && std::stoul(port) <= 65'535) return {};
  }
  return "must be unix:PATH or HOST:PORT; it is '" + address + "'";
}

void declare(CLI::App& app, Options& options) {
  app.option_defaults()->always_capture_default();
  app.add_option("--listen", options.listen,
                 "Address to listen on, unix:PATH or HOST:PORT; private: it has no authentication")
      ->check(CLI::Validator(check_address, "ADDRESS"));
  app.add_option("--instruments", options.instruments, "Instrument file, the same as the gateway's")->type_name("FILE");
  app.add_option("--shard", options.shard, "Shard of the log to serve")->check(CLI::Range(0u, 1023u));
  app.add_option("--orders-max", options.orders_max, "Most orders that may rest at once, 32 bytes each when used")
      ->check(CLI::Range(1u, 1u << 30));
  app.add_option("--log-level", options.log_level, "Least level to log")
      ->transform(CLI::CheckedTransformer(kLevels).description("{debug,info,warning,error}"))
      ->default_str("info");
  app.add_flag("--die-with-parent", options.die_with_parent, "End when the process that started this one ends");
  app.add_option("--replay", options.replay, "Apply a recorded log, print its events and state hash, and exit")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--check-instruments", options.check_instruments, "Print the digest of the instruments and exit");
  app.set_version_flag("--version", "ordergate-engine " ORDERGATE_ENGINE_VERSION);
}

}  // namespace

Parsed parse_options(int argc, char** argv) {
  CLI::App app("The matching engine of one shard. It is told everything by a relay, which reads the log.",
               "ordergate-engine");
  Options options;
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {.options = std::nullopt, .exit_code = app.exit(error) == 0 ? 0 : kExitUsage};
  }
  return {.options = std::move(options), .exit_code = 0};
}

}  // namespace ordergate
