// The core under the log: which frames were applied, and the event frames that are not published yet.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "core/engine.h"
#include "instruments/instruments.h"
#include "rpc/book_feed.h"
#include "rpc/command_frame.h"
#include "rpc/event_frame.h"
#include "rpc/log_id.h"
#include "snapshot/file.h"

namespace ordergate::rpc {

// One command frame as it comes from the relay; views the relay's message.
struct CommandEntry {
  LogId id;
  LogId previous;
  std::uint64_t engine_time_ns = 0;
  std::string_view frame;
};

// One event frame that is held until it is published.
struct EventEntry {
  LogId id;
  core::Time engine_time;
  std::uint32_t events = 0;
  std::string frame;
};

// Why a frame was not applied.
struct Fault {
  enum class Kind {
    kGap,         // the frame is not the next one
    kUnreadable,  // the frame can't be read, or its id or time is out of range
  };
  Kind kind;
  std::string text;
};

// Not thread-safe: the thread of the server owns it.
class Shard {
 public:
  // `config` but for what the instruments say. Throws std::invalid_argument as core::Engine does.
  Shard(instruments::Instruments instruments, std::uint32_t shard, core::EngineConfig config);

  // Takes over the state of a snapshot: all up to `frame` is applied and published. False if it can't be: then this
  // shard is of no use. REQUIRES: nothing was applied yet.
  bool load(core::StateReader& state, LogId frame);

  // Applies the entry, unless it was applied before. Its event frame is held if its id is above last_published().
  std::optional<Fault> apply(const CommandEntry& entry);

  // Forgets the event frames at or below `id`, and makes none for command frames at or below it.
  void publish(LogId id);

  // True if every event frame after `id` of the frames applied is held.
  bool holds_after(LogId id) const { return released_ <= id; }

  // Held event frames, in order of their ids.
  const std::deque<EventEntry>& held() const { return held_; }
  // Index in held() of the first one after `id`.
  std::size_t first_after(LogId id) const;

  // Frame of the snapshot that it began with; 0-0: none.
  LogId loaded() const { return loaded_; }
  LogId last_applied() const { return last_applied_; }
  LogId last_published() const { return last_published_; }
  // What a snapshot of this state is of.
  snapshot::Stamp stamp() const { return {number_, config_digest_, last_applied_}; }
  std::uint32_t number() const { return number_; }
  const std::string& digest() const { return instruments_.digest; }
  const core::Engine& engine() const { return engine_; }
  const instruments::Instruments& instruments() const { return instruments_; }
  BookFeed& books() { return books_; }

 private:
  const instruments::Instruments instruments_;
  const std::uint32_t number_;
  const std::string config_digest_;
  core::Engine engine_;
  CommandFrameDecoder decoder_;
  EventFrameEncoder encoder_;
  core::EventSink sink_;
  BookFeed books_;

  LogId loaded_;
  LogId last_applied_;
  LogId last_published_;
  LogId released_;  // last frame applied whose event frame is not held any more
  std::deque<EventEntry> held_;
};

}  // namespace ordergate::rpc
