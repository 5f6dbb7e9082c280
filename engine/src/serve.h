// The engine as a process: signals, start, drain.
#pragma once

#include "options.h"
#include "rpc/shard.h"
#include "rpc/tls.h"
#include "snapshot/snapshots.h"

namespace ordergate {

// Listens, says ready, and serves until SIGTERM or SIGINT, which drain and take a last snapshot; a second one ends at
// once. Ends the process with 0; returns the exit code 2 if the address can't be used. REQUIRES: no other thread was
// started.
int serve(const Options& options, rpc::Shard& shard, snapshot::Snapshots& snapshots, const rpc::TlsPem& tls);

}  // namespace ordergate
