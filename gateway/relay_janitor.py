"""Trimming of the streams: only what nobody needs any more, never by length (P6).

Two floors. Of `events`, the oldest entries that Postgres holds go while the stream is larger than its window, which
is for clients that resume. Of `commands` and `times` everything goes that Postgres holds *and* that is in the engine's
newest snapshot on disk: an engine starts from there, and one without a good snapshot from the archive.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.redis_client import command
from gateway.relay_metrics import BYTES, ENTRIES, FLOORS, TRIMMED, seconds
from gateway.streams import ZERO, LogId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from gateway.streams import Keys

log = structlog.get_logger()

PERIOD_S = 0.5
WEIGH_S = 10.0
"""How often the streams are weighed for the metrics: 0.1 µs of Redis for each node, 1 ms for a million frames."""
GROWTH_BYTES = 4_194_304
"""The stream is weighed again after this many bytes of events: Redis walks all its nodes for that, about 0.1 µs each.
(A sample of them would do only if they were alike: Redis samples the oldest.)"""
TRIM_ENTRIES_MAX = 1000
"""Entries trimmed at once: Redis serves nobody else meanwhile."""
NODE_ENTRIES = 200
"""A node of the stream is trimmed whole or not at all, and holds up to 100 entries by default."""
ROUNDS_MAX = 64
"""Weighings, or trims, in one go."""

# KEYS: commands, times, epoch. ARGV: our epoch, floor, most entries. A relay that was overtaken trims nothing: the
# engine of its successor may stand at an older snapshot. It must work when the memory is full.
_TRIM_LOG = """#!lua flags=allow-oom
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return 0
end
redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[2], 'LIMIT', ARGV[3])
return redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[2], 'LIMIT', ARGV[3])
"""


class Janitor:
    """Trims the streams of one shard during one session.

    What Postgres holds is told by the hash `persisted`, which the persister writes after its commits, so that it may
    lag and never leads. MINID keeps the entry at the bound: a stream always shows where its end is, and a reader that
    stands there sees that it misses nothing.
    """

    def __init__(self, client: Redis, keys: Keys, window_bytes: int, snapshot: Callable[[], Awaitable[LogId]]) -> None:
        """Makes a janitor that has looked at nothing yet.

        Args:
            client: for short commands.
            keys: of the shard.
            window_bytes: what the events stream may always take; 0: it is not trimmed.
            snapshot: the frame of the engine's newest snapshot on disk; 0-0 if that is not known.
        """
        self._client = client
        self._keys = keys
        self._window_bytes = window_bytes
        self._snapshot = snapshot
        self.trimmed = 0
        """Events trimmed so far."""
        self.trimmed_commands = 0
        """Command frames trimmed so far."""
        self.floor = ZERO
        """Frame up to which the engine and Postgres have everything, as last seen."""
        self._log_floor = ZERO
        self._grown = GROWTH_BYTES
        shard = str(keys.shard)
        self._streams = {"commands": keys.commands, "events": keys.events, "times": keys.times}
        self._count = {name: TRIMMED.labels(shard, name) for name in ("commands", "events")}
        self._floors = {name: FLOORS.labels(shard, name) for name in ("persisted", "snapshot")}
        self._weigh_at = 0.0

    def grew(self, size: int) -> None:
        """Tells that `size` bytes of events were published."""
        self._grown += size

    async def run(self, epoch: int) -> None:
        """Looks and trims; never returns. A Redis that fails is left to the others to notice."""
        while True:
            try:
                await self.tidy_log(epoch)
                if self._window_bytes and self._grown >= GROWTH_BYTES:
                    await self.tidy()
                if (now := time.monotonic()) >= self._weigh_at:
                    self._weigh_at = now + WEIGH_S
                    await self._weigh()
            except (RedisError, OSError) as error:
                log.debug("streams not trimmed", shard=self._keys.shard, error=str(error))
            await asyncio.sleep(PERIOD_S)

    async def tidy_log(self, epoch: int) -> int:
        """Trims commands and their times up to the floor of both; the number of command frames trimmed.

        Raises:
            redis.exceptions.RedisError: Redis failed; nothing is lost by that.
        """
        commands, events = await self._persisted()
        held = min(commands, events)  # a frame whose events are not persisted has no engine time in the archive
        if held <= self._log_floor:
            return 0
        snapshot = await self._snapshot()
        self._floors["persisted"].set(seconds(held))
        self._floors["snapshot"].set(seconds(snapshot))
        self.floor = min(held, snapshot)
        if self.floor <= self._log_floor:
            return 0
        done = 0
        for _ in range(ROUNDS_MAX):
            gone = await self._trim_log(epoch, self.floor)
            done += gone
            if gone < NODE_ENTRIES:
                self._log_floor = self.floor
                break
        self.trimmed_commands += done
        self._count["commands"].inc(done)
        return done

    async def tidy(self) -> int:
        """Trims the events that are too much now; their number.

        Raises:
            redis.exceptions.RedisError: Redis failed; nothing is lost by that.
        """
        keys, done = self._keys, 0
        _, floor = await self._persisted()
        for _ in range(ROUNDS_MAX):
            size = int(await command(self._client, "MEMORY USAGE", keys.events, "SAMPLES", 0) or 0)
            if size <= self._window_bytes:
                self._grown = 0  # else it is weighed again in the next period: the bound may have moved
                break
            entries = int(await command(self._client, "XLEN", keys.events))
            surplus = entries * (size - self._window_bytes) // size
            gone = await self._trim(floor, min(max(surplus, 1), TRIM_ENTRIES_MAX))
            if not gone and surplus < NODE_ENTRIES:
                gone = await self._trim(floor, NODE_ENTRIES)
            done += gone
            if not gone:
                break
        self.trimmed += done
        self._count["events"].inc(done)
        return done

    async def _trim(self, floor: LogId, limit: int) -> int:
        return int(await command(self._client, "XTRIM", self._keys.events, "MINID", "~", str(floor), "LIMIT", limit))

    async def _trim_log(self, epoch: int, floor: LogId) -> int:
        keys = (self._keys.commands, self._keys.times, self._keys.epoch)
        return int(await command(self._client, "EVAL", _TRIM_LOG, 3, *keys, epoch, str(floor), TRIM_ENTRIES_MAX))

    async def _weigh(self) -> None:
        """Tells the metrics how large the streams are."""
        for name, key in self._streams.items():
            size = await command(self._client, "MEMORY USAGE", key, "SAMPLES", 0)
            BYTES.labels(str(self._keys.shard), name).set(int(size or 0))
            ENTRIES.labels(str(self._keys.shard), name).set(int(await command(self._client, "XLEN", key)))

    async def _persisted(self) -> tuple[LogId, LogId]:
        """Ids up to which Postgres holds all commands and all events; 0-0 if that is not known."""
        commands, events = await command(self._client, "HMGET", self._keys.persisted, "commands", "events")
        return LogId.parse(commands or b"0-0"), LogId.parse(events or b"0-0")
