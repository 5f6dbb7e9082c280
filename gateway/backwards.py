"""An account's trail in one shard, newest first: the log's tail in Redis, then what Postgres has.

Postgres is asked how far it reaches before and after the tail is read: what moved there meanwhile is taken from it, and
nothing is given twice, since it goes on below the last frame of the tail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.entries import entries_of
from gateway.frames import merge_parts, parts_of, read_event_frame
from gateway.pages import INDEX_MAX, below
from gateway.streams import LogId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

    from gateway.entries import Entry
    from gateway.history import AccountHistory, EventRow

    Bound = tuple[int, int, int]
    """All (ms, seq, index) below this."""

_ENTRIES = 32
"""Entries of one read: a page of a list is small."""


class Tail:
    """Entries of a stream that Postgres does not reach yet.

    Attributes:
        bound: what comes next in Postgres, once all entries were given.
    """

    def __init__(self, redis: Redis, stream: str, history: AccountHistory, bound: Bound) -> None:
        self.bound = bound
        self._redis = redis
        self._stream = stream
        self._history = history

    async def entries(self) -> AsyncGenerator[list[Entry], None]:
        """Pages of entries with something below the bound, newest first.

        Raises:
            RedisError, DatabaseUnavailable: no answer.
        """
        floor = await self._history.reach()
        newest = str(LogId(*self.bound[:2])) if self.bound[0] < 2**62 else "+"
        while True:
            reply: Any = await self._redis.xrevrange(self._stream, newest, f"({floor}", count=_ENTRIES)
            entries = entries_of(reply)
            yield [entry for entry in entries if below(entry.id, self.bound)]
            if entries:
                oldest = entries[-1].id
                self.bound = min(self.bound, (*oldest, 0))
                newest = f"({oldest}"
            if len(entries) < _ENTRIES:
                break
        reach = await self._history.reach()
        self.bound = min(self.bound, (*reach, INDEX_MAX))


async def events_backwards(
    redis: Redis, stream: str, history: AccountHistory, account: str, bound: Bound, last_seq: int
) -> AsyncGenerator[list[tuple[LogId, bytes]], None]:
    """Pages of the account's frames and their events, newest first.

    Args:
        redis: shared client.
        stream: of events.
        history: of the shard.
        account: whose.
        bound: frames with something below it.
        last_seq: events up to this sequence are enough; what is above may be given, too.

    Raises:
        RedisError, DatabaseUnavailable, FrameError: no answer, or one that can't be read.
    """
    tail = Tail(redis, stream, history, bound)
    async for entries in tail.entries():
        page = []
        for entry in entries:
            frame = read_event_frame(entry.frame)
            if parts := parts_of(frame, (account,)):
                page.append((entry.id, merge_parts(frame, parts)))
        yield page
    async for rows in rows_backwards(history, account, tail.bound, last_seq):
        yield [(row.id, row.events) for row in rows]


async def rows_backwards(
    history: AccountHistory, account: str, bound: Bound, last_seq: int
) -> AsyncGenerator[list[EventRow], None]:
    """As `events_backwards`, of what Postgres has."""
    ms, seq, index = bound
    frame = LogId(ms, seq + 1) if index else LogId(ms, seq)
    before = await history.locate(account, frame) + 1
    if last_seq < before:
        before = min(before, await history.row_end(account, last_seq) + 1)
    while rows := await history.before(account, before):
        yield rows
        before = rows[-1].last_seq
