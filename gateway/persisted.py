"""Waiting for the persister: one small question to Redis for everybody who waits, and none while nobody does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.streams import ZERO, Keys, LogId

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

_POLL_S = 0.02
"""The persister commits a few times a second: asking more often would not answer sooner."""

_RETRY_S = 0.5


class PersistedWatch:
    """Tells when Postgres holds the events of one shard up to an id, as far as the persister has noted it in Redis."""

    def __init__(self, keys: Keys, redis: Redis) -> None:
        self._keys = keys
        self._redis = redis
        self._reached = ZERO
        self._waiting: list[tuple[LogId, asyncio.Future[None]]] = []
        self._asked = asyncio.Event()

    async def wait(self, event_id: LogId) -> None:
        """Returns once the events up to and with `event_id` are in Postgres. The caller bounds the wait."""
        if event_id > self._reached:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((event_id, future))
            self._asked.set()
            await future

    async def run(self) -> None:
        """Asks for as long as somebody waits, until canceled."""
        try:
            while True:
                await self._asked.wait()
                try:
                    await self._ask()
                except (RedisError, OSError) as error:
                    log.warning("persisted ids can't be read", shard=self._keys.shard, error=repr(error))
                    await asyncio.sleep(_RETRY_S)
                if self._waiting:
                    await asyncio.sleep(_POLL_S)
                else:
                    self._asked.clear()
        finally:
            for _, future in self._waiting:
                future.cancel()

    async def _ask(self) -> None:
        raw = await self._redis.hget(self._keys.persisted, "events")
        if raw is not None:
            self._reached = max(self._reached, LogId.parse(raw))
        for event_id, future in self._waiting:
            if event_id <= self._reached and not future.done():
                future.set_result(None)
        self._waiting = [waiter for waiter in self._waiting if not waiter[1].done()]
