"""Command frames on their way from the log to the engine: in order, each with its predecessor and engine time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.redis_client import READ_BLOCK_MS, command
from gateway.streams import FIELD_ENGINE_TIME, FIELD_FRAME, ZERO, Keys, LogId

if TYPE_CHECKING:
    from redis.asyncio import Redis

Entry = tuple[LogId, dict[bytes, bytes]]

HELD_READ_FRAMES = 256
"""Frames read at once when asking which ones the engine still holds events of."""


class LogBroken(Exception):
    """Log, events and engine do not fit together. Nobody may go on before a person has looked at it."""


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
    engine must apply them at the same engine time. Those times are in the stream `times`, which holds one entry for
    each command entry, under the same id.
    """

    def __init__(self, reader: Redis, plain: Redis, keys: Keys, after: LogId, published: LogId) -> None:
        self._reader = reader
        self._plain = plain
        self._keys = keys
        self._published = published
        self.position = after
        """Last frame read."""
        self.at_tail = False
        """True if the last read came to the end of the log."""

    async def read(self, count: int) -> list[Frame]:
        """Up to `count` frames; waits a while if there are none and may then return none.

        Raises:
            LogBroken: commands and engine times do not pair, or an entry can't be read.
            redis.exceptions.RedisError: the read failed and may be repeated.
        """
        if self.position < self._published:
            return await self._read_replay(count)
        # The first read asks without waiting, so that an empty tail is known at once.
        wait = ("BLOCK", READ_BLOCK_MS) if self.at_tail else ()
        reply = await command(
            self._reader, "XREAD", "COUNT", count, *wait, "STREAMS", self._keys.commands, str(self.position)
        )
        found = entries(reply[0][1]) if reply else []
        self.at_tail = len(found) < count
        return [self._frame(entry_id, fields, None) for entry_id, fields in found]

    async def _read_replay(self, count: int) -> list[Frame]:
        span = (f"({self.position}", str(self._published), "COUNT", count)
        pipeline = self._plain.pipeline(transaction=False)
        pipeline.execute_command("XRANGE", self._keys.commands, *span)
        pipeline.execute_command("XRANGE", self._keys.times, *span)
        commands, times = (entries(reply) for reply in await pipeline.execute())
        if [entry_id for entry_id, _ in commands] != [entry_id for entry_id, _ in times]:
            raise LogBroken(self._unpaired(commands, times))
        return [
            self._frame(entry_id, fields, recorded_time(entry_id, time))
            for (entry_id, fields), (_, time) in zip(commands, times, strict=True)
        ]

    def _unpaired(self, commands: list[Entry], times: list[Entry]) -> str:
        for (command_id, _), (time_id, _) in zip(commands, times, strict=False):
            if command_id < time_id:
                return f"command frame {command_id} has no engine time, but a later one has"
            if time_id < command_id:
                return f"engine time {time_id} has no command frame"
        return f"commands and engine times do not pair after {self.position}"

    def _frame(self, entry_id: LogId, fields: dict[bytes, bytes], time_ns: int | None) -> Frame:
        data = fields.get(FIELD_FRAME)
        if data is None:
            raise LogBroken(f"entry {entry_id} of {self._keys.commands} has no field f")
        frame = Frame(entry_id, self.position, data, time_ns)
        self.position = entry_id
        return frame


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
