"""The work on one shard: a session of connections, lock and offset; and again after whatever broke it.

A session ends with the first error of Postgres or Redis, and the next one begins at the offset that Postgres holds.
There is no other way of recovery, so that every failure takes the way that a restart takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

import redis.exceptions
import structlog

from persistence import database, reader
from persistence.batcher import Batch, Batcher
from persistence.errors import Refused
from persistence.feed import Feed
from persistence.metrics import COMMIT_SECONDS
from persistence.outages import is_passing, is_poison
from persistence.rows import build_rows
from persistence.standby import Standby
from persistence.statements import statement
from persistence.streams import LogId, Position
from persistence.telemetry import Counters
from persistence.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from persistence.packed import Packed, Packer
    from persistence.rows import Rows
    from persistence.settings import Settings

    _Ready = tuple[Batch, Rows | Packed | Refused]

HEARTBEAT_S = 5.0
"""An idle persister touches its offset this often; `check` calls it dead after three of them."""
_READ_ROWS_ENOUGH = 1000
"""A read of this many rows is followed by the next at once."""
VERIFY_S = 5.0
"""How often to check that Redis still holds the log that is being read."""
WARN_AGAIN_S = 30.0
"""An outage that lasts is told again after this time."""
_BACKOFF_S = 0.1
"""First pause between attempts; it doubles up to `backoff_max_s`."""


class ShardPersister:
    """Persists one shard until told to stop."""

    def __init__(self, settings: Settings, shard: int, stop: asyncio.Event, packer: Packer | None = None) -> None:
        self._settings = settings
        self._shard = shard
        self._packer = packer
        self._stop = stop
        self._log = structlog.get_logger(__name__).bind(shard=shard)
        self._attempts = 0
        self._warn_at = 0.0
        self._standby = Standby(settings, shard, stop)
        self._committed: Position | None = None
        self._news = asyncio.Event()
        self._batcher: Batcher | None = None
        self._commit_seconds = COMMIT_SECONDS.labels(str(shard))
        self.counters = Counters()

    @property
    def number(self) -> int:
        """Which shard."""
        return self._shard

    @property
    def active(self) -> bool:
        """Whether this process has the right to write, and does."""
        return self._batcher is not None

    @property
    def position(self) -> Position | None:
        """Offset as of the last commit of this process; None before its first session."""
        return self._committed

    @property
    def waiting(self) -> tuple[int, int]:
        """Rows that were read and not taken for a batch, and the time in the id of the oldest, ms; 0: none."""
        return self._batcher.waiting if self._batcher is not None else (0, 0)

    async def run(self) -> None:
        """Works until the stop event is set; errors that pass are outlived.

        Raises:
            Refused: it can't be done rightly.
        """
        while not self._stop.is_set():
            try:
                try:
                    await self._session()
                finally:
                    self._batcher = None
            except Exception as error:  # noqa: BLE001  raised again below, unless it passes
                cause = _cause(error)
                if not is_passing(cause):
                    raise cause from cause.__cause__
                await self._back_off(cause)
        self._log.info("shard stopped", **self.counters.as_dict())

    async def _back_off(self, error: BaseException) -> None:
        longest_s = min(self._settings.backoff_max_s, _BACKOFF_S * 2 ** min(self._attempts, 16))
        pause_s = longest_s * random.uniform(0.5, 1.0)  # noqa: S311  jitter, not a secret
        now = time.monotonic()
        first = self._attempts == 0
        if first or now >= self._warn_at:
            self._warn_at = now + WARN_AGAIN_S
            text = (
                "interrupted, will go on from the offset in Postgres" if first else "still interrupted; the log waits"
            )
            self._log.warning(text, error=repr(error), attempts=self._attempts, pause_s=round(pause_s, 3))
        self._attempts += 1
        self.counters.retries += 1
        await self._sleep(pause_s)

    async def _session(self) -> None:
        async with self._connected() as (connection, client):
            if not await self._standby.lock(connection):
                return
            self._attempts = 0
            position = await self._offset(connection)
            source = reader.Reader(client, self._shard, position)
            await source.verify()
            writer = Writer(connection, self._shard, self._settings.copy_rows_min, self._packer)
            await writer.prepare()
            self.counters.sessions += 1
            self._log.info("active", commands=str(position.commands), events=str(position.events))
            self._tell(position)
            await self._pump(source, writer, connection, position)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Any, Any]]:
        name = f"ordergate-persister-{self._shard}"
        connection = await database.connect(
            self._settings.postgres_dsn, name, allow_volatile=self._settings.allow_volatile
        )
        client = reader.connect(self._settings.redis_url)
        try:
            yield connection, client
        finally:
            await database.disconnect(connection)
            await client.aclose()

    async def _offset(self, connection: Any) -> Position:
        async with database.watched(connection):
            await connection.execute(statement("session", "create_offset"), self._shard)
            row = await connection.fetchrow(statement("session", "read_offset"), self._shard)
        return Position(LogId(row[0], row[1]), LogId(row[2], row[3]))

    async def _pump(self, source: reader.Reader, writer: Writer, connection: Any, position: Position) -> None:
        settings = self._settings
        batcher = Batcher(position, settings.batch_rows, settings.batch_linger_ms / 1000, settings.batch_rows_max)
        feed = Feed(batcher)
        self._batcher = batcher
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(source, feed), name=f"read-{self._shard}")
            stopping = group.create_task(self._stop_reading(reading), name=f"stop-{self._shard}")
            telling = group.create_task(self._publish(source), name=f"tell-{self._shard}")
            await self._write(feed, writer, position)
            for task in (reading, stopping, telling):
                task.cancel()

    async def _stop_reading(self, reading: asyncio.Task[None]) -> None:
        await self._stop.wait()
        reading.cancel()

    async def _read(self, source: reader.Reader, feed: Feed) -> None:
        """Fills the feed; its end or error becomes the feed's, after what was read is written."""
        loop = asyncio.get_running_loop()
        verify_at = loop.time() + VERIFY_S
        try:
            while not _is_cancelled():
                commands, events = await source.read(*await feed.room())
                feed.add(commands, events)
                rows = sum(e.rows for e in commands) + sum(e.rows for e in events)
                if loop.time() >= verify_at:
                    await source.verify()
                    verify_at = loop.time() + VERIFY_S
                if rows < _READ_ROWS_ENOUGH:
                    await asyncio.sleep(self._settings.read_pause_ms / 1000)
        except Exception as error:  # noqa: BLE001  handed on to the writing task, which raises it
            feed.close(None if _is_cancelled() else error)
        finally:
            feed.close()

    async def _write(self, feed: Feed, writer: Writer, position: Position) -> None:
        """Writes batch after batch; while one is under way, the next is built if it is a full one."""
        ready: _Ready | None = None
        clock, alive_s = asyncio.get_running_loop().time, self._settings.heartbeat_ms / 1000
        touch_at = 0.0
        while not feed.exhausted or ready is not None:
            if ready is None:
                batch = await feed.batch(alive_s)
                if batch is None:
                    if clock() < touch_at:
                        await writer.sign_of_life()
                    else:
                        await writer.heartbeat(position)
                        touch_at = clock() + HEARTBEAT_S
                    self._attempts = 0
                    continue
                ready = batch, writer.rows(batch)
            batch, rows = ready
            if isinstance(rows, Refused):
                raise rows
            async with asyncio.TaskGroup() as group:
                ahead = group.create_task(_build_ahead(feed, writer), name=f"build-{self._shard}")
                await self._commit(writer, batch, rows)
                ahead.cancel()
            position = batch.upto
            self._tell(position)
            ready = None if ahead.cancelled() else ahead.result()

    async def _commit(self, writer: Writer, batch: Batch, rows: Rows | Packed) -> None:
        letters = rows.count("letters")
        began = time.perf_counter()
        try:
            await writer.write(batch, rows)
        except Exception as error:
            if not is_poison(error):
                raise
            rows = build_rows(batch, combine=False)
            letters += await writer.write_apart(batch, rows)
        if letters:
            self._log.error("rows went to dead_letters", count=letters, upto=str(batch.upto.commands))
        self._attempts = 0
        counters = self.counters
        counters.batches += 1
        orders, updates = rows.count("orders", "full_orders"), rows.count("updates", "full_updates")
        counters.orders += orders
        counters.updates += updates
        counters.executions += rows.count("executions")
        counters.operations += rows.count("operations")
        counters.account_events += rows.count("account_events")
        self._commit_seconds.observe(time.perf_counter() - began)
        counters.letters += letters
        self._log.debug("committed", orders=orders, updates=updates, upto=str(batch.upto.commands))

    def _tell(self, position: Position) -> None:
        self._committed = position
        self._news.set()

    async def _publish(self, source: reader.Reader) -> None:
        """Keeps the hint in Redis up to date, as well as can be."""
        while not _is_cancelled():
            await self._news.wait()
            self._news.clear()
            if self._committed is not None:
                with contextlib.suppress(redis.exceptions.RedisError, OSError):
                    await source.publish(self._committed)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


async def _build_ahead(feed: Feed, writer: Writer) -> _Ready | None:
    batch = await feed.full_batch()
    if batch is None:
        return None
    try:
        return batch, writer.rows(batch)
    except Refused as error:  # raised when it is its turn: the commit under way must not be cancelled for it
        return batch, error


def _is_cancelled() -> bool:
    """Whether this task was told to end. redis-py may swallow that, and report a timeout or nothing at all."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cause(error: BaseException) -> BaseException:
    """The one error that a task group wraps; of several, one that does not pass by itself."""
    while isinstance(error, BaseExceptionGroup):
        error = next((e for e in error.exceptions if not is_passing(_cause(e))), error.exceptions[0])
    return error
