"""The events of some accounts for one stream: from the log as far back as asked, then live, without a seam."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.database import DatabaseUnavailable
from gateway.entries import read_one, read_state
from gateway.errors import CursorExpired, CursorInvalid, Internal, OrdergateError, Unavailable
from gateway.frames import FrameError, cut_events, merge_parts, parts_of, read_event_frame
from gateway.lane import END, Lane, Piece
from gateway.past import Past
from gateway.start import Start, parse_start
from gateway.streams import ZERO, Cursor, LogId
from ordergate.v1 import order_events_service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from gateway.entries import Entry
    from gateway.history import AccountHistory
    from gateway.hub import Hub
    from ordergate.v1 import failure_pb2

__all__ = ["EventFeed", "Start", "parse_start"]

log = structlog.get_logger(__name__)

_RETRY_S = 0.2
_OPEN_TIMEOUT_S = 5.0
"""A hub that has not found its place for so long has no Redis."""


class EventFeed:
    """Events of `accounts` for one stream, over all shards.

    `open` fixes the start, `run` must then run for as long as the stream lives. The stream calls `take` whenever it can
    write, and is woken (`wake`) when there is something to do: events, `caught_up`, `failure`.

    Up to `buffer_bytes` wait here. A reader that is slower goes on from the log, page by page as it takes them: it
    loses nothing, and costs no other stream anything.

    Attributes:
        accounts: whose events.
        single: True if there is one account, whose events can be forwarded as they are.
        failure: why there will be no more events; None while all is well.
    """

    def __init__(
        self,
        hubs: Sequence[Hub],
        accounts: frozenset[str],
        start: Start,
        wake: Callable[[], None],
        buffer_bytes: int,
        reader: Redis,
        histories: Sequence[AccountHistory],
    ) -> None:
        """Makes a feed that is not open yet.

        Args:
            hubs: one for each shard, in order.
            accounts: whose events; not empty.
            start: where to start.
            wake: called when there is something to do for the stream; must not raise.
            buffer_bytes: most bytes held for the stream before it goes on from the log.
            reader: shared client for reads that do not block.
            histories: the events in Postgres, one for each shard, in order.
        """
        self.accounts = accounts
        self.single = len(accounts) == 1
        self.failure: failure_pb2.Failure | None = None
        self._start = start
        self._wake = wake
        self._buffer_bytes = buffer_bytes
        self._reader = reader
        self._lanes = [Lane(hub, reader, history) for hub, history in zip(hubs, histories, strict=True)]
        self._opened = False
        self._queue: deque[Piece] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._pieces_in = 0
        self._pieces_out = 0
        self._past: int | None = None
        """Pieces that had come when the last lane went live for the first time: the past ends with them."""

    # For the stream

    async def open(self) -> None:
        """Fixes where the feed starts: every event after `cursors()` will come.

        Raises:
            CursorInvalid: a cursor is ahead of the log.
            CursorExpired: events right after a cursor are not kept any more.
            Unavailable: Redis does not answer, or Postgres, where only that has the events.
        """
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                for lane in self._lanes:
                    await self._open_lane(lane)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"the event log can't be read: {type(error).__name__}") from error
        except DatabaseUnavailable as error:
            log.warning("Postgres can't be asked for events", error=str(error))
            raise Unavailable("the events after the cursor are in the database, which can't be asked now") from error
        self._opened = True

    async def run(self) -> None:
        """Fetches what the hub does not hand over; opens the feed if that was not done.

        Ends when it is canceled, or with `failure` set.
        """
        try:
            if not self._opened:
                await self.open()
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    group.create_task(self._follow(lane), name=f"feed-{lane.hub.shard}")
        except* OrdergateError as group:
            self._fail(group.exceptions[0])
        finally:
            self.close()

    def close(self) -> None:
        """Nothing more is fetched or handed over."""
        for lane in self._lanes:
            lane.hub.detach(self)

    def take(self, limit_bytes: int) -> bytes:
        """Events to send next: field 2 of SessionResponse and FollowResponse, ready to be joined into one.

        Returns:
            Whole events, at most `limit_bytes` unless the first alone is larger; b"" if there are none.
        """
        queue = self._queue
        taken: list[bytes] = []
        size = 0
        while queue:
            lane, frame_id, blob = queue[0]
            if size + len(blob) > limit_bytes:
                if not taken:
                    taken.append(self._take_part(limit_bytes))
                break
            queue.popleft()
            taken.append(blob)
            size += len(blob)
            lane.queued -= 1
            lane.taken = Cursor(lane.hub.shard, frame_id, END)
            self._pieces_out += 1
        data = taken[0] if len(taken) == 1 else b"".join(taken)
        self._bytes -= len(data)
        if self._bytes <= self._buffer_bytes // 2:
            self._room.set()
        return data

    def cursors(self) -> list[str]:
        """Place after everything taken so far, one cursor per shard: what came before never comes again."""
        return [str(lane.cursor()) for lane in self._lanes]

    @property
    def caught_up(self) -> bool:
        """True once everything up to the time of the call was taken and the feed has gone live."""
        return self._past is not None and self._pieces_out >= self._past

    def _take_part(self, limit_bytes: int) -> bytes:
        """Takes the first events of a frame that has more than fit."""
        lane, frame_id, blob = self._queue[0]
        try:
            cut = cut_events(blob, limit_bytes)
        except FrameError:
            self._fail(_unreadable(lane, frame_id))
            return b""
        part = blob[:cut]
        if cut == len(blob):
            self._queue.popleft()
            lane.queued -= 1
            lane.taken = Cursor(lane.hub.shard, frame_id, END)
            self._pieces_out += 1
        else:
            self._queue[0] = Piece(lane, frame_id, blob[cut:])
            last = order_events_service_pb2.FollowResponse.FromString(part).events[-1]
            lane.taken = Cursor.parse(last.cursor)
        return part

    # For the hub

    def offer(self, shard: int, frame_id: LogId, blob: bytes) -> None:
        """Events of one frame, as on the wire; the frames of a shard come in order, without a gap while attached."""
        lane = self._lanes[shard]
        if frame_id <= lane.place:
            return
        if self._bytes + lane.held_bytes + len(blob) > self._buffer_bytes:
            self.fall_back(shard)
        elif lane.held is not None:
            lane.held.append(Piece(lane, frame_id, blob))
            lane.held_bytes += len(blob)
        else:
            self._put(lane, frame_id, blob)

    def fall_back(self, shard: int) -> None:
        """Lets the shard's events come from the log, from what is queued on."""
        lane = self._lanes[shard]
        lane.hub.detach(self)
        lane.held, lane.held_bytes = None, 0
        lane.place = lane.reached
        lane.behind.set()

    # From the log to live

    async def _open_lane(self, lane: Lane) -> None:
        await lane.hub.started.wait()
        cursor = self._start.cursors.get(lane.hub.shard)
        if self._start.oldest:
            lane.strict = False
            if not (await read_state(self._reader, lane.hub.keys.events)).whole:
                await (
                    lane.history.reach()
                )  # it will be needed, and a refusal is better now than a stream without events
        elif cursor is None:
            lane.place = lane.hub.position
        else:
            await self._open_after(lane, cursor)

    async def _open_after(self, lane: Lane, cursor: Cursor) -> None:
        lane.place, lane.index = cursor.id, min(cursor.index, END)
        if cursor.id > ZERO and await read_one(self._reader, lane.hub.keys.events, cursor.id) is not None:
            return
        state = await read_state(self._reader, lane.hub.keys.events)
        if state.last < cursor.id:
            raise CursorInvalid("start.after.cursors", f"cursor {cursor} is ahead of the log")
        if not state.whole and state.last > cursor.id:
            self._reached(lane, await lane.history.reach())
            await self._past_of(lane).open()

    async def _follow(self, lane: Lane) -> None:
        while True:
            await lane.behind.wait()
            goal = max(lane.hub.position, lane.place)
            # No await since the goal was read: every frame after it will be handed over, and is held meanwhile.
            lane.held = []
            lane.hub.attach(self)
            await self._read_log(lane, goal)
            if lane.held is not None:
                self._go_live(lane)

    def _go_live(self, lane: Lane) -> None:
        for _, frame_id, blob in lane.held or ():
            if frame_id > lane.place:
                self._put(lane, frame_id, blob)
        lane.held, lane.held_bytes = None, 0
        lane.behind.clear()
        lane.was_live = True
        if self._past is None and all(each.was_live for each in self._lanes):
            self._past = self._pieces_in
            self._wake()

    async def _read_log(self, lane: Lane, goal: LogId) -> None:
        while lane.place < goal or lane.index != END:
            await self._room.wait()
            try:
                entries = await lane.pages.page(lane.place)
                if not await self._follows(lane, entries) and await self._read_past(lane):
                    continue
            except (RedisError, OSError, DatabaseUnavailable) as error:
                log.warning("events can't be read", shard=lane.hub.shard, place=str(lane.place), error=repr(error))
                await asyncio.sleep(_RETRY_S)
                continue
            lane.strict = lane.strict or bool(entries)
            for entry in entries:
                self._put_from_log(lane, entry)
            if not lane.pages.more:
                lane.place, lane.index = max(lane.place, goal), END

    async def _follows(self, lane: Lane, entries: list[Entry]) -> bool:
        """Whether the page begins with the entry at `place`; if not, entries after it may have been trimmed unread."""
        if lane.place > ZERO and entries and entries[0].id == lane.place:
            return True
        state = await read_state(self._reader, lane.hub.keys.events)
        return state.whole or state.last <= lane.place

    def _past_of(self, lane: Lane) -> Past:
        return Past(lane.history, self.accounts, Cursor(lane.hub.shard, lane.place, lane.index), strict=lane.strict)

    @staticmethod
    def _reached(lane: Lane, reach: LogId) -> bool:
        """Whether Postgres has events after the lane's place; if not, the oldest that Redis has may do for a beginning.

        Raises:
            CursorExpired: it has none, and nothing else will do.
        """
        if reach > lane.place or (reach == lane.place and lane.index != END):
            return True
        if lane.strict:
            raise CursorExpired(f"events after {lane.cursor()} are not kept any more")
        return False

    async def _read_past(self, lane: Lane) -> bool:
        """Reads from Postgres, as far as that reaches: Redis trims nothing beyond it. False if it has nothing."""
        reach = await lane.history.reach()
        if not self._reached(lane, reach):
            return False
        past = self._past_of(lane)
        await past.open()
        try:
            while page := await past.page(reach):
                for frame_id, blob in page:
                    self._put(lane, frame_id, blob)
                await self._room.wait()
        except FrameError:
            raise _unreadable(lane, lane.place) from None
        lane.place, lane.index, lane.strict = max(lane.place, reach), END, True
        return True

    def _put_from_log(self, lane: Lane, entry: Entry) -> None:
        done = -1
        if entry.id == lane.place:
            if lane.index == END:
                return
            done = lane.index
        try:
            frame = read_event_frame(entry.frame)
            parts = parts_of(frame, self.accounts)
            blob = merge_parts(frame, parts, done) if parts else b""
        except FrameError:
            raise _unreadable(lane, entry.id) from None
        if blob:
            self._put(lane, entry.id, blob)
        lane.place, lane.index = entry.id, END

    def _put(self, lane: Lane, frame_id: LogId, blob: bytes) -> None:
        if not lane.queued:
            lane.taken = lane.cursor()
        lane.place, lane.index = frame_id, END
        lane.queued += 1
        self._queue.append(Piece(lane, frame_id, blob))
        self._pieces_in += 1
        self._bytes += len(blob)
        if self._bytes > self._buffer_bytes // 2:
            self._room.clear()
        self._wake()

    def _fail(self, error: BaseException) -> None:
        assert isinstance(error, OrdergateError)
        self.failure = error.failure()
        self._wake()


def _unreadable(lane: Lane, frame_id: LogId) -> Internal:
    log.exception("event frame can't be read", shard=lane.hub.shard, id=str(frame_id))
    return Internal(f"the events of frame {frame_id} can't be read")
