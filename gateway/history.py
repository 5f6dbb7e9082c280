"""The events of an account in Postgres: `account_events`, one row for each account and event frame.

Rows of an account are dense in its sequence and rise with it in the id of their frame, so that a place in the log is
found by halving. A page aims at `PAGE_BYTES`, whatever the size of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.entries import PAGE_BYTES
from gateway.streams import ZERO, LogId

if TYPE_CHECKING:
    from gateway.database import Database

NEWEST = 2**63 - 1
"""A sequence after all others."""

PAGE_TIMEOUT_S = 5.0
"""Longest time for a page of about a megabyte."""

SEARCH_TIMEOUT_S = 5.0
"""Longest time for one page of a search: 0.3 s of Postgres with frames of 100 events."""

_SEARCH_ROWS = 2_000
_ROWS = (16, 2_000)
"""Rows of a first page, and most of one."""


class EventRow(NamedTuple):
    """Events of one account in one frame."""

    first_seq: int
    last_seq: int
    id: LogId
    events: bytes
    """Field 2 of SessionResponse and FollowResponse, as on the wire."""


class SearchPage(NamedTuple):
    """What a page of a search found."""

    found: list[tuple[LogId, bytes]]
    """Frames and their events that contain what was searched for, newest first."""
    oldest_seq: int
    """`last_seq` of the oldest row looked at: the search goes on before it; 0 if no row was left."""
    oldest: LogId
    """Its frame."""
    whole: bool
    """True if nothing is missing before it: its first event is the account's first."""


class AccountHistory:
    """Events of accounts of one shard, as far as Postgres has them. All methods raise `DatabaseUnavailable`."""

    def __init__(self, shard: int, database: Database) -> None:
        self.shard = shard
        self._database = database
        self._rows = _ROWS[0]

    async def reach(self) -> LogId:
        """The frame up to which Postgres holds all events; to be asked before their rows are read."""
        rows = await self._database.rows("events_offset", self.shard)
        return LogId(rows[0]["ms"], rows[0]["seq"]) if rows else ZERO

    async def locate(self, account: str, frame: LogId) -> int:
        """The account's last sequence before the frame, 0 if there is none."""
        rows = await self._database.rows("account_events_newest", self.shard, account)
        if not rows:
            return 0
        low, high = 0, int(rows[0]["last_seq"])
        if LogId(rows[0]["ms"], rows[0]["seq"]) < frame:
            return high
        # What is at or below `low` is before the frame, what is above `high` is not.
        high -= 1
        while low < high:
            middle = (low + high + 1) // 2
            row = (await self._database.rows("account_events_place", self.shard, account, middle))[0]
            if LogId(row["ms"], row["seq"]) < frame:
                low = int(row["last_seq"])
            else:
                high = middle - 1
        return low

    async def row_end(self, account: str, seq: int) -> int:
        """`last_seq` of the row that holds the event with this sequence; `NEWEST - 1` if there is none yet."""
        rows = await self._database.rows("account_events_place", self.shard, account, seq)
        return int(rows[0]["last_seq"]) if rows else NEWEST - 1

    async def after(self, account: str, seq: int) -> list[EventRow]:
        """A page of rows after the sequence, oldest first; empty if there are none."""
        return await self._page("account_events_after", account, seq)

    async def before(self, account: str, seq: int) -> list[EventRow]:
        """A page of rows before the sequence, newest first; empty if there are none."""
        return await self._page("account_events_before", account, seq)

    async def search(self, account: str, needle: bytes, before: int = NEWEST) -> SearchPage:
        """Looks for bytes in a page of rows before the sequence `before`."""
        row = (
            await self._database.rows(
                "account_events_search", self.shard, account, before, _SEARCH_ROWS, needle, timeout_s=SEARCH_TIMEOUT_S
            )
        )[0]
        if not row["looked_at"]:
            return SearchPage([], 0, ZERO, whole=before in {1, NEWEST})
        places = map(LogId, row["found_ms"] or (), row["found_seq"] or ())
        found = list(zip(places, row["found_events"] or (), strict=True))
        return SearchPage(found, row["last_seq"], LogId(row["ms"], 0), whole=row["first_seq"] == 1)

    async def _page(self, query: str, account: str, seq: int) -> list[EventRow]:
        found = await self._database.rows(query, self.shard, account, seq, self._rows, timeout_s=PAGE_TIMEOUT_S)
        rows = [EventRow(r["first_seq"], r["last_seq"], LogId(r["ms"], r["seq"]), r["events"]) for r in found]
        if rows:
            size = sum(len(row.events) for row in rows)
            self._rows = max(2, min(_ROWS[1], PAGE_BYTES * len(rows) // (size + 1), 4 * self._rows))
        return rows
