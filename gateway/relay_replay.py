"""Frames that were through an engine before, with the engine times that they had: what a new engine must see again.

Redis holds the end of the log, Postgres holds all of it. A replay that begins before what Redis still has is fed from
the archive until it meets the streams in Redis, and goes on there.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from gateway.redis_client import command
from gateway.relay_metrics import ARCHIVED
from gateway.streams import FIELD_ENGINE_TIME, FIELD_FRAME, ZERO, Keys, LogId

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from gateway.relay_archive import Archive

log = structlog.get_logger()

Entry = tuple[LogId, dict[bytes, bytes]]

PAGE_FRAMES = 256
"""Frames read from Redis at once, if those of the page before were small."""
_PAGE_BYTES = 4_194_304


class LogBroken(Exception):
    """Log, events and engine do not fit together. Nobody may go on before a person has looked at it."""


class Recorded(NamedTuple):
    """One command frame and the engine time that was recorded for it."""

    id: LogId
    data: bytes
    time_ns: int


class _Extent(NamedTuple):
    """What Redis tells about a stream."""

    first: LogId
    """Oldest entry that is left; 0-0: none."""
    removed: int
    """Entries that are gone."""


class Replay:
    """The frames in (after, until], each once and in order. Until the streams are reached `from_archive` is true."""

    def __init__(self, redis: Redis, archive: Archive, keys: Keys, after: LogId, until: LogId) -> None:
        self._redis = redis
        self._archive = archive
        self._keys = keys
        self._after = after
        self._position = after
        self._until = until
        self._page: deque[Recorded] = deque()
        self._count = PAGE_FRAMES
        self._in_redis = False
        self._missing: _Extent | None = None
        self._fed = 0
        self.from_archive = False
        """Whether the frames come from Postgres at the moment."""

    async def read(self, count: int) -> list[Recorded]:
        """Up to `count` frames; none only after the last.

        Raises:
            LogBroken: frames are missing, have no engine time, or can't be read.
            DatabaseUnavailable: frames are needed that Redis does not hold, and Postgres does not answer.
            redis.exceptions.RedisError: Redis can't be asked.
        """
        if not self._page and self._position < self._until:
            if not self._in_redis:
                self._in_redis = await self._meets_redis()
            page = await (self._from_redis() if self._in_redis else self._from_archive())
            self._position = page[-1].id
            self._page.extend(page)
            if self.from_archive and self._position >= self._until:
                await self._close_archive()
        return [self._page.popleft() for _ in range(min(count, len(self._page)))]

    # Redis

    async def _meets_redis(self) -> bool:
        """Whether both streams hold everything after the position: they do if they hold the position itself."""
        keys = (self._keys.commands, self._keys.times)
        if self._position == ZERO:
            return not any([(await _extent(self._redis, key)).removed for key in keys])
        place = str(self._position)
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command("XRANGE", key, place, place)
        met = all(await pipeline.execute())
        if met and self.from_archive:
            await self._close_archive()
        return met

    async def _from_redis(self) -> list[Recorded]:
        span = (f"({self._position}", str(self._until), "COUNT", self._count)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.execute_command("XRANGE", self._keys.commands, *span)
        pipeline.execute_command("XRANGE", self._keys.times, *span)
        commands, times = (entries(reply) for reply in await pipeline.execute())
        if not commands or [entry_id for entry_id, _ in commands] != [entry_id for entry_id, _ in times]:
            raise LogBroken(self._unpaired(commands, times))
        page = [
            Recorded(entry_id, frame_of(entry_id, fields), recorded_time(entry_id, time))
            for (entry_id, fields), (_, time) in zip(commands, times, strict=True)
        ]
        size = sum(len(frame.data) for frame in page)
        self._count = max(1, min(PAGE_FRAMES, _PAGE_BYTES * len(page) // (size + 1)))
        return page

    def _unpaired(self, commands: list[Entry], times: list[Entry]) -> str:
        for (command_id, _), (time_id, _) in zip(commands, times, strict=False):
            if command_id < time_id:
                return f"command frame {command_id} has no engine time, but a later one has"
            if time_id < command_id:
                return f"engine time {time_id} has no command frame"
        return f"commands and engine times do not pair after {self._position}"

    # Postgres

    async def _from_archive(self) -> list[Recorded]:
        if not self.from_archive:
            await self._open_archive()
        page = await self._archive.frames_after(self._position, self._until)
        ARCHIVED.labels(str(self._keys.shard)).inc(len(page))
        if not page:
            raise LogBroken(
                f"the engine needs the frames after {self._position}: Redis has trimmed them, and Postgres does not "
                "hold them (command_frames); is it the database of this log?"
            )
        found: list[Recorded] = []
        for entry_id, data, time_ns in page:
            if time_ns is None:
                raise LogBroken(
                    f"the archived frame {entry_id} has no engine time, and Redis does not hold it any more"
                )
            found.append(Recorded(entry_id, data, time_ns))
        self._count_whole(found)
        return found

    async def _open_archive(self) -> None:
        if not await self._archive.holds(self._after):
            raise LogBroken(
                f"the engine stands at frame {self._after}, which neither Redis nor Postgres (command_frames) holds: "
                "it belongs to another log"
            )
        if self._after == ZERO:
            self._missing = await _extent(self._redis, self._keys.commands)
        self.from_archive = True
        log.info("the engine is rebuilt from the archive", shard=self._keys.shard, after=str(self._after))

    async def _close_archive(self) -> None:
        self.from_archive = False
        log.info("the archive is read up to the stream", shard=self._keys.shard, frame=str(self._position))
        await self._archive.close()

    def _count_whole(self, page: list[Recorded]) -> None:
        """Compares, once all that Redis has trimmed was read, how many frames that is with what Redis has counted.

        A frame missing in the archive would go unnoticed otherwise, and the engine come to another state.
        """
        if self._missing is None:
            return
        first, removed = self._missing
        self._fed += sum(frame.id < first for frame in page)
        if page[-1].id >= first:
            self._missing = None
            if self._fed != removed:
                raise LogBroken(
                    f"Redis has trimmed {removed} frames before {first}, but Postgres holds {self._fed} of them "
                    "(command_frames): the archive is not whole, and the engine can't be rebuilt from it"
                )


async def _extent(redis: Redis, key: str) -> _Extent:
    if not await command(redis, "EXISTS", key):
        return _Extent(ZERO, 0)
    reply = await command(redis, "XINFO STREAM", key)
    info = {name.decode() if isinstance(name, bytes) else name: value for name, value in reply.items()}
    first = info["first-entry"]
    return _Extent(LogId.parse(first[0]) if first else ZERO, info["entries-added"] - info["length"])


def frame_of(entry_id: LogId, fields: dict[bytes, bytes]) -> bytes:
    """The frame in an entry of the stream `commands`.

    Raises:
        LogBroken: the entry has none.
    """
    data = fields.get(FIELD_FRAME)
    if data is None:
        raise LogBroken(f"entry {entry_id} of commands has no field f")
    return data


def recorded_time(entry_id: LogId, fields: dict[bytes, bytes]) -> int:
    """Engine time in an entry of the stream `times`.

    Raises:
        LogBroken: the entry has none.
    """
    raw = fields.get(FIELD_ENGINE_TIME, b"")
    if not raw.isdigit():
        raise LogBroken(f"the engine time of {entry_id} can't be read (field t)")
    return int(raw)


def entries(reply: Any) -> list[Entry]:
    """Entries of a stream as redis-py gives them, with their ids read."""
    return [(LogId.parse(raw), fields) for raw, fields in reply or ()]
