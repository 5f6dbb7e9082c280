"""The events of some accounts that only Postgres has, in the order of the log, for a stream that goes on with Redis."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from gateway.errors import CursorExpired
from gateway.frames import FrameError, split_events
from gateway.streams import Cursor, LogId
from ordergate.v1.order_events_service_pb2 import FollowResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.history import AccountHistory, EventRow


class Past:
    """Events after a place, frame by frame; what several accounts have of a frame comes together.

    A row that is missing is noticed by the account's sequence, which is dense: then nothing is skipped in silence.
    """

    def __init__(self, history: AccountHistory, accounts: Iterable[str], after: Cursor, *, strict: bool) -> None:
        """Prepares.

        Args:
            history: of the shard.
            accounts: whose events.
            after: they begin right after this event.
            strict: they must be there from that place on; else the first may be missing.
        """
        self._history = history
        self._after = after
        self._strict = strict
        self._rows: dict[str, deque[EventRow]] = {account: deque() for account in sorted(accounts)}
        self._seqs: dict[str, int] = {}

    async def open(self) -> None:
        """Finds the place.

        Raises:
            CursorExpired: events after it are missing.
            DatabaseUnavailable: no answer.
        """
        for account, rows in self._rows.items():
            self._seqs[account] = await self._history.locate(account, self._after.id)
            rows.extend(await self._next(account, strict=self._strict))

    async def page(self, upto: LogId) -> list[tuple[LogId, bytes]]:
        """Some of the next frames up to and with `upto`, and their events as on the wire; empty at the end.

        Raises:
            CursorExpired: events are missing.
            DatabaseUnavailable: no answer.
            FrameError: a row can't be read.
        """
        page: list[tuple[LogId, bytes]] = []
        while not page:
            # Frames are complete only as far as every account has been read.
            ends = [await self._read(account, upto) for account in self._rows]
            bound = min([upto, *(end for end in ends if end is not None)])
            page = self._take(bound)
            if not page and all(end is None for end in ends):
                return []
        return page

    async def _read(self, account: str, upto: LogId) -> LogId | None:
        """Sees to it that rows wait; the frame of the last of them, None if it has no more up to `upto`."""
        rows = self._rows[account]
        if not rows:
            rows.extend(await self._next(account))
        return rows[-1].id if rows and rows[0].id <= upto else None

    async def _next(self, account: str, *, strict: bool = True) -> list[EventRow]:
        """The account's next rows, none of which is missing; unless `strict`, some before the first may be.

        Nor does it matter what is missing before the frame that the events begin in.
        """
        rows = await self._history.after(account, self._seqs[account])
        for row in rows:
            if strict and row.first_seq != self._seqs[account] + 1 and row.id != self._after.id:
                raise CursorExpired(f"events of {account} after its sequence {self._seqs[account]} are not kept")
            self._seqs[account], strict = row.last_seq, True
        return rows

    def _take(self, bound: LogId) -> list[tuple[LogId, bytes]]:
        frames: dict[LogId, list[bytes]] = {}
        for rows in self._rows.values():
            while rows and rows[0].id <= bound:
                row = rows.popleft()
                frames.setdefault(row.id, []).append(row.events)
        page = []
        for frame_id in sorted(frames):
            done = self._after.index if frame_id == self._after.id else -1
            if blob := merge(frames[frame_id], done):
                page.append((frame_id, blob))
        return page


def merge(blobs: list[bytes], done: int = -1) -> bytes:
    """Events of one frame with an index above `done`, in the frame's order, from the parts of its accounts.

    Raises:
        FrameError: a part can't be read.
    """
    if len(blobs) == 1 and done < 0:
        return blobs[0]
    items: list[tuple[int, bytes]] = []
    try:
        for blob in blobs:
            events = FollowResponse.FromString(blob).events
            indexes = [Cursor.parse(event.cursor).index for event in events]
            items += zip(indexes, split_events(blob), strict=True)
    except (DecodeError, ValueError) as error:
        raise FrameError(f"stored events: {error}") from None
    return b"".join(item for index, item in sorted(items) if index > done)
