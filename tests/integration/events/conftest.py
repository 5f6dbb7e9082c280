from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from gateway.hub import Hub
from gateway.redis_client import open_commands, open_reader
from gateway.settings import Settings
from gateway.streams import Keys, LogId

from ...unit.events.builder import EventLog, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis.asyncio import Redis


class Shard:
    """One shard's log, with the hub that follows it."""

    def __init__(self, redis: Redis, hub: Hub) -> None:
        self.redis = redis
        self.hub = hub
        self.keys = Keys(hub.shard)
        self.log = EventLog(hub.shard)
        self.last = LogId(1_000, 0)

    async def publish(self, *rows: Told, raw: bytes | None = None) -> LogId:
        """Appends one event frame."""
        self.last = LogId(self.last.ms + 1, 0)
        frame = raw if raw is not None else self.log.frame(self.last, list(rows)).SerializeToString()
        await self.redis.xadd(self.keys.events, {"f": frame, "t": "1", "n": str(len(rows))}, id=str(self.last))
        return self.last

    async def seen(self, frame: LogId | None = None) -> None:
        """Waits until the hub has handed out the frame (default: the last)."""
        await until(lambda: self.hub.position >= (frame or self.last))


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is awaited has no event to wait for)
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def running_hub(url: str, shard: int, settled=None) -> AsyncIterator[Shard]:
    async def at_once(_: LogId) -> None:
        pass

    settings = Settings(redis_url=url)
    redis, blocking = open_commands(settings), open_reader(settings)
    hub = Hub(shard, blocking, settled or at_once, reader=redis)
    task = asyncio.create_task(hub.run(), name="hub")
    try:
        await hub.started.wait()
        yield Shard(redis, hub)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await redis.aclose()
        await blocking.aclose()


@pytest.fixture
async def shard(redis_url: str) -> AsyncIterator[Shard]:
    async with running_hub(redis_url, 0) as made:
        yield made
