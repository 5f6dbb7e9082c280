"""A stream that takes from a feed, as Session and Follow do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gateway.database import Database
from gateway.feed import EventFeed
from gateway.history import AccountHistory
from gateway.start import LIVE, Start

from ...unit.events.builder import opened
from .conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ordergate.v1 import event_pb2

    from .conftest import Shard


NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


class Reader:
    def __init__(
        self, shards: list[Shard], accounts: set[str], start: Start, buffer_bytes: int, database: Database
    ) -> None:
        self.wake = asyncio.Event()
        hubs = [shard.hub for shard in shards]
        histories = [AccountHistory(hub.shard, database) for hub in hubs]
        redis = shards[0].redis
        self.feed = EventFeed(hubs, frozenset(accounts), start, self.wake.set, buffer_bytes, redis, histories)
        self.events: list[event_pb2.OrderEvent] = []

    def take(self, limit_bytes: int = 500_000) -> bytes:
        data = self.feed.take(limit_bytes)
        self.events += opened(data)
        return data

    async def read(self, count: int, limit_bytes: int = 500_000, timeout_s: float = 20.0) -> None:
        """Takes until there are `count` events."""

        def enough() -> bool:
            while len(self.events) < count and self.take(limit_bytes):
                pass
            return len(self.events) >= count or self.feed.failure is not None

        await until(enough, timeout_s)

    def orders(self) -> list[str]:
        return [event.order.client_order_id for event in self.events]


@contextlib.asynccontextmanager
async def reading(
    *shards: Shard,
    accounts: set[str],
    start: Start = LIVE,
    buffer_bytes: int = 1_000_000,
    database: Database | None = None,
) -> AsyncIterator[Reader]:
    """A reader, with a database that is away unless one is given."""
    reader = Reader(list(shards), accounts, start, buffer_bytes, database or Database(NO_DATABASE))
    await reader.feed.open()
    task = asyncio.create_task(reader.feed.run(), name="feed")
    try:
        yield reader
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
