"""One shard's part of a feed: where it stands between the log and the live events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from gateway.entries import PageReader
from gateway.streams import ZERO, Cursor, LogId

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from gateway.history import AccountHistory
    from gateway.hub import Hub

END = Cursor.END_OF_FRAME


class Lane:
    """One shard's part of a feed.

    It is live (the hub hands it every frame), or reads the log up to a goal while what the hub hands it is held back
    (`held`), or, if more came than may be held, reads the log alone. What of the log is trimmed in Redis it reads from
    Postgres. `place` is what it has queued everything up to.
    """

    __slots__ = (
        "behind",
        "held",
        "held_bytes",
        "history",
        "hub",
        "index",
        "pages",
        "place",
        "queued",
        "strict",
        "taken",
        "was_live",
    )

    def __init__(self, hub: Hub, reader: Redis, history: AccountHistory) -> None:
        self.hub = hub
        self.history = history
        self.pages = PageReader(reader, hub.keys.events)
        self.place: LogId = ZERO
        self.index = END
        """Last event of the frame `place` that is done; END: all of it."""
        self.strict = True
        """`place` must still be kept for the log to be read on; not if it is the log's beginning."""
        self.taken = Cursor(hub.shard, ZERO, END)
        self.queued = 0
        """Pieces of this shard in the feed's queue."""
        self.behind = asyncio.Event()
        """Set while the lane is not live."""
        self.behind.set()
        self.held: list[Piece] | None = None
        self.held_bytes = 0
        self.was_live = False

    @property
    def reached(self) -> LogId:
        """Everything up to here was queued, or is not for this feed."""
        return self.place if self.behind.is_set() else max(self.place, self.hub.position)

    def cursor(self) -> Cursor:
        """Place after all that was taken."""
        return self.taken if self.queued else Cursor(self.hub.shard, self.reached, self.index)


class Piece(NamedTuple):
    """Events of one frame that wait for the stream to take them."""

    lane: Lane
    id: LogId
    blob: bytes
