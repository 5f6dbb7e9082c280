"""Connections to Redis, one kind for each use, none of which repeats a command behind its caller's back.

redis-py's own default sends a command up to eleven times when the answer is late, and an XADD sent twice is two
entries. So nothing here retries: an error reaches the caller, who knows whether the command may be repeated.

RESP2 throughout: measured, both protocols cost the same for our commands, and RESP2 has neither push messages nor the
maintenance notifications that redis-py turns on with RESP3.

A cancelled command ends with CancelledError here, always. redis-py sends under `asyncio.wait_for`, which in Python 3.11
forgets a cancellation that arrives while the send completes: the command returns as if nothing had been asked, and
a loop around it goes on for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.redis_line import RedisLine, cancellable

if TYPE_CHECKING:
    from gateway.settings import Settings

READ_BLOCK_MS = 1000
"""BLOCK of a waiting XREAD: how long a reader that nothing reaches sleeps at most."""
READ_MARGIN_S = 4.0
"""A reader's socket waits this much longer than BLOCK, so that a slow answer is not taken for a dead server."""
COMMAND_CONNECTIONS_MAX = 16
"""Connections of a client for plain commands; they are opened as they are needed."""
READ_BYTES = 32_768
"""Bytes asked of the socket at once: answers to plain commands are short."""


def open_producer(settings: Settings, name: str | None = None) -> Redis:
    """Client for appending to a stream: one connection, one command at a time.

    A second command while one is under way raises `redis.exceptions.MaxConnectionsError`: it would break the order.
    A timeout (after `append_timeout_s`) means that the outcome is unknown. `name` is the connection's name in Redis.
    """
    return _open_line(settings.redis_url, settings.append_timeout_s, name=name)


def open_reader(settings: Settings, block_ms: int = READ_BLOCK_MS) -> Redis:
    """Client for blocking XREAD of at most `block_ms`, on one connection of its own."""
    timeout_s = block_ms / 1000 + READ_MARGIN_S
    return _open_line(settings.redis_url, timeout_s)


def open_commands(settings: Settings, timeout_s: float | None = None) -> Redis:
    """Client for short commands, several at a time, more wait; `timeout_s` defaults to `append_timeout_s`."""
    timeout_s = timeout_s or settings.append_timeout_s
    options = _options(timeout_s, COMMAND_CONNECTIONS_MAX, None)
    pool: ConnectionPool = BlockingConnectionPool.from_url(settings.redis_url, timeout=timeout_s, **options)
    return _CancellableRedis.from_pool(pool)


async def command(client: Redis, *args: bytes | str | int) -> Any:
    """Sends one command and returns redis-py's reading of the answer.

    The one place that calls redis-py's untyped `execute_command`; its named methods cost more and type less.

    Raises:
        redis.exceptions.RedisError: refused, not sent, or not answered in time (then the outcome is unknown).
    """
    return await client.execute_command(*args)  # type: ignore[no-untyped-call]


class _CancellableRedis(Redis):
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await cancellable(super().execute_command(*args, **options))  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _CancellablePipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _CancellablePipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        found: list[Any] = await cancellable(super().execute(raise_on_error))
        return found


class _LineRedis(_CancellableRedis):
    """A client whose commands take one `RedisLine`; everything else (pipelines) goes redis-py's way."""

    def __init__(self, pool: ConnectionPool, timeout_s: float) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self.line = RedisLine(pool.make_connection, timeout_s)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        name: str = args[0]
        if " " in name:  # XINFO STREAM
            args = (*name.split(), *args[1:])
        reply = await self.line.call(args)
        callback = self.response_callbacks.get(name)
        return reply if callback is None else callback(reply, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await self.line.aclose()
        await super().aclose(close_connection_pool)


def _open_line(url: str, timeout_s: float, name: str | None = None) -> Redis:
    return _LineRedis(ConnectionPool.from_url(url, **_options(timeout_s, 1, name)), timeout_s)


def _options(timeout_s: float, connections: int, name: str | None) -> dict[str, Any]:
    return {
        "protocol": 2,
        "decode_responses": False,
        "max_connections": connections,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "socket_read_size": READ_BYTES,
        "client_name": name,
    }
