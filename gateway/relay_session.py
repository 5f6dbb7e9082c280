"""One session of the relay: a stream to the engine, from its hello to its end, and all that flows through it.

    log ── feed ──▶ window ── write ──▶ engine ── receive ──▶ window ── publish ──▶ events stream
     ▲                                             │
     └──────────────────── tick ───────────────────┘ (when an order is due to expire)

Each arrow is one task. A session ends by raising; the next one finds out anew where to go on, so that no step needs
a repair of its own.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog

from gateway.relay_feed import CommandFeed, LogBroken, LogState, command_ids, read_log_state, require_command
from gateway.relay_janitor import Janitor
from gateway.relay_metrics import EVENTS, FRAMES, SESSIONS
from gateway.relay_publisher import FinalOrders, Publisher
from gateway.relay_ticker import Ticker
from gateway.relay_window import CONFIRM_FRAMES, Stamp, Window, log_id
from gateway.streams import ZERO, Keys, LogId
from ordergate.engine.v1 import engine_service_pb2 as engine_pb

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from gateway.engine import ApplyCall, EngineChannels
    from gateway.lease import Lease
    from gateway.relay_archive import Archive
    from gateway.settings import Settings

log = structlog.get_logger()

PROTOCOL = 1
HELLO_TIMEOUT_S = 5.0
"""An engine that does not answer hello within this time is taken for dead."""
CONFIRM_S = 0.1
"""The engine is told of publications at the latest after this time without frames to send."""
GOODBYE_S = 1.0
"""An engine that was told everything has this time to end the stream."""
STATUS_TIMEOUT_S = 2.0
"""An engine that says later where its snapshot stands is asked again with the janitor's next round."""
READ_FRAMES_MAX = 64
"""Frames read from the log at once."""
PACE_S = 0.002
"""Frames that come closer than this are read together. A turn from the log through the engine to the events costs us
and four other processes about half a millisecond of CPU, however many frames are in it; a frame after a pause does
not wait."""


class SessionEnded(Exception):
    """The session was asked to stop and has finished what was under way."""


class EngineRefused(Exception):
    """The engine refuses to go on, and will refuse again until a person has looked at it."""


class EngineGone(Exception):
    """The engine ended the stream, can't be reached or does not answer; try again."""


@dataclass(frozen=True, slots=True)
class RelayLinks:
    """What a relay is connected to. Each use of Redis has its own connection, so that no wait holds up another."""

    reader: Redis
    """Blocking reads of the log."""
    producer: Redis
    """Appends to the events stream."""
    plain: Redis
    """Everything else."""
    channels: EngineChannels
    """Connections to the engine."""
    lease: Lease
    """The lease that the session works under."""
    archive: Archive
    """Command frames that Redis no longer holds."""


class RelaySession:
    """One stream to the engine. `run` opens it and works until something fails or `stop` was called and all is done.

    `changed` is set whenever the state that others look at takes a new turn.
    """

    def __init__(self, settings: Settings, keys: Keys, links: RelayLinks, digest: str, changed: asyncio.Event) -> None:
        self._settings = settings
        self._keys = keys
        self._links = links
        self._digest = digest
        self._changed = changed
        self._publisher = Publisher(links.producer, keys)
        self._finals = FinalOrders(links.plain, keys, settings.cache_ttl_s, time.monotonic)
        shard = str(keys.shard)
        self._frames, self._events = FRAMES.labels(shard), EVENTS.labels(shard)
        self._janitor = Janitor(links.plain, keys, settings.events_window_bytes, self._replayable)
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._outgoing = asyncio.Event()
        self._incoming = asyncio.Event()
        self._all_published = asyncio.Event()
        self._window = Window(0, 0, ZERO, ZERO, Stamp(0))
        self._reading: CommandFeed | None = None
        self._ticker: Ticker | None = None
        self._tail: LogId | None = None
        self._level = asyncio.Event()
        self._half_closed = False
        self.instance = ""
        """The engine's instance; empty before its welcome."""
        self.moved_at = 0.0
        """When something was applied or published last, or the session opened (monotonic)."""

    @property
    def caught_up(self) -> bool:
        """True once all that the log held when its end was reached is applied and published."""
        return self._level.is_set()

    @property
    def published(self) -> LogId:
        """Last event frame in the events stream."""
        return self._window.published

    @property
    def applied(self) -> LogId:
        """Last command frame that the engine is known to have applied."""
        return self._window.applied

    @property
    def under_way(self) -> int:
        """Frames between the log and the events stream."""
        return len(self._window)

    @property
    def rebuilding(self) -> str:
        """Frame up to which the engine was given the archive; empty if it is not rebuilt from there."""
        feed = self._reading
        return str(feed.position) if feed is not None and feed.from_archive else ""

    @property
    def waiting_for_memory(self) -> bool:
        """True while Redis has no memory for events."""
        return self._publisher.waiting_for_memory

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest frame that is not published yet was read; 0 if there is none."""
        return self._window.oldest_age_s(now)

    def stop(self) -> None:
        """Asks the session to read no more, to finish what is under way, and to end; may be called again."""
        self._stopping.set()

    async def run(self) -> None:
        """Opens the stream and works.

        Raises:
            SessionEnded: `stop` was called and all that was under way is done.
            EngineRefused: the engine refuses these frames or this relay.
            EngineGone: the engine is away or ended the stream.
            LogBroken: log, events and engine do not fit together.
            gateway.lease.LeaseLost: the lease is not ours any more.
            gateway.relay_publisher.Fenced: a newer session has begun.
            gateway.database.DatabaseUnavailable: the engine needs the archive, and Postgres does not answer.
            redis.exceptions.RedisError: Redis failed.
        """
        # The new epoch comes first: from here on no older session can publish, so what is read next stays true.
        epoch = await self._links.lease.advance()
        state = await read_log_state(self._links.plain, self._keys)
        call = self._links.channels.apply()
        try:
            first = await self._shake_hands(call, epoch, state.last_published)
            feed = await self._find_place(first, state)
            await self._work(call, epoch, feed)
        except grpc.RpcError as error:
            raise await _verdict(call) from error
        except asyncio.InvalidStateError as error:
            raise await _verdict(call) from error
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            call.cancel()

    async def _shake_hands(self, call: ApplyCall, epoch: int, published: LogId) -> engine_pb.ApplyResponse:
        hello = engine_pb.Hello(
            protocol=PROTOCOL,
            shard=self._keys.shard,
            epoch=epoch,
            instruments_digest=self._digest,
            last_published=engine_pb.LogId(ms=published.ms, seq=published.seq),
            relay=self._links.lease.holder,
        )
        await call.write(engine_pb.ApplyRequest(hello=hello))
        # Not a timeout around read(): that would cancel the call and leave no trace of why.
        reading = asyncio.create_task(call.read(), name="relay-hello")
        try:
            await asyncio.wait({reading}, timeout=HELLO_TIMEOUT_S)
            if not reading.done():
                raise EngineGone(f"no answer to hello for {HELLO_TIMEOUT_S:g} s")
        finally:
            reading.cancel()
        response = await reading
        if not isinstance(response, engine_pb.ApplyResponse):
            raise asyncio.InvalidStateError
        return response

    async def _find_place(self, first: engine_pb.ApplyResponse, state: LogState) -> CommandFeed:
        """Decides where to go on, and refuses an engine that does not belong to this log."""
        welcome = first.welcome
        plain, keys, settings = self._links.plain, self._keys, self._settings
        applied, published = log_id(welcome.last_applied), state.last_published
        last_command = (await read_log_state(plain, keys)).last_command
        if applied > last_command:
            raise LogBroken(
                f"the engine has applied {applied}, but the last command frame is {last_command}: it belongs to "
                "another log, or Redis has lost frames; if this log is the right one, restart the engine, without the "
                "snapshots in its --data-dir if it says the same again"
            )
        if applied > ZERO and applied >= published:  # of an earlier one the replay finds out who holds it
            await require_command(plain, keys, applied, "the engine's last state")
        window = Window(
            settings.relay_window_frames, settings.relay_window_bytes, published, applied, Stamp(state.last_time_ns)
        )
        self.moved_at = time.monotonic()
        window.expect(await command_ids(plain, keys, published, applied), self.moved_at)
        window.receive(first)
        self._window = window
        self._ticker = Ticker(plain, keys, self._links.lease.epoch, window, origin=self._links.lease.holder)
        self._ticker.told(first.next_expiry_ns)
        self.instance = welcome.instance
        SESSIONS.labels(str(keys.shard)).inc()
        self._incoming.set()
        self._changed.set()
        log.info(
            "session with the engine",
            shard=keys.shard,
            engine=welcome.engine_version,
            instance=welcome.instance,
            applied=str(applied),
            published=str(published),
            last_command=str(last_command),
        )
        self._reading = CommandFeed(
            self._links.reader, plain, keys, self._links.archive, after=applied, published=published
        )
        return self._reading

    async def _work(self, call: ApplyCall, epoch: int, feed: CommandFeed) -> None:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed(feed), name="relay-feed")
            group.create_task(self._write(call), name="relay-write")
            group.create_task(self._receive(call), name="relay-receive")
            group.create_task(self._publish(epoch), name="relay-publish")
            group.create_task(self._finals.run(), name="relay-cache")
            group.create_task(self._janitor.run(epoch), name="relay-janitor")
            group.create_task(self._tick(), name="relay-tick")
            group.create_task(self._finish(call, feeding), name="relay-finish")

    async def _feed(self, feed: CommandFeed) -> None:
        next_at = 0.0
        while True:
            if feed.at_tail and (pause_s := next_at - time.monotonic()) > 0:
                await asyncio.sleep(pause_s)
            room = self._window.room()
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            frames = await feed.read(min(room, READ_FRAMES_MAX))
            now = time.monotonic()
            next_at = now + PACE_S
            self._window.add(frames, now)
            self._outgoing.set()
            if feed.at_tail and self._tail is None:
                self._tail = feed.position
                self._look_whether_level()

    async def _write(self, call: ApplyCall) -> None:
        """The only writer of the stream. When the stream is over, it is for the reader to say so."""
        window, loop = self._window, asyncio.get_running_loop()
        confirm: asyncio.TimerHandle | None = None
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            overdue = confirm is not None and confirm.when() <= loop.time()
            while (request := window.next_request(confirm_from=1 if overdue else CONFIRM_FRAMES)) is not None:
                try:
                    await call.write(request)
                except (grpc.RpcError, asyncio.InvalidStateError):
                    return
                self._room.set()
            if overdue:
                confirm = None
            if window.unconfirmed and confirm is None:
                confirm = loop.call_later(CONFIRM_S, self._outgoing.set)

    async def _receive(self, call: ApplyCall) -> None:
        """The only reader of the stream."""
        assert self._ticker is not None
        try:
            while isinstance(response := await call.read(), engine_pb.ApplyResponse):
                self._window.receive(response)
                self._ticker.told(response.next_expiry_ns)
                self._all_published.clear()
                self._incoming.set()
                self._moved()
        except grpc.RpcError:
            pass
        if self._half_closed:
            raise SessionEnded
        # What the engine has given is published even so: it may have stumbled over a frame that comes later.
        await self._all_published.wait()
        raise await _verdict(call)

    async def _publish(self, epoch: int) -> None:
        while True:
            await self._incoming.wait()
            self._incoming.clear()
            while batch := self._window.next_batch():
                await self._publisher.publish(epoch, batch)
                self._window.settle(batch)
                self._janitor.grew(sum(len(entry.frame) for entry in batch))
                self._frames.inc(len(batch))
                self._events.inc(sum(entry.events for entry in batch))
                self._moved()
                self._finals.offer(batch)
            self._all_published.set()

    async def _replayable(self) -> LogId:
        """Frame after which any start of this engine goes on: that of its newest snapshot on disk."""
        try:
            status = await self._links.channels.status(timeout_s=STATUS_TIMEOUT_S)
        except grpc.RpcError:
            return ZERO
        return min(log_id(status.last_snapshot), self.published) if status.instance == self.instance else ZERO

    async def _tick(self) -> None:
        """Ticks are for an engine that is level: before that, what it says is due may be done already further on."""
        assert self._ticker is not None
        await self._level.wait()
        await self._ticker.run()

    async def _finish(self, call: ApplyCall, feeding: asyncio.Task[None]) -> None:
        """Once asked to stop: no more reading, all that was read is published, the engine is told so, then the end.

        The engine may be stopped next. Without the last confirmation it could not take a snapshot of where it stands.
        """
        await self._stopping.wait()
        feeding.cancel()
        await asyncio.wait({feeding})
        while len(self._window) or self._window.unconfirmed:
            self._room.clear()
            await self._room.wait()
        self._half_closed = True
        await call.done_writing()
        await asyncio.sleep(GOODBYE_S)
        raise SessionEnded

    def _moved(self) -> None:
        self.moved_at = time.monotonic()
        self._room.set()
        self._outgoing.set()
        if not self.caught_up:
            self._look_whether_level()

    def _look_whether_level(self) -> None:
        if self._tail is not None and min(self.applied, self.published) >= self._tail:
            self._level.set()
            self._changed.set()


_REFUSALS = frozenset(
    {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.INVALID_ARGUMENT}
)


async def _verdict(call: ApplyCall) -> Exception:
    """What the end of a stream means: its status tells, whichever of our tasks stumbled over it first."""
    if not call.done():
        return EngineGone("the stream broke")
    code, details = await call.code(), await call.details() or ""
    if code in _REFUSALS:
        return EngineRefused(f"{code.name}: {details}")
    return EngineGone(f"{code.name}: {details}")
