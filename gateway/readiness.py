"""What a worker knows of the way behind it: Redis, relay, engine. Sets the health statuses and the admission."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from gateway import health
from gateway.streams import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from gateway.health import Health
    from gateway.queue import CommandQueue

_log = structlog.get_logger(__name__)

PERIOD_S = 0.25
"""A change is told within this time and the answer of Redis."""

BRAKE_FROM = 0.7
"""Part of the queue's memory limit from which on commands are taken more slowly."""
BRAKE_MAX_S = 0.001
"""Pause for each command where the limit is reached."""

ENTRY = "ordergate.v1.OrderEntryService"
EVENTS = "ordergate.v1.OrderEventsService"
QUERY = "ordergate.v1.OrderQueryService"
ADMIN = "ordergate.v1.AdminService"
MARKET_DATA = "ordergate.v1.MarketDataService"
SERVICES = ("", health.QUEUE, ENTRY, EVENTS, QUERY, ADMIN, MARKET_DATA)


@dataclass(slots=True)
class RelayReport:
    """What a relay says of itself in Redis; all empty if none does."""

    relay: str = ""
    epoch: int = 0
    engine: str = ""
    published: str = ""
    reason: str = ""


class Readiness:
    """Looks at Redis every `PERIOD_S` and tells health and queues.

    `""` is the process: SERVING until it drains. `ordergate.queue` and the query and market data services follow Redis;
    order entry and events follow Redis, relay and engine. NOT_SERVING refuses nothing by itself: orders are taken and
    queued while the engine is away.
    """

    def __init__(
        self, redis: Redis, servicer: Health, queues: Sequence[CommandQueue], queue_memory_permille: int
    ) -> None:
        self._redis = redis
        self._health = servicer
        self._queues = queues
        self._limit = queue_memory_permille
        self.memory_permille = 0
        self.relays = [RelayReport() for _ in queues]
        self.queue_ok = False

    @property
    def relay_ok(self) -> bool:
        """A relay holds the lease of every shard and reports."""
        return all(r.relay for r in self.relays)

    @property
    def engine_ok(self) -> bool:
        """The engine of every shard is level with the log."""
        return all(r.engine == "level" for r in self.relays)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD_S)

    async def look(self) -> None:
        """One look; never raises for a Redis that is away."""
        was = (self.queue_ok, self.relay_ok, self.engine_ok)
        try:
            memory = await self._redis.info("memory")
            for n, queue in enumerate(self._queues):
                self.relays[n] = _report(await self._redis.hgetall(Keys(queue.shard).relay))
                await queue.probe(self._redis)
        except (RedisError, OSError):
            self.queue_ok = False
            self.relays = [RelayReport() for _ in self._queues]
        else:
            policy = str(memory["maxmemory_policy"])
            self._admit(int(memory["used_memory"]), int(memory["maxmemory"]), policy)
            self.queue_ok = all(q.healthy for q in self._queues) and not _evicts(policy)
        if was != (now := (self.queue_ok, self.relay_ok, self.engine_ok)):
            _log.info("readiness", queue=now[0], relay=now[1], engine=now[2])
        self._tell()

    def _admit(self, used: int, limit: int, policy: str) -> None:
        self.memory_permille = used * 1000 // limit if limit else 0
        full = ""
        if self.memory_permille >= self._limit:
            full = f"the queue uses {self.memory_permille / 10:.1f} % of its memory; nothing was stored"
        if _evicts(policy):  # checked at start, and may be changed under a running gateway
            full = f"Redis' maxmemory-policy is {policy}, which evicts orders; nothing was stored"
        # Half of what is kept free for events: what is taken there makes events, too.
        reserved = not _evicts(policy) and self.memory_permille < (self._limit + 1000) // 2
        for queue in self._queues:
            queue.full, queue.reserved = full, reserved
            queue.brake_s = brake_s(self.memory_permille, self._limit)

    def _tell(self) -> None:
        way = self.queue_ok and self.relay_ok and self.engine_ok
        self._health.set("", serving=True)
        for service in (health.QUEUE, QUERY, ADMIN, MARKET_DATA):
            self._health.set(service, self.queue_ok)
        for service in (ENTRY, EVENTS):
            self._health.set(service, way)


def brake_s(used: int, limit: int) -> float:
    """Pause for each command, in seconds: none below `BRAKE_FROM` of the limit, then more and more up to `BRAKE_MAX_S`.

    Clients that send as fast as they are answered come to rest at the speed with which the backlog is written, and are
    not refused.

    Args:
        used: memory in use, in thousandths.
        limit: where commands are refused.
    """
    begin = BRAKE_FROM * limit
    return BRAKE_MAX_S * min(1.0, max(0.0, (used - begin) / (limit - begin)))


def _evicts(policy: str) -> bool:
    """Whether Redis may throw the streams away."""
    return policy.startswith("allkeys")


def _report(raw: Any) -> RelayReport:
    def text(key: bytes) -> str:
        return str(raw.get(key, b"").decode())

    return RelayReport(
        text(b"relay"), int(raw.get(b"epoch", b"0")), text(b"engine"), text(b"published"), text(b"reason")
    )
