"""Reading the two streams of a shard by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from persistence.errors import LogMismatch, PersistenceError
from persistence.streams import FIELD_COUNT, FIELD_FRAME, ZERO, Entry, Keys, LogId, Position

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK_MS = 1000
"""Longest wait in Redis for a new entry."""
SOCKET_TIMEOUT_S = 5.0
"""Must be above BLOCK_MS, or a quiet stream would look like a dead server."""
_ENTRIES_MAX = 1000
"""Most entries of a stream in one reply, which is held in memory as a whole."""
_ENTRIES_FIRST = 16
"""Entries in the first reply, before the size of frames is known."""


def connect(url: str) -> redis.Redis:
    """A client that fails at once instead of trying again by itself: the persister has its own way to go on."""
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        client_name="ordergate-persister",
    )


class Reader:
    """Reads on from a position; what was read is not read again."""

    def __init__(self, client: redis.Redis, shard: int, position: Position) -> None:
        self._client = client
        self._keys = Keys(shard)
        self._position = position
        self._rows_per_entry = 0.0

    async def read(self, commands_room: int, events_room: int) -> tuple[list[Entry], list[Entry]]:
        """New entries of both streams; waits up to `BLOCK_MS` for the first.

        Does not wait if only one of the streams is wanted: the writer makes room for the other at any moment.

        Args:
            commands_room: about how many commands are wanted; none are read for 0.
            events_room: about how many events are wanted; none are read for 0.
        """
        keys, position = self._keys, self._position
        streams: dict[str, LogId] = {}
        if commands_room > 0:
            streams[keys.commands] = position.commands
        if events_room > 0:
            streams[keys.events] = position.events
        count = self._count(min(room for room in (commands_room, events_room) if room > 0))
        block = ("BLOCK", BLOCK_MS) if len(streams) == 2 else ()
        args = ("COUNT", count, *block, "STREAMS", *streams, *map(str, streams.values()))
        reply = await self._client.execute_command("XREAD", *args)  # type: ignore[no-untyped-call]
        found = {_text(key): [_entry(raw) for raw in entries] for key, entries in _pairs(reply)}
        commands, events = found.get(keys.commands, []), found.get(keys.events, [])
        self._position = Position(
            commands[-1].id if commands else position.commands, events[-1].id if events else position.events
        )
        self._learn(commands, events)
        return commands, events

    async def verify(self) -> None:
        """Checks that the streams in Redis are those that were read so far.

        Raises:
            LogMismatch: a stream ends before the position, or entries after it were removed.
        """
        for key, position in zip((self._keys.commands, self._keys.events), self._position, strict=True):
            last, lost = await self._extent(key, position)
            if last < position:
                raise LogMismatch(
                    f"Postgres holds {key} up to {position}, but the stream in Redis ends at {last}: Redis was wiped, "
                    "restored from an older state, or is another one. Bring the right Redis back, or start both anew"
                )
            if lost:
                raise LogMismatch(
                    f"{key} has lost entries in Redis up to {lost}, but Postgres holds it only up to {position}: "
                    "they were trimmed or deleted before they were written. Restore Redis from its backup"
                )

    async def publish(self, position: Position) -> None:
        """Tells the others in Redis up to where Postgres holds everything."""
        mapping = {"commands": str(position.commands), "events": str(position.events)}
        await self._client.hset(self._keys.persisted, mapping=mapping)  # type: ignore[arg-type]

    async def _extent(self, key: str, position: LogId) -> tuple[LogId, LogId | None]:
        """Last id ever given in a stream, and the place up to which entries after `position` are gone, if any are.

        Who trims keeps the entry at the offset (protos/README.md): if the first entry that is left is after it, what
        lay between is lost.
        """
        if not await self._client.exists(key):
            return ZERO, None
        reply = await self._client.execute_command("XINFO STREAM", key)  # type: ignore[no-untyped-call]
        info = {_text(name): value for name, value in reply.items()}
        last = LogId.parse(info["last-generated-id"])
        deleted = LogId.parse(info.get("max-deleted-entry-id", b"0-0"))
        if deleted > position:
            return last, deleted
        first = LogId.parse(info.get("recorded-first-entry-id", b"0-0")) if info["length"] else last
        trimmed = info.get("entries-added", 0) > info["length"]
        return last, first if trimmed and first > position else None

    def _count(self, room: int) -> int:
        if not self._rows_per_entry:
            return _ENTRIES_FIRST
        return max(1, min(_ENTRIES_MAX, int(room / self._rows_per_entry)))

    def _learn(self, commands: Sequence[Entry], events: Sequence[Entry]) -> None:
        largest = max((e.rows for e in (*commands, *events)), default=0)
        self._rows_per_entry = max(float(largest), self._rows_per_entry * 0.9) if largest else self._rows_per_entry


def _pairs(reply: Any) -> list[tuple[Any, Any]]:
    """Streams and entries of a reply to XREAD, in either version of the protocol."""
    if not reply:
        return []
    return list(reply.items()) if isinstance(reply, dict) else [(key, entries) for key, entries in reply]


def _entry(raw: Any) -> Entry:
    fields = raw[1]
    try:
        rows = max(1, int(fields.get(FIELD_COUNT, 1)))
    except ValueError:
        rows = 1
    return Entry(LogId.parse(raw[0]), fields.get(FIELD_FRAME), rows)


def _text(raw: bytes | str) -> str:
    if isinstance(raw, bytes):
        return raw.decode()
    if isinstance(raw, str):
        return raw
    raise PersistenceError(f"Redis answered {raw!r}")
