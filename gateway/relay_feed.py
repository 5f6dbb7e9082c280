"""Command frames on their way from the log to the engine: in order, each with its predecessor and engine time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.redis_client import READ_BLOCK_MS, command
from gateway.relay_replay import LogBroken, Replay, entries, frame_of, recorded_time
from gateway.streams import ZERO, Keys, LogId

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from gateway.relay_archive import Archive

__all__ = ["CommandFeed", "Frame", "LogBroken", "LogState", "command_ids", "read_log_state", "require_command"]

HELD_READ_FRAMES = 256
"""Frames read at once when asking which ones the engine still holds events of."""


@dataclass(slots=True)
class Frame:
    """One command frame to send."""

    id: LogId
    previous: LogId
    """Id of the entry before it in the log."""
    data: bytes
    time_ns: int | None
    """Engine time that was recorded; None if the frame has no published events yet."""


@dataclass(frozen=True, slots=True)
class LogState:
    """Ends of commands and events."""

    last_command: LogId
    last_published: LogId
    last_time_ns: int
    """Engine time of the last published event frame; 0 if there is none."""


async def read_log_state(client: Redis, keys: Keys) -> LogState:
    """Reads the ends of commands, events and times.

    Raises:
        LogBroken: the events are ahead of the commands or do not pair with their times, or the last of them has no
            command entry.
        redis.exceptions.RedisError: Redis can't be asked.
    """
    times = entries(await command(client, "XREVRANGE", keys.times, "+", "-", "COUNT", 1))
    commands = entries(await command(client, "XREVRANGE", keys.commands, "+", "-", "COUNT", 1))
    last_command = commands[0][0] if commands else ZERO
    published, fields = times[0] if times else (ZERO, {})
    if (last_event := await last_id(client, keys.events)) != published:
        raise LogBroken(f"events are published up to {last_event}, but engine times are recorded up to {published}")
    if published == ZERO:
        return LogState(last_command, ZERO, 0)
    if published > last_command:
        raise LogBroken(f"events are published up to {published}, but the last command frame is {last_command}")
    await require_command(client, keys, published, "the last event frame")
    return LogState(last_command, published, recorded_time(published, fields))


async def last_id(client: Redis, key: str) -> LogId:
    """The last id that was ever given in a stream, be it trimmed or not; 0-0 if there is no such stream."""
    if not await command(client, "EXISTS", key):
        return ZERO
    reply = await command(client, "XINFO STREAM", key)
    found = {name.decode() if isinstance(name, bytes) else name: value for name, value in reply.items()}
    return LogId.parse(found["last-generated-id"])


async def require_command(client: Redis, keys: Keys, entry_id: LogId, whose: str) -> None:
    """Makes sure that the log holds `entry_id`.

    Raises:
        LogBroken: it does not; `whose` tells in the message what named the id.
    """
    if not await command(client, "XRANGE", keys.commands, str(entry_id), str(entry_id)):
        raise LogBroken(f"{whose} belongs to command frame {entry_id}, which the log does not hold")


async def command_ids(client: Redis, keys: Keys, after: LogId, until: LogId) -> list[LogId]:
    """Ids of the command frames in (after, until]."""
    found: list[LogId] = []
    while after < until:
        page = entries(
            await command(client, "XRANGE", keys.commands, f"({after}", str(until), "COUNT", HELD_READ_FRAMES)
        )
        if not page:
            break
        found += [entry_id for entry_id, _ in page]
        after = found[-1]
    return found


class CommandFeed:
    """Reads the log after `after`, in order: first what is a replay, with recorded times, then live.

    Frames at or below `published` have been through an engine before; what it made of them is published, so this
    engine must apply them at the same engine time (`gateway.relay_replay`).
    """

    def __init__(
        self, reader: Redis, plain: Redis, keys: Keys, archive: Archive, *, after: LogId, published: LogId
    ) -> None:
        self._reader = reader
        self._keys = keys
        self._published = published
        self._replay = Replay(plain, archive, keys, after, published)
        self.position = after
        """Last frame read."""
        self.at_tail = False
        """True if the last read came to the end of the log."""

    @property
    def from_archive(self) -> bool:
        """Whether the frames come from Postgres at the moment, because Redis has trimmed them."""
        return self._replay.from_archive

    async def read(self, count: int) -> list[Frame]:
        """Up to `count` frames; waits a while if there are none and may then return none.

        Raises:
            LogBroken: commands and engine times do not pair, frames are missing, or an entry can't be read.
            DatabaseUnavailable: frames are needed that only Postgres holds, and it does not answer.
            redis.exceptions.RedisError: the read failed and may be repeated.
        """
        if self.position < self._published:
            return [self._frame(*recorded) for recorded in await self._replay.read(count)]
        # The first read asks without waiting, so that an empty tail is known at once.
        wait = ("BLOCK", READ_BLOCK_MS) if self.at_tail else ()
        reply = await command(
            self._reader, "XREAD", "COUNT", count, *wait, "STREAMS", self._keys.commands, str(self.position)
        )
        found = entries(reply[0][1]) if reply else []
        self.at_tail = len(found) < count
        return [self._frame(entry_id, frame_of(entry_id, fields), None) for entry_id, fields in found]

    def _frame(self, entry_id: LogId, data: bytes, time_ns: int | None) -> Frame:
        frame = Frame(entry_id, self.position, data, time_ns)
        self.position = entry_id
        return frame
