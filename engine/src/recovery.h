// The start of an engine: from the newest good snapshot, or from the beginning of the log.
#pragma once

#include <functional>
#include <memory>

#include "rpc/shard.h"
#include "snapshot/directory.h"

namespace ordergate {

// A shard in the state of the newest snapshot that can be used; a new one if there is none. What is skipped, and why,
// is logged. `make` makes a new one each time.
std::unique_ptr<rpc::Shard> recover(const snapshot::Directory& directory,
                                    const std::function<std::unique_ptr<rpc::Shard>()>& make);

}  // namespace ordergate
