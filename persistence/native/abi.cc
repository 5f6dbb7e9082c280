// What persistence/packed.py calls through ctypes.
#include <cstddef>
#include <cstdint>

#include "pack.h"

namespace {

using ordergate::rows::Entry;
using ordergate::rows::kTables;
using ordergate::rows::Packer;

// As ctypes lays it out.
struct Span {
  const char* data;
  std::size_t size;
  std::size_t rows;
};

// Entry i of a stream: its id in ids[2 i] and ids[2 i + 1].
struct Stream {
  const std::uint64_t* ids;
  const char* const* frames;
  const std::size_t* sizes;
  std::size_t count;

  Entry operator[](std::size_t i) const { return {ids[2 * i], ids[2 * i + 1], {frames[i], sizes[i]}}; }
};

bool add_all(Packer& packer, const Stream& commands, const Stream& events) {
  for (std::size_t i = 0; i < commands.count; ++i) {
    if (!packer.add_commands(commands[i])) return false;
  }
  for (std::size_t i = 0; i < events.count; ++i) {
    if (!packer.add_events(events[i])) return false;
  }
  return true;
}

}  // namespace

extern "C" {

// The rows of a batch into `spans`, one for each table, to be freed; nullptr if
// persistence/rows.py is to build them. The frames must stay where they are
// meanwhile.
void* ordergate_rows_pack(std::uint16_t shard, const Stream* commands, const Stream* events, Span* spans) {
  auto* const packer = new Packer(shard);
  if (!add_all(*packer, *commands, *events)) {
    delete packer;
    return nullptr;
  }
  packer->finish();
  for (std::size_t i = 0; i < kTables; ++i) {
    auto& copy = packer->copy(i);
    const auto bytes = copy.finish();
    spans[i] = {bytes.data(), bytes.size(), copy.rows()};
  }
  return packer;
}

void ordergate_rows_free(void* packer) { delete static_cast<Packer*>(packer); }

}  // extern "C"
