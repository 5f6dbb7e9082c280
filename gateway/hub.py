"""The worker's one reader of a shard's events: hands them to feeds and to those who wait for a verdict."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.entries import Entry, read_new, read_one, read_state
from gateway.errors import Internal
from gateway.frames import FrameError, merge_parts, parts_of, read_event_frame
from gateway.persisted import PersistedWatch
from gateway.redis_client import READ_BLOCK_MS
from gateway.streams import ZERO, Keys, LogId
from gateway.verdicts import Verdict, VerdictDesk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from gateway.feed import EventFeed
    from ordergate.log.v1 import event_frame_pb2

__all__ = ["Hub", "Verdict"]

log = structlog.get_logger(__name__)

READ_COUNT = 64
"""Most frames of one read."""

_BREATH_FRAMES = 8
"""Frames handed out before other tasks get a turn: with 100 events each, well below a millisecond of the loop."""

_PAUSE_S = 3 * READ_BLOCK_MS / 1000
"""A reader that was away for so long (stopped process, failed Redis) checks whether the log was trimmed meanwhile."""

_RETRY_S = (0.05, 1.0)


class Hub:
    """Tails the events of one shard for all streams of one worker.

    `run` must be running for anything to arrive. All other methods are called from the same event loop.

    A frame that can't be read is logged as an error and never skipped in silence: every feed is sent to the log reader,
    which ends those that meet the frame with INTERNAL and a cursor before it. New live feeds go on after it.

    Attributes:
        shard: which.
        keys: names of its streams.
        position: last frame handed out; 0-0 before the first.
        started: set once `position` is known.
        last_error: what the last read met, or None if it went well.
    """

    def __init__(
        self,
        shard: int,
        redis: Redis,
        settled: Callable[[LogId], Awaitable[None]],
        *,
        reader: Redis | None = None,
    ) -> None:
        """Makes a hub that is not running yet.

        Args:
            shard: which shard.
            redis: client of its own for blocking reads, socket timeout above `READ_BLOCK_MS`.
            settled: returns when no append of this worker can still be waiting for an id at or below the given one,
                so that an ack is never behind its own events.
            reader: shared client for everything else (default: `redis`, which then needs a second connection).
        """
        self.shard = shard
        self.keys = Keys(shard)
        self.position = ZERO
        self.started = asyncio.Event()
        self.last_error: Exception | None = None
        self._redis = redis
        self._settled = settled
        self._read_at = time.monotonic()
        self._feeds: dict[str, set[EventFeed]] = {}
        self._desk = VerdictDesk(self.keys, reader or redis)
        self._persisted = PersistedWatch(self.keys, reader or redis)

    @property
    def healthy(self) -> bool:
        """True if reads of the events succeed."""
        return self.started.is_set() and self.last_error is None and time.monotonic() - self._read_at < 2 * _PAUSE_S

    async def run(self) -> None:
        """Reads from the stream's end on, until canceled; whoever still waits is then canceled too.

        Closes its own client at the end, as the queue does; the shared one is its owner's.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tail(), name=f"hub-{self.shard}-tail")
                group.create_task(self._desk.run(), name=f"hub-{self.shard}-verdicts")
                group.create_task(self._persisted.run(), name=f"hub-{self.shard}-persisted")
        finally:
            await self._redis.aclose()

    # Feeds

    def attach(self, feed: EventFeed) -> None:
        """Hands every frame after `position` to `feed`."""
        for account in feed.accounts:
            self._feeds.setdefault(account, set()).add(feed)

    def detach(self, feed: EventFeed) -> None:
        """Hands nothing more to `feed`; no fault if it was not attached."""
        for account in feed.accounts:
            feeds = self._feeds.get(account)
            if feeds is not None:
                feeds.discard(feed)
                if not feeds:
                    del self._feeds[account]

    # For acks

    def verdict(self, frame: LogId, index: int) -> asyncio.Future[Verdict]:
        """The engine's decision on command `index` of the command frame `frame`; see `VerdictDesk.expect`."""
        return self._desk.expect(frame, index, known=frame <= self.position)

    def cancel_verdict(self, frame: LogId, index: int) -> None:
        """Nobody waits for this decision any more."""
        self._desk.cancel(frame, index)

    async def wait_persisted(self, event_id: LogId) -> None:
        """Returns once Postgres holds the events up to and with `event_id`, as far as the persister has told."""
        await self._persisted.wait(event_id)

    # The tail

    async def _tail(self) -> None:
        delay = _RETRY_S[0]
        while True:
            try:
                if not self.started.is_set():
                    self.position = (await read_state(self._redis, self.keys.events)).last
                    self.started.set()
                await self._read()
                delay = _RETRY_S[0]
            except (RedisError, OSError) as error:
                self.last_error = error
                log.warning("events can't be read", shard=self.shard, position=str(self.position), error=repr(error))
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RETRY_S[1])

    async def _read(self) -> None:
        entries = await read_new(self._redis, self.keys.events, self.position, READ_COUNT, READ_BLOCK_MS)
        paused = self.last_error is not None or time.monotonic() - self._read_at > _PAUSE_S
        if paused and entries and await self._trimmed():
            log.error("events were trimmed before this worker read them", shard=self.shard, position=str(self.position))
            self._send_to_log()
        self._read_at = time.monotonic()
        self.last_error = None
        for number, entry in enumerate(entries, 1):
            await self._settled(entry.id)
            self._hand_out(entry)
            if number % _BREATH_FRAMES == 0:
                await asyncio.sleep(0)

    async def _trimmed(self) -> bool:
        """Whether entries after `position` may be gone; the page reader of each feed finds out exactly."""
        return self.position > ZERO and await read_one(self._redis, self.keys.events, self.position) is None

    def _hand_out(self, entry: Entry) -> None:
        expected = self._desk.expects(entry.id)
        if expected or self._feeds:
            try:
                frame = read_event_frame(entry.frame)
                # Verdicts first: whoever waits for one runs before the streams write these events.
                if expected:
                    self._desk.decide(entry.id, frame)
                self._offer(entry.id, frame)
            except FrameError:
                log.exception("event frame can't be read", shard=self.shard, id=str(entry.id))
                self._desk.fail(entry.id, Internal(f"the events of frame {entry.id} can't be read"))
                self._send_to_log()
        self.position = entry.id

    def _offer(self, frame_id: LogId, frame: event_frame_pb2.EventFrame) -> None:
        shared: dict[EventFeed, list[event_frame_pb2.AccountEvents]] = {}
        for part in parts_of(frame, self._feeds):
            blob = part.events
            for feed in tuple(self._feeds.get(frame.accounts[part.account_index], ())):
                if feed.single:
                    feed.offer(self.shard, frame_id, blob)
                else:
                    shared.setdefault(feed, []).append(part)
        if shared:
            self._offer_merged(frame_id, frame, shared)

    def _offer_merged(
        self,
        frame_id: LogId,
        frame: event_frame_pb2.EventFrame,
        shared: dict[EventFeed, list[event_frame_pb2.AccountEvents]],
    ) -> None:
        merged: dict[tuple[int, ...], bytes] = {}
        for feed, parts in shared.items():
            accounts = tuple(part.account_index for part in parts)
            blob = merged.get(accounts)
            if blob is None:
                blob = merged[accounts] = merge_parts(frame, parts)
            feed.offer(self.shard, frame_id, blob)

    def _send_to_log(self) -> None:
        for feed in {feed for feeds in self._feeds.values() for feed in feeds}:
            feed.fall_back(self.shard)
