"""Where in the log's tail an order is: the part of both streams that Postgres does not hold yet."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.entries import PageReader
from gateway.frames import KEY_BYTES, find_key, read_command_frame, read_event_frame
from gateway.streams import ZERO, Keys, LogId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis.asyncio import Redis

    from gateway.entries import Entry

_CHUNK_BYTES = 131_072
"""Keys are let go in chunks of about this size, once Postgres holds all of a chunk."""


class _Chunk:
    """Keys of neighbouring frames, one after the other."""

    __slots__ = ("ends", "ids", "keys")

    def __init__(self) -> None:
        self.keys = bytearray()
        self.ids: list[LogId] = []
        self.ends: list[int] = []
        """How many keys there are up to the end of each frame."""

    def add(self, frame_id: LogId, keys: bytes) -> None:
        self.keys += keys
        self.ids.append(frame_id)
        self.ends.append(len(self.keys) // KEY_BYTES)

    def find_last(self, key: bytes) -> LogId | None:
        index = find_key(self.keys, key, last=True)
        return self.ids[bisect_right(self.ends, index)] if index >= 0 else None

    def find_all(self, key: bytes) -> Iterator[LogId]:
        """Frames with the key, in order; each once."""
        index = find_key(self.keys, key)
        while index >= 0:
            frame = bisect_right(self.ends, index)
            yield self.ids[frame]
            index = find_key(self.keys, key, start=self.ends[frame])


class _Tail:
    """Keys in one stream, from what Postgres holds to where it was last read.

    They are kept as the bytes that the frames have, and searched: a megabyte holds 65,000 keys and takes 0.2 ms, which
    an order's answer can bear, while an entry in a dict for each would cost every order, asked for or not.
    """

    def __init__(self, redis: Redis, key: str, keys_of: Callable[[Entry], bytes]) -> None:
        self.key = key
        self.pages = PageReader(redis, key)
        self.position = ZERO
        self.chunks: deque[_Chunk] = deque()
        self._keys_of = keys_of

    def prune(self, persisted: LogId) -> None:
        """Forgets what Postgres holds, by whole chunks, and does not read it any more."""
        while self.chunks and self.chunks[0].ids[-1] <= persisted:
            self.chunks.popleft()
        self.position = max(self.position, persisted)

    def add(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.id > self.position:
                self.position = entry.id
                if not self.chunks or len(self.chunks[-1].keys) >= _CHUNK_BYTES:
                    self.chunks.append(_Chunk())
                self.chunks[-1].add(entry.id, self._keys_of(entry))

    async def read_on(self) -> None:
        while self.pages.more:
            self.add(await self.pages.page(self.position))

    def all(self, key: bytes) -> list[LogId]:
        """Frames with the key, oldest first; each once."""
        return [frame for chunk in self.chunks for frame in chunk.find_all(key)]

    def last(self, key: bytes) -> LogId | None:
        return next((found for c in reversed(self.chunks) if (found := c.find_last(key))), None)


class TailIndex:
    """The tail of one shard's streams, read when somebody asks, and only then.

    Its memory is 16 bytes for each command and event that is in Redis and not in Postgres, so the limit of Redis'
    memory bounds it too.
    """

    def __init__(self, shard: int, redis: Redis) -> None:
        """Makes an empty index.

        Args:
            shard: which shard.
            redis: shared client for reads that do not block.
        """
        self.keys = Keys(shard)
        self.persisted = ZERO
        """Postgres holds all commands and events up to here; as of the last refresh."""
        self._redis = redis
        self._commands = _Tail(redis, self.keys.commands, lambda e: read_command_frame(e.frame).keys)
        self._events = _Tail(redis, self.keys.events, lambda e: read_event_frame(e.frame).order_ids)
        self._lock = asyncio.Lock()
        self._begun = 0
        self._succeeded = 0

    async def refresh(self) -> None:
        """Reads both streams up to their ends as they are now. Callers at the same time share one reading.

        Raises:
            RedisError: no answer.
            FrameError: an entry can't be read.
        """
        before = self._begun
        async with self._lock:
            # A reading that began before this call may have missed what the caller must find; a later one has not.
            if self._succeeded <= before:
                self._begun += 1
                mine = self._begun
                await self._read()
                self._succeeded = mine

    def event_frame(self, key: bytes) -> LogId | None:
        """The last event frame in the tail with an event of this order."""
        return self._events.last(key)

    def command_frames(self, key: bytes) -> list[LogId]:
        """The command frames in the tail with this command, its repeats, or fences of it; oldest first."""
        return self._commands.all(key)

    async def _read(self) -> None:
        tails = (self._commands, self._events)
        # The persisted ids come first: what Postgres got meanwhile is then in both, never in neither.
        pipe: Any = self._redis.pipeline(transaction=False)
        pipe.hmget(self.keys.persisted, "commands", "events")
        for tail in tails:
            pipe.xrange(tail.key, str(tail.position), "+", count=tail.pages.count)
        persisted, *replies = await pipe.execute()
        # Commands whose events Postgres does not hold yet belong to the tail although it holds their frames.
        self.persisted = min(LogId.parse(reached) if reached else ZERO for reached in persisted)
        for tail, reply in zip(tails, replies, strict=True):
            tail.prune(self.persisted)
            tail.add(tail.pages.read(reply))
            await tail.read_on()
