// Replays a recorded log straight through the core.
#pragma once

#include <string>

#include "options.h"
#include "rpc/shard.h"

namespace ordergate {

// The file: for each frame u64 ms, u64 seq (its id), u64 engine time in ns, u32 length, and the CommandFrame; numbers
// little-endian. Prints commands, events, trades, state hash and speed to stdout. Returns the exit code: 0, or 1 with
// the reason on stderr if the file can't be read or a frame is refused.
int replay(const std::string& path, rpc::Shard& shard);

}  // namespace ordergate
