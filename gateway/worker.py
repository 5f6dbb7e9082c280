"""One worker: the parts of a gateway process and what they share."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from gateway import errors, redis_client
from gateway.auth import Authenticator, read_secret
from gateway.book_desk import BookDesk
from gateway.database import Database
from gateway.disconnect import NamedSessions
from gateway.engine import EngineChannels
from gateway.feed import EventFeed
from gateway.health import Health
from gateway.history import AccountHistory
from gateway.hub import Hub
from gateway.instruments import load_instruments
from gateway.lookup import OrderLookup
from gateway.plain import Plain
from gateway.query import OrderQueries
from gateway.queue import CommandQueue
from gateway.readiness import SERVICES, Readiness
from gateway.validation import Validator
from gateway.worker_metrics import WorkerCollector

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.session import Session
    from gateway.settings import Settings
    from gateway.start import Start

TICK_S = 1.0
"""How often streams are looked at for heartbeats and expired tokens."""


class Worker:
    """The parts of one process. Made inside its event loop; `run` keeps them going, nothing is sent before."""

    def __init__(self, settings: Settings, name: str, *, durable: bool) -> None:
        """Makes the parts.

        Args:
            settings: of the installation.
            name: unique among all workers that use this Redis.
            durable: whether Redis keeps what it acknowledges.

        Raises:
            InstrumentError: the instrument file is refused.
            SecretError: the token key, or a file of the TLS towards the engine, is refused.
        """
        self.settings = settings
        self.name = name
        self.version = version("ordergate")
        self.started_ns = time.time_ns()
        self.durable = durable
        self.instruments = load_instruments(settings.instruments, settings.shards)
        self.validator = Validator(self.instruments, settings.shards)
        self.plain = Plain(self.instruments, settings.native)
        self.authenticator = Authenticator(
            read_secret(settings.token_secret_file), issuer=settings.token_issuer, audience=settings.token_audience
        )
        self.redis = redis_client.open_commands(settings)
        self.database = Database(settings.postgres_dsn)
        self.archive = Database(settings.postgres_dsn)
        """Connections of their own for what reads many rows, so that no look-up of one waits for a slow reader."""
        self.histories = [AccountHistory(shard, self.archive) for shard in range(settings.shards)]
        self.queues = [self._queue(shard) for shard in range(settings.shards)]
        self.hubs = [self._hub(queue) for queue in self.queues]
        self.engines = [EngineChannels.of(settings, shard, 1) for shard in range(settings.shards)]
        """To ask each shard's engine; orders never go this way."""
        self.books = [BookDesk(n, engine, self.instruments.by_symbol) for n, engine in enumerate(self.engines)]
        self.health = Health(SERVICES)
        self.readiness = Readiness(self.redis, self.health, self.queues, settings.queue_memory_permille)
        self.lookup = OrderLookup(self.hubs, self.redis, self.database, self.instruments, settings.cache_ttl_s)
        self.queries = OrderQueries(self, self.lookup)
        self.sessions: set[Session] = set()
        self.draining = asyncio.Event()
        WorkerCollector(self)
        self.named = NamedSessions(self.queues, self.hubs, self.draining)

    def _queue(self, shard: int) -> CommandQueue:
        settings = self.settings
        return CommandQueue(
            shard,
            lambda: redis_client.open_producer(settings, f"{self.name}-queue-{shard}"),
            origin=self.name,
            flush_commands_max=max(settings.flush_commands_max, settings.max_commands_per_message),
            waiting_commands_max=settings.waiting_commands_max,
            linger_s=settings.flush_linger_us / 1e6,
        )

    def _hub(self, queue: CommandQueue) -> Hub:
        return Hub(queue.shard, redis_client.open_reader(self.settings), queue.settled, reader=self.redis)

    def make_feed(self, accounts: frozenset[str], start: Start, wake: Callable[[], None]) -> EventFeed:
        """A feed for one stream, not open yet."""
        buffer_bytes = self.settings.stream_buffer_bytes
        return EventFeed(self.hubs, accounts, start, wake, buffer_bytes, self.redis, self.histories)

    @staticmethod
    async def open_feed(feed: EventFeed) -> None:
        """Opens a feed.

        Raises:
            OrdergateError: its start is refused, or Redis does not answer.
        """
        try:
            await feed.open()
        except (RedisError, OSError) as error:
            raise errors.Unavailable("the event log can't be read now") from error

    async def run(self) -> None:
        """Keeps all parts going until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for queue in self.queues:
                    group.create_task(queue.run(), name=f"queue-{queue.shard}")
                for hub in self.hubs:
                    group.create_task(hub.run(), name=f"hub-{hub.shard}")
                for shard, desk in enumerate(self.books):
                    group.create_task(desk.run(), name=f"books-{shard}")
                group.create_task(self.readiness.run(), name="readiness")
                group.create_task(self._tick(), name="tick")
        finally:
            for engine in self.engines:
                await engine.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for session in list(self.sessions):
                session.tick(now)

    async def drain(self, grace_s: float) -> None:
        """Takes no more, finishes what was taken: NOT_SERVING, GoAway on each stream, last acks.

        Args:
            grace_s: longest time for it, in seconds; what is not finished then is left.
        """
        self.health.end()
        self.draining.set()
        for desk in self.books:
            desk.end(errors.Draining())
        away = errors.Draining().failure()
        deadline = time.monotonic() + grace_s
        for session in list(self.sessions):
            session.go_away(away, grace_s=min(1.0, grace_s / 2))
        while self.sessions and time.monotonic() < deadline:  # noqa: ASYNC110 - only while draining
            await asyncio.sleep(0.02)
        for queue in self.queues:
            queue.stop()
        for queue in self.queues:
            try:
                async with asyncio.timeout(max(0.1, deadline - time.monotonic())):
                    await queue.idle()
            except TimeoutError:
                return
