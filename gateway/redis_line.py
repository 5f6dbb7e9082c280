"""One connection to Redis with one command under way: the hot loops' way around redis-py's.

redis-py spends about 90 µs of Python on a command (pool, retries, metrics, timeouts, two layers of streams), which was
most of what a single order cost worker and relay. Here a command is one write and one future. How to connect (address,
TLS, password, database, name) stays redis-py's business, and so does the meaning of errors.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hiredis
from redis.asyncio.connection import BaseParser  # type: ignore[attr-defined]
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, MaxConnectionsError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio.connection import AbstractConnection

_NOT_ALL = object()
"""What the parser gives while part of an answer is still to come."""


class RedisLine:
    """A connection that is opened when it is needed, and given up after anything that leaves an answer outstanding.

    What was sent is never sent again: after a timeout, a lost connection or a cancellation its outcome is unknown.
    """

    def __init__(self, make: Callable[[], AbstractConnection], timeout_s: float) -> None:
        """Prepares; nothing is opened before the first command.

        Args:
            make: makes a connection of redis-py that is not open yet.
            timeout_s: longest wait for an answer.
        """
        self._make = make
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._wire: _Wire | None = None
        self._busy = False

    async def call(self, args: tuple[Any, ...]) -> Any:
        """Sends a command and returns the answer as hiredis reads it.

        Raises:
            redis.exceptions.MaxConnectionsError: a command is under way already.
            redis.exceptions.ResponseError: Redis refuses.
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError: no connection ("connecting to" is in the
                text: nothing was sent), or no answer, and the outcome is unknown.
        """
        if self._busy:
            raise MaxConnectionsError("a command is under way on this connection")
        self._busy = True
        try:
            wire = self._wire
            if wire is None or wire.transport.is_closing():
                wire = await cancellable(self._open())
            return await wire.exchange(hiredis.pack_command(args), self._timeout_s)
        finally:
            self._busy = False

    async def aclose(self) -> None:
        """Closes the connection; the next command opens another."""
        if self._wire is not None:
            self._wire.transport.abort()
            self._wire = None
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _open(self) -> _Wire:
        await self.aclose()
        connection = self._make()
        await connection.connect()  # type: ignore[no-untyped-call]
        self._connection = connection
        # Not public, but nothing else connects with TLS, password, database and name.
        self._wire = _Wire(connection._writer.transport)  # type: ignore[union-attr,arg-type]  # noqa: SLF001
        return self._wire


class _Wire(asyncio.Protocol):
    """An open connection; it is closed by the first thing that goes wrong on it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._answer: asyncio.Future[Any] | None = None
        self._replies = hiredis.Reader(
            protocolError=InvalidResponse, replyError=BaseParser.parse_error, notEnoughData=_NOT_ALL
        )
        transport.set_protocol(self)

    async def exchange(self, packed: bytes, timeout_s: float) -> Any:
        loop = asyncio.get_running_loop()
        self._answer = answer = loop.create_future()
        timer = loop.call_later(timeout_s, self._late, timeout_s)
        try:
            self.transport.write(packed)
            return await answer
        except asyncio.CancelledError:
            self.transport.abort()  # the answer is still to come, and would be taken for the next command's
            raise
        finally:
            timer.cancel()
            self._answer = None

    def data_received(self, data: bytes) -> None:
        try:
            self._replies.feed(data)
            reply = self._replies.gets()
        except InvalidResponse as error:
            self._fail(RedisConnectionError(f"the answer can't be read: {error}"))
            return
        if reply is _NOT_ALL or self._answer is None or self._answer.done():
            return
        if isinstance(reply, Exception):
            self._answer.set_exception(reply)
        else:
            self._answer.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(RedisConnectionError(f"connection lost: {error or 'closed by the server'}"))

    def _late(self, timeout_s: float) -> None:
        self._fail(RedisTimeoutError(f"no answer within {timeout_s:g} s"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.transport.abort()


async def cancellable(work: Awaitable[Any]) -> Any:
    """Awaits `work`; a cancellation that it has swallowed is raised after all."""
    task = asyncio.current_task()
    assert task is not None
    asked_before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > asked_before:
            raise asyncio.CancelledError
