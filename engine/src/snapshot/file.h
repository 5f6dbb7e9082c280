// The snapshot file: one state of one engine, and what it is of.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/engine.h"
#include "core/memory.h"
#include "rpc/log_id.h"

namespace ordergate::snapshot {

// Grows with each change of what Engine::save writes: another format is not read.
inline constexpr std::uint32_t kFormat = 1;

// What two engines must agree in to go on from each other's states: instruments, shard, and the numbers of the core.
// SHA-256, 64 hex digits.
std::string config_digest(std::string_view instruments_digest, std::uint32_t shard, const core::EngineConfig& config);

// What a snapshot is of.
struct Stamp {
  std::uint32_t shard = 0;
  std::string config_digest;
  rpc::LogId frame;  // the last one that was applied
};

// Writes the file to `fd`, which is at its beginning, and waits until it is on disk. Returns 0, or errno. Needs nothing
// but the engine, memory and `fd`: a forked child may call it.
int write_file(int fd, const Stamp& stamp, const core::Engine& engine);

// A file that was read; `error` says why it can't be used.
struct File {
  std::string error;
  rpc::LogId frame;
  std::size_t size = 0;
  std::string_view state_hash;  // 32 hex digits
  std::span<const char> state;  // for Engine::load
  core::Block<char> bytes;
};

// Reads and checks all but the state itself: it is whole, undamaged, of this format, of this shard and configuration.
// The frame of `expected` is not looked at.
File read_file(const std::string& path, const Stamp& expected);

}  // namespace ordergate::snapshot
