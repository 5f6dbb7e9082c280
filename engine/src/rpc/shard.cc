#include "rpc/shard.h"

#include <algorithm>
#include <limits>

namespace ordergate::rpc {

namespace {

core::EngineConfig complete(core::EngineConfig config, const instruments::Instruments& instruments) {
  config.instruments = instruments.limits();
  config.default_limits = instruments.default_limits;
  config.trading_day_end = instruments.trading_day_end;
  return config;
}

}  // namespace

Shard::Shard(instruments::Instruments instruments, std::uint32_t shard, core::EngineConfig config)
    : instruments_(std::move(instruments)),
      number_(shard),
      config_digest_(snapshot::config_digest(instruments_.digest, shard, config)),
      engine_(complete(std::move(config), instruments_)),
      encoder_(engine_, instruments_, shard),
      books_(engine_) {}

bool Shard::load(core::StateReader& state, LogId frame) {
  if (!engine_.load(state)) return false;
  loaded_ = last_applied_ = last_published_ = released_ = frame;
  return true;
}

std::optional<Fault> Shard::apply(const CommandEntry& entry) {
  if (entry.id <= last_applied_) return std::nullopt;
  if (entry.previous != last_applied_) {
    return Fault{Fault::Kind::kGap, "frame " + entry.id.text() + " follows " + entry.previous.text() +
                                        ", but the last frame applied is " + last_applied_.text()};
  }
  const auto unreadable = [&](const std::string& why) {
    return Fault{Fault::Kind::kUnreadable, "frame " + entry.id.text() + ": " + why};
  };
  if (entry.engine_time_ns > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return unreadable("engine_time_ns is out of range");
  }
  if (const auto why = decoder_.decode(entry.frame)) return unreadable(*why);

  sink_.clear();
  engine_.apply(decoder_.frame(), {static_cast<std::int64_t>(entry.engine_time_ns)}, sink_);
  last_applied_ = entry.id;
  books_.applied(sink_);
  if (entry.id <= last_published_) {
    released_ = entry.id;
    return std::nullopt;
  }
  held_.push_back({.id = entry.id,
                   .engine_time = engine_.time(),
                   .events = static_cast<std::uint32_t>(sink_.events.size()),
                   .frame = encoder_.encode(entry.id, decoder_.frame(), sink_)});
  return std::nullopt;
}

void Shard::publish(LogId id) {
  last_published_ = std::max(last_published_, id);
  while (!held_.empty() && held_.front().id <= last_published_) {
    released_ = held_.front().id;
    held_.pop_front();
  }
}

std::size_t Shard::first_after(LogId id) const {
  const auto found = std::ranges::upper_bound(held_, id, {}, &EventEntry::id);
  return static_cast<std::size_t>(found - held_.begin());
}

}  // namespace ordergate::rpc
