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

// Bounds of the core's numbers. The lower ones keep a repeat within a frame recognisable and a late cancel answerable,
// the upper ones are memory: 64 bytes a command remembered, 256 an order held.
constexpr std::uint32_t kIdsWindowMin = 1024;
constexpr std::uint32_t kIdsWindowMax = 67'108'864;
constexpr std::int64_t kIdsAgeMaxS = 31'536'000;
constexpr std::uint32_t kEndedOrdersMax = 16'777'216;
constexpr std::int64_t kSecond = 1'000'000'000;

void declare_engine(CLI::App& app, Options& options) {
  core::EngineConfig& engine = options.engine;
  app.add_option("--orders-max", engine.open_orders_max, "Most orders open at once, about 256 bytes each once used")
      ->check(CLI::Range(1u, 1u << 30));
  app.add_option("--ended-orders", engine.ended_orders,
                 "Orders that have ended and are held for late cancels and repeats, 256 bytes each")
      ->check(CLI::Range(1u, kEndedOrdersMax));
  app.add_option("--ids-window", engine.ids_window,
                 "Commands remembered, so that a repeat is known, 64 bytes each, taken at the start")
      ->check(CLI::Range(kIdsWindowMin, kIdsWindowMax));
  app.add_option_function<std::int64_t>(
         "--ids-age", [&engine](std::int64_t seconds) { engine.ids_age = {seconds * kSecond}; },
         "Seconds for which a command is remembered at most")
      ->check(CLI::Range(std::int64_t{1}, kIdsAgeMaxS))
      ->default_str(std::to_string(engine.ids_age.value / kSecond));
}

// A snapshot takes about a second of a processor for a million orders: not more often than so many commands.
constexpr std::uint64_t kSnapshotEveryMin = 1000;
constexpr std::uint64_t kSnapshotEveryMax = 1'000'000'000;

std::string check_interval(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 10 && text.find_first_not_of("0123456789") == std::string::npos;
  const std::uint64_t every = digits ? std::stoull(text) : 1;
  if (every == 0 || (every >= kSnapshotEveryMin && every <= kSnapshotEveryMax)) return {};
  return "must be 0, or " + std::to_string(kSnapshotEveryMin) + " to " + std::to_string(kSnapshotEveryMax) +
         "; it is '" + text + "'";
}

void declare_snapshots(CLI::App& app, Options& options) {
  app.add_option("--data-dir", options.data_dir,
                 "Directory of snapshots, of which the newest good one is loaded at the start; empty: none")
      ->type_name("DIR");
  app.add_option("--snapshot-every", options.snapshot_every,
                 "Commands between two snapshots; 0: only at an orderly end, where one is taken in any case")
      ->check(CLI::Validator(check_interval, "UINT in [1000 - 1000000000] or 0"));
}

void declare_listener(CLI::App& app, Options& options) {
  app.add_option("--listen", options.listen,
                 "Address to listen on, unix:PATH or HOST:PORT; private: without TLS it has no authentication")
      ->check(CLI::Validator(check_address, "ADDRESS"));
  app.add_option("--tls-cert", options.tls.cert, "Certificate chain (PEM) for TLS with client certificates")
      ->type_name("FILE");
  app.add_option("--tls-key", options.tls.key, "Private key (PEM) of --tls-cert")->type_name("FILE");
  app.add_option("--tls-ca", options.tls.ca, "Certificates (PEM) of those who sign the clients'")->type_name("FILE");
}

void declare(CLI::App& app, Options& options) {
  app.option_defaults()->always_capture_default();
  declare_listener(app, options);
  app.add_option("--instruments", options.instruments, "Instrument file, the same as the gateway's")->type_name("FILE");
  app.add_option("--shard", options.shard, "Shard of the log to serve")->check(CLI::Range(0u, 1023u));
  declare_engine(app, options);
  declare_snapshots(app, options);
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
