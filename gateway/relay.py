"""The relay of one shard: takes command frames from the log to the engine and the engine's events back.

It looks only at bytes and ids; what is in a frame is not its business. Everything it knows can be found out again
from Redis and the engine, so it may be killed at any time, and a second one may take over at any time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

import structlog
from redis.exceptions import RedisError

from gateway.database import DatabaseUnavailable
from gateway.engine import EngineChannels
from gateway.instruments import load_instruments
from gateway.lease import Lease, LeaseLost
from gateway.redis_client import command, open_commands, open_producer, open_reader
from gateway.relay_archive import Archive
from gateway.relay_feed import LogBroken
from gateway.relay_metrics import RelayCollector
from gateway.relay_publisher import Fenced
from gateway.relay_session import (
    EngineGone,
    EngineRefused,
    RelayLinks,
    RelaySession,
    SessionEnded,
)
from gateway.streams import ZERO, Keys, LogId

if TYPE_CHECKING:
    from gateway.settings import Settings

log = structlog.get_logger()

BACKOFF_MIN_S = 0.05
BACKOFF_MAX_S = 1.0
REFUSED_PAUSE_S = 2.0
"""Pause after a refusal that will be repeated until a person has acted."""
REPORT_S = 0.5
STALL_S = 1.0
"""Something waits and nothing has moved for this long: not level any more."""
PROBE_TIMEOUT_S = 0.4
LOG_AGAIN_S = 30.0
"""The same reason is logged again after this time."""
GIVE_UP_S = 2.0
"""Time to end by itself after the grace of `drain` is over."""

# KEYS: relay, epoch. ARGV: our epoch, life in ms, then names and values. A relay that was overtaken reports nothing.
_REPORT = """#!lua
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class RelayFacts(NamedTuple):
    """What a relay tells of itself to the metrics."""

    shard: int
    active: bool
    """It holds the lease."""
    level: bool
    """The engine is level with the log."""
    window_frames: int
    lag_s: float
    """Age of the oldest frame under way."""
    published: LogId
    applied: LogId


class Relay:
    """One candidate for the work of one shard.

    `run` waits for the lease, works while it holds it, and waits again when it is lost; it returns after `stop`.
    Belongs to one event loop; run it once.
    """

    def __init__(self, settings: Settings, shard: int, name: str) -> None:
        self._settings = settings
        self._name = name
        self._keys = Keys(shard)
        self._channels = EngineChannels.of(settings, shard, settings.relay_channels)
        self._digest = load_instruments(settings.instruments, settings.shards).digest
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._finished = asyncio.Event()
        self._work_task: asyncio.Task[None] | None = None
        self._leading = False
        self._session: RelaySession | None = None
        self._reason = "starting"
        self._reason_logged_at = 0.0
        self._published: LogId = ZERO
        self._applied: LogId = ZERO

    def facts(self) -> RelayFacts:
        """How it stands now."""
        session = self._session
        if session is None or not session.instance:
            return RelayFacts(self._keys.shard, self._leading, False, 0, 0.0, self._published, self._applied)
        lag_s = session.oldest_age_s(time.monotonic())
        ends = (session.published, session.applied)
        return RelayFacts(self._keys.shard, self._leading, session.caught_up, session.under_way, lag_s, *ends)

    def stop(self) -> None:
        """Asks `run` to finish what is under way and to return; may be called at any time and again."""
        self._stopping.set()
        if self._session is not None:
            self._session.stop()

    async def drain(self, grace_s: float) -> None:
        """Stops, waits up to `grace_s` seconds for what is under way, then gives the rest up for the next relay."""
        self.stop()
        if not await _within(self._finished, grace_s) and self._work_task is not None:
            log.warning("relay gives up what is under way", relay=self._name, grace_s=grace_s)
            self._work_task.cancel()
            await _within(self._finished, GIVE_UP_S)

    async def run(self) -> None:
        """Works until `stop`.

        Raises:
            Exception: a defect; the process should end and be started again, which loses nothing.
        """
        settings, keys = self._settings, self._keys
        try:
            async with AsyncExitStack() as stack:
                reader, producer, plain, lease_client = [
                    await stack.enter_async_context(client)
                    for client in (
                        open_reader(settings),
                        open_producer(settings),
                        open_commands(settings),
                        # A slower answer than this would not renew the lease in time anyway.
                        open_commands(settings, settings.lease_ttl_ms / 3000),
                    )
                ]
                lease = Lease(lease_client, keys, self._name, settings.lease_ttl_ms)
                channels = await stack.enter_async_context(self._channels)
                archive = Archive(settings.postgres_dsn, keys.shard)
                stack.push_async_callback(archive.close)
                links = RelayLinks(reader, producer, plain, channels, lease, archive)
                while await self._take(lease):
                    await self._lead(links)
        finally:
            self._finished.set()

    async def _take(self, lease: Lease) -> bool:
        """Waits for the lease; False if asked to stop."""
        failing = False
        while not self._stopping.is_set():
            try:
                if await lease.take():
                    log.info("lease taken", shard=self._keys.shard, holder=lease.holder, epoch=lease.epoch)
                    return True
                failing = False
            except (RedisError, OSError) as error:
                if not failing:
                    log.warning("no lease: redis does not answer", shard=self._keys.shard, error=str(error))
                failing = True
            await _within(self._stopping, self._settings.lease_ttl_ms / 8000)
        return False

    async def _lead(self, links: RelayLinks) -> None:
        """Works while the lease holds; returns when it is lost or the relay was stopped."""
        lease = links.lease
        self._leading = True
        try:
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(lease.hold(), name="relay-lease")
                reporting = group.create_task(self._report_often(links), name="relay-report")
                self._work_task = group.create_task(self._work(links), name="relay-work")
                await asyncio.wait({self._work_task, holding}, return_when=asyncio.FIRST_COMPLETED)
                reporting.cancel()
                holding.cancel()
        except* LeaseLost as lost:
            log.warning("lease lost", shard=self._keys.shard, holder=lease.holder, reason=str(lost.exceptions[0]))
        self._work_task = None
        self._leading = False
        await self._leave(links)

    async def _leave(self, links: RelayLinks) -> None:
        self._session = None
        if not links.lease.held:
            return
        try:
            await self._report(links, "down", "the relay was stopped")
            await links.lease.release()
        except (RedisError, OSError) as error:
            log.warning("lease not released; it will run out", shard=self._keys.shard, error=str(error))

    async def _work(self, links: RelayLinks) -> None:
        """One session after another."""
        pause_s = BACKOFF_MIN_S
        while not self._stopping.is_set():
            session = RelaySession(self._settings, self._keys, links, self._digest, self._changed)
            self._session = session
            try:
                await session.run()
            except SessionEnded:
                return
            except (EngineRefused, LogBroken) as error:
                self._down(str(error), log.error)
                pause_s = REFUSED_PAUSE_S
            except EngineGone as error:
                self._down(f"engine: {error}", log.warning)
                links.channels.rotate()
            except DatabaseUnavailable as error:
                self._down(f"the engine needs frames that only Postgres holds, and it fails: {error}", log.error)
            except (RedisError, OSError, Fenced) as error:
                self._down(f"redis: {error}", log.warning)
            if session.caught_up:
                pause_s = BACKOFF_MIN_S
            await _within(self._stopping, pause_s)
            pause_s = min(pause_s * 2, BACKOFF_MAX_S)

    def _down(self, reason: str, say: structlog.types.WrappedLogger) -> None:
        self._session = None
        now = time.monotonic()
        if reason != self._reason or now - self._reason_logged_at > LOG_AGAIN_S:
            say("no session with the engine", shard=self._keys.shard, reason=reason)
            self._reason_logged_at = now
        self._reason = reason
        self._changed.set()

    async def _report_often(self, links: RelayLinks) -> None:
        failing = False
        while True:
            self._changed.clear()
            try:
                await self._report(links, *await self._state(links.channels))
                failing = False
            except (RedisError, OSError) as error:
                if not failing:
                    log.warning("state not reported", shard=self._keys.shard, error=str(error))
                failing = True
            await _within(self._changed, REPORT_S)

    async def _state(self, channels: EngineChannels) -> tuple[str, str]:
        """`level`, `behind` or `down`, and why."""
        session = self._session
        if session is None or not session.instance:
            return "down", self._reason
        now = time.monotonic()
        if session.waiting_for_memory:
            return "behind", "redis has no memory for events"
        if session.oldest_age_s(now) > STALL_S and now - session.moved_at > STALL_S:
            waited = f"nothing has moved for {now - session.moved_at:.0f} s"
            if await channels.answers(PROBE_TIMEOUT_S):
                return "behind", waited
            return "down", f"the engine does not answer; {waited}"
        if session.rebuilding:
            return "behind", f"rebuilding the engine from Postgres, now at frame {session.rebuilding}"
        if not session.caught_up:
            return "behind", "catching up with the log"
        return "level", ""

    async def _report(self, links: RelayLinks, engine: str, reason: str) -> None:
        session, epoch = self._session, links.lease.epoch
        if session is not None and session.instance:
            self._published, self._applied = session.published, session.applied
        fields: dict[str, str | int] = {
            "relay": self._name,
            "epoch": epoch,
            "engine": engine,
            "reason": reason,
            "published": str(self._published),
            "applied": str(self._applied),
            "instance": session.instance if session is not None else "",
            "lag_ms": int(session.oldest_age_s(time.monotonic()) * 1000) if session is not None else 0,
            "reported_ms": time.time_ns() // 1_000_000,
        }
        flat = [part for pair in fields.items() for part in pair]
        life_ms = 3 * self._settings.lease_ttl_ms
        await command(links.plain, "EVAL", _REPORT, 2, self._keys.relay, self._keys.epoch, epoch, life_ms, *flat)


async def run_relay(settings: Settings, shard: int, name: str, stop: asyncio.Event) -> None:
    """Runs the relay of `shard` under the name `name` until `stop` is set, then drains it.

    Raises:
        gateway.instruments.InstrumentError: the instrument file is refused.
        gateway.auth.SecretError: a file of the TLS towards the engine is refused.
        ExceptionGroup: a defect; the caller should end the process and let it be started again.
    """
    relay = Relay(settings, shard, name)
    RelayCollector(relay)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(relay.run(), name=f"relay-{shard}")
        stopped = group.create_task(stop.wait(), name=f"relay-{shard}-stop")
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        await relay.drain(settings.drain_grace_s)


async def _within(event: asyncio.Event, timeout_s: float) -> bool:
    """Waits for `event`, at most `timeout_s` seconds; True if it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
