"""The last cursor seen of each shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordergate.v1.event_pb2 import Beginning, Cursors, Live, StreamStart

if TYPE_CHECKING:
    from collections.abc import Iterable


class CursorMap:
    """Where a stream of events goes on after a reconnect.

    Args:
        after: cursors to start after; None for none.
        beginning: start with the oldest event that is kept.
    """

    def __init__(self, after: str | Iterable[str] | None = None, *, beginning: bool = False) -> None:
        self._by_shard: dict[str, str] = {}
        self._beginning = beginning
        self.move([after] if isinstance(after, str) else after or ())

    def move(self, cursors: Iterable[str]) -> None:
        """Takes over cursors, one per shard; a cursor names its shard before the first colon."""
        for cursor in cursors:
            self._by_shard[cursor.partition(":")[0]] = cursor

    @property
    def cursors(self) -> list[str]:
        """One cursor per shard."""
        return list(self._by_shard.values())

    def start(self) -> StreamStart:
        """Where the next stream starts."""
        if self._by_shard:
            return StreamStart(after=Cursors(cursors=self.cursors))
        if self._beginning:
            return StreamStart(beginning=Beginning())
        return StreamStart(live=Live())
