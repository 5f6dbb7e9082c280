"""Reading the log: entries of a stream by id, in pages of about a megabyte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import ResponseError

from gateway.streams import FIELD_FRAME, ZERO, LogId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

PAGE_BYTES = 1_048_576
"""Aim of a page: enough to make the round trip cheap, little enough to hold one for each of many slow readers."""

_COUNT_FIRST = 4
"""Frames of a large installation may have a megabyte each: the first page feels its way."""
_COUNT_MAX = 512


class Entry(NamedTuple):
    """One entry of a stream."""

    id: LogId
    frame: bytes


class StreamState(NamedTuple):
    """What Redis tells about a stream."""

    last: LogId
    """Id of the newest entry there ever was; 0-0 if there was none."""
    whole: bool
    """True if no entry was ever removed."""


def entries_of(reply: Iterable[Any] | None) -> list[Entry]:
    """Entries in the reply of XRANGE; an entry without a frame has the frame b"", which no reader of frames takes."""
    return [Entry(LogId.parse(raw), fields.get(FIELD_FRAME, b"")) for raw, fields in reply or ()]


async def read_new(redis: Redis, key: str, after: LogId, count: int, block_ms: int) -> list[Entry]:
    """Entries after `after`; waits up to `block_ms` for the first. Needs a connection of its own.

    Raises:
        RedisError: no answer.
    """
    reply: Any = await redis.xread({key: str(after)}, count=count, block=block_ms)
    if not reply:
        return []
    # RESP3 gives a map of streams, RESP2 a list of pairs; the map nests the entries once more.
    if isinstance(reply, dict):
        (pages,) = reply.values()
        return [entry for page in pages for entry in entries_of(page)]
    return entries_of(reply[0][1])


async def read_one(redis: Redis, key: str, wanted: LogId) -> Entry | None:
    """The entry with the id `wanted`, if it is kept.

    Raises:
        RedisError: no answer.
    """
    found = entries_of(await redis.xrange(key, str(wanted), str(wanted), count=1))
    return found[0] if found else None


async def read_state(redis: Redis, key: str) -> StreamState:
    """State of the stream `key`; of one that does not exist yet: nothing there, nothing removed.

    Raises:
        RedisError: no answer.
    """
    try:
        info: dict[str, Any] = await redis.xinfo_stream(key)
    except ResponseError as error:
        if "no such key" not in str(error):
            raise
        return StreamState(ZERO, whole=True)
    return StreamState(LogId.parse(info["last-generated-id"]), whole=info["entries-added"] == info["length"])


class PageReader:
    """Pages of one stream, each of about `PAGE_BYTES`: the number of entries follows their size.

    Attributes:
        count: entries that the next page asks for.
        more: True if the last page was full, so that there may be more behind it.
    """

    __slots__ = ("_key", "_redis", "count", "more")

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key
        self.count = _COUNT_FIRST
        self.more = True

    async def page(self, first: LogId) -> list[Entry]:
        """Entries from `first` on, itself included.

        Raises:
            RedisError: no answer.
        """
        return self.read(await self._redis.xrange(self._key, str(first), "+", count=self.count))

    def read(self, reply: Iterable[Any] | None) -> list[Entry]:
        """Entries in the reply of an XRANGE that asked for `count`, and notes how large they are."""
        entries = entries_of(reply)
        self.more = len(entries) >= self.count
        size = sum(len(e.frame) for e in entries)
        if entries:
            # Two at least: a page that goes on after an entry has that entry once more.
            self.count = max(2, min(_COUNT_MAX, PAGE_BYTES * len(entries) // (size + 1), 4 * self.count))
        return entries
