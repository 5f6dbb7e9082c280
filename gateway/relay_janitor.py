"""Trimming of the events stream: the oldest entries that Postgres holds, while the stream is larger than its window."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.redis_client import command
from gateway.streams import ZERO, LogId

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from gateway.streams import Keys

log = structlog.get_logger()

PERIOD_S = 0.5
GROWTH_BYTES = 4_194_304
"""The stream is weighed again after this many bytes of events: Redis walks all its nodes for that, about 0.1 µs each.
(A sample of them would do only if they were alike: Redis samples the oldest.)"""
TRIM_ENTRIES_MAX = 1000
"""Entries trimmed at once: Redis serves nobody else meanwhile."""
NODE_ENTRIES = 200
"""A node of the stream is trimmed whole or not at all, and holds up to 100 entries by default."""
ROUNDS_MAX = 64
"""Weighings in one go."""


class Janitor:
    """Keeps the events stream within its window, and never touches what Postgres does not hold yet.

    The bound is the hash `persisted`, which the persister writes after its commits, so that it may lag and never leads.
    MINID keeps the entry at the bound: the stream always shows where its end is.
    """

    def __init__(self, client: Redis, keys: Keys, window_bytes: int) -> None:
        self._client = client
        self._keys = keys
        self._window_bytes = window_bytes
        self.trimmed = 0
        """Entries trimmed so far."""
        self._grown = GROWTH_BYTES

    def grew(self, size: int) -> None:
        """Tells that `size` bytes of events were published."""
        self._grown += size

    async def run(self) -> None:
        """Looks and trims; never returns. A Redis that fails is left to the others to notice."""
        while self._window_bytes:
            try:
                if self._grown >= GROWTH_BYTES:
                    await self.tidy()
            except (RedisError, OSError) as error:
                log.debug("events not trimmed", shard=self._keys.shard, error=str(error))
            await asyncio.sleep(PERIOD_S)

    async def tidy(self) -> int:
        """Trims what is too much now; the number of entries trimmed.

        Raises:
            redis.exceptions.RedisError: Redis failed; nothing is lost by that.
        """
        keys, done = self._keys, 0
        floor = await self._floor()
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
        return done

    async def _trim(self, floor: LogId, limit: int) -> int:
        return int(await command(self._client, "XTRIM", self._keys.events, "MINID", "~", str(floor), "LIMIT", limit))

    async def _floor(self) -> LogId:
        """Id up to which Postgres holds all events; 0-0 if that is not known."""
        raw = await command(self._client, "HGET", self._keys.persisted, "events")
        return LogId.parse(raw) if raw else ZERO
