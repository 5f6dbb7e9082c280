"""OrderEventsService.Follow: the events of accounts from a start on, then live.

The writer writes bytes: events come from the engine ready to be sent, and are joined, never parsed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway import errors
from gateway.feed import EventFeed, parse_start
from gateway.opening import HEARTBEAT_S, heartbeat_interval, in_parts
from gateway.rpc import parse
from gateway.session import WRITE_BYTES_MAX
from ordergate.v1 import event_pb2, failure_pb2, order_pb2
from ordergate.v1 import order_events_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.auth import Principal
    from gateway.rpc import Context
    from gateway.worker import Worker


class OrderEvents:
    """Servicer of OrderEventsService."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def follow(self, raw: bytes, context: Context) -> None:
        """One stream, until the client cancels it or after a GoAway.

        Raises:
            OrdergateError: the request is refused; nothing was written yet.
        """
        worker = self._worker
        if worker.draining.is_set():
            raise errors.Draining
        principal = worker.authenticator.authenticate(context)
        request = parse(pb.FollowRequest, raw)
        silence_s = HEARTBEAT_S[1]
        if request.HasField("heartbeat_interval"):
            silence_s = heartbeat_interval(request.heartbeat_interval)
        accounts = principal.followed(request.accounts)
        start = parse_start(request.start if request.HasField("start") else None, len(worker.hubs))
        wake = asyncio.Event()
        feed = worker.make_feed(accounts, start, wake.set)
        await worker.open_feed(feed)
        # Read after the feed has its place: of an order that changes meanwhile the events will tell.
        orders = await worker.queries.open_orders(accounts) if start.snapshot else []
        await _Follower(context, principal, feed, wake, silence_s, orders).run(worker.draining)


class _Follower:
    """The one writer of a stream."""

    def __init__(
        self,
        context: Context,
        principal: Principal,
        feed: EventFeed,
        wake: asyncio.Event,
        silence_s: float,
        orders: Sequence[order_pb2.Order],
    ) -> None:
        self._context = context
        self._principal = principal
        self._feed = feed
        self._wake = wake
        self._silence_s = silence_s
        self._orders = orders
        self._opened_at = time.time()

    async def run(self, draining: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = (
                    group.create_task(self._feed.run(), name="follow-feed"),
                    group.create_task(self._wake_when(draining), name="follow-drain"),
                )
                await self._write(draining)
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group:
            # The caller knows what a write to a client that is gone raises, but not a group of it.
            raise group.exceptions[0] from None

    async def _wake_when(self, draining: asyncio.Event) -> None:
        await draining.wait()
        self._wake.set()

    async def _write(self, draining: asyncio.Event) -> None:
        feed, write = self._feed, self._context.write
        opened = pb.Opened(accounts=sorted(feed.accounts), cursors=feed.cursors())
        await write(pb.FollowResponse(opened=opened).SerializeToString())
        for part in in_parts(self._orders):
            await write(pb.FollowResponse(orders=part).SerializeToString())
        told = False
        while (failure := self._end(draining)) is None:
            self._wake.clear()
            if data := feed.take(WRITE_BYTES_MAX):
                await write(data)
            elif feed.caught_up and not told:
                told = True
                caught_up = pb.CaughtUp(cursors=feed.cursors())
                await write(pb.FollowResponse(caught_up=caught_up).SerializeToString())
            elif feed.failure is None and not await self._woken():
                await write(self._heartbeat())
        away = event_pb2.GoAway(failure=failure, cursors=feed.cursors())
        await write(pb.FollowResponse(go_away=away).SerializeToString())

    def _end(self, draining: asyncio.Event) -> failure_pb2.Failure | None:
        """Why the stream ends now, if it does."""
        if self._feed.failure is not None:
            return self._feed.failure
        if draining.is_set():
            return errors.Draining().failure()
        end = self._principal.ended(self._opened_at, time.time())
        return end.failure() if end is not None else None

    async def _woken(self) -> bool:
        """Waits for something to do; False if there was nothing for as long as a heartbeat takes."""
        life_s = max(0.0, self._principal.ends_at(self._opened_at) - time.time())
        try:
            async with asyncio.timeout(min(self._silence_s, life_s)):
                await self._wake.wait()
        except TimeoutError:
            # The end of the stream's life is seen by the caller and needs no heartbeat.
            return life_s <= self._silence_s
        return True

    def _heartbeat(self) -> bytes:
        beat = event_pb2.Heartbeat(cursors=self._feed.cursors())
        beat.server_time.GetCurrentTime()
        return pb.FollowResponse(heartbeat=beat).SerializeToString()
