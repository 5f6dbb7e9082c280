from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from gateway.database import Database
from gateway.frames import read_event_frame
from gateway.hub import Hub
from gateway.redis_client import open_commands, open_reader
from gateway.settings import Settings
from gateway.streams import Keys, LogId
from persistence.batcher import Batch
from persistence.database import connect
from persistence.migrate import load_migrations, migrate
from persistence.rows import build_rows
from persistence.streams import Entry as StoredEntry
from persistence.streams import LogId as StoredId
from persistence.streams import Position as Offset
from persistence.writer import Writer

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


class Archive:
    """Postgres as the persister leaves it: the rows that are read here, and how far it came."""

    def __init__(self, connection: Any, database: Database) -> None:
        self.connection = connection
        self.database = database

    async def store(self, shard: Shard, upto: LogId | None = None) -> None:
        """Writes all event frames of the shard up to `upto` (default: the last), and what belongs to them."""
        upto = upto or shard.last
        number, events = shard.hub.shard, []
        for raw_id, fields in await shard.redis.xrange(shard.keys.events, max=str(upto)):
            place, frame = LogId.parse(raw_id), read_event_frame(fields[b"f"])
            for part in frame.account_events:
                seqs = (part.first_seq, part.first_seq + part.count - 1)
                events.append((number, frame.accounts[part.account_index], *seqs, *place, part.events))
        insert = "INSERT INTO account_events VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
        await self.connection.executemany(insert, events)
        await self.connection.execute(
            "INSERT INTO persister_offsets (shard, commands_ms, commands_seq, events_ms, events_seq)"
            " VALUES ($1, $2, $3, $2, $3) ON CONFLICT (shard) DO UPDATE SET events_ms = $2, events_seq = $3",
            number,
            *upto,
        )
        await shard.redis.hset(shard.keys.persisted, mapping={"commands": str(upto), "events": str(upto)})

    @staticmethod
    async def trim(shard: Shard, upto: LogId) -> None:
        """Takes all event frames before `upto` out of Redis."""
        await shard.redis.xtrim(shard.keys.events, minid=str(upto), approximate=False)


class Persister:
    """The persister's own rows and writer, told how far to go."""

    def __init__(self, shard: Shard, writer: Writer) -> None:
        self._shard = shard
        self._writer = writer
        self._offset = Offset(StoredId(0, 0), StoredId(0, 0))

    async def write(self, commands: LogId, events: LogId) -> None:
        """Writes what it reads up to those frames, and notes it in Redis."""
        keys, upto = self._shard.keys, Offset(StoredId(*commands), StoredId(*events))
        batch = Batch(
            await self._entries(keys.commands, self._offset.commands, upto.commands),
            await self._entries(keys.events, self._offset.events, upto.events),
            self._offset,
            upto,
        )
        await self._writer.write(batch, build_rows(batch))
        self._offset = upto
        await self._shard.redis.hset(keys.persisted, mapping={"commands": str(commands), "events": str(events)})

    async def _entries(self, stream: str, after: StoredId, upto: StoredId) -> list[StoredEntry]:
        found = await self._shard.redis.xrange(stream, f"({after}", str(upto))
        return [StoredEntry(StoredId.parse(raw), fields[b"f"], 1) for raw, fields in found]


@pytest.fixture
async def persister(shard: Shard, archive: Archive, postgres_dsn: str) -> AsyncIterator[Persister]:
    connection = await connect(postgres_dsn, "test", allow_volatile=True)
    writer = Writer(connection, 0)
    await writer.prepare()
    await archive.connection.execute("INSERT INTO persister_offsets (shard) VALUES (0)")
    yield Persister(shard, writer)
    connection.terminate()


@pytest.fixture
async def archive(postgres_dsn: str) -> AsyncIterator[Archive]:
    connection = await asyncpg.connect(postgres_dsn)
    await migrate(connection, load_migrations())
    database = Database(postgres_dsn)
    yield Archive(connection, database)
    await database.close()
    await connection.close()


@pytest.fixture
async def shard(redis_url: str) -> AsyncIterator[Shard]:
    async with running_hub(redis_url, 0) as made:
        yield made
