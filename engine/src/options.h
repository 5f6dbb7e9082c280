// What the engine can be told on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/engine.h"
#include "log.h"
#include "rpc/tls.h"

namespace ordergate {

struct Options {
  // Where to listen: unix:PATH or HOST:PORT (port 0 takes a free one). A private address, unless TLS is on: there is no
  // other authentication.
  std::string listen = "unix:.ordergate/run/engine.sock";
  // Instrument file, the same as the gateway's.
  std::string instruments = "instruments.toml";
  // Shard of the log that this engine serves.
  std::uint32_t shard = 0;
  // PEM files for TLS, in which clients need certificates; only with HOST:PORT.
  rpc::TlsFiles tls;
  // What the core is to be built with. Part of the state's meaning: a replay needs the same numbers. The instruments
  // come from their file.
  core::EngineConfig engine;
  // Directory of snapshots; empty: none are taken or looked for.
  std::string data_dir = ".ordergate/engine";
  // Commands between snapshots; 0: only at the end.
  std::uint64_t snapshot_every = 500'000;
  log::Level log_level = log::Level::kInfo;
  // End (SIGTERM) when the process that started this one ends.
  bool die_with_parent = false;
  // Apply this recorded log, print what came of it, and exit.
  std::string replay;
  // Print the digest of the instruments and exit.
  bool check_instruments = false;
};

// Exit code for a refused option or instrument file.
inline constexpr int kExitUsage = 2;

// What the command line asks for: options to run with, or the exit code after --help, --version or a refusal, which was
// printed by the option's name.
struct Parsed {
  std::optional<Options> options;
  int exit_code = 0;
};

Parsed parse_options(int argc, char** argv);

}  // namespace ordergate
