"""A session: commands up and acks and events down over one stream at a time, through as many as it takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import grpc

from gateway.client.channel import RETRIABLE, Backoff
from gateway.client.commands import (
    AmendTerms,
    CancelTerms,
    MassCancelTerms,
    OrderTerms,
    amend_order,
    cancel_order,
    mass_cancel,
    new_order,
)
from gateway.client.cursors import CursorMap
from gateway.client.enums import AckLevel, Disposition
from gateway.client.errors import (
    OrdergateError,
    OutcomeUnknown,
    SessionClosed,
    Unauthenticated,
    Unavailable,
    error_of_rpc,
)
from gateway.client.inbox import Inbox
from gateway.client.outbox import AckBatch, Outbox
from gateway.client.stream import Mail, SessionStream, StreamLost
from gateway.client.views import Ack, OrderEvent, accepted, event_view
from ordergate.v1.order_entry_service_pb2 import Hello

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from gateway.client.resolution import Resolution
    from gateway.client.stream import Call
    from ordergate.v1 import command_pb2, event_pb2
    from ordergate.v1.order_entry_service_pb2 import Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How a session behaves."""

    accounts: tuple[str, ...] = ()
    """Accounts whose events to send; empty: all of the token."""
    events: bool = True
    """False: only acks. A session with events needs a reader of them."""
    after: str | tuple[str, ...] | None = None
    """Cursor of the last event handled, one per shard: events start right after it. None: live."""
    beginning: bool = False
    """Start with the oldest event that is kept."""
    ack_level: AckLevel = AckLevel.QUEUED
    """Ack level of commands that name none."""
    window: int = 10_000
    """Most commands that are sent and not acknowledged. More is faster, up to a point; less is sooner acknowledged."""
    linger_s: float = 0.0
    """Wait this long to fill a message; 0 sends what waits as soon as the message before is handed over."""
    event_buffer: int = 65_536
    """Most events held for the program; when it is full, acks wait behind the events too."""
    heartbeat_interval_s: float = 10.0
    """The server's sign of life; after three missing ones the stream counts as lost. 1 to 60."""
    reconnect: bool = True
    """Come back after a lost stream, send again what has no ack (same command_ids), resume events at the cursor."""
    give_up_after_s: float = 60.0
    """Longest time without a stream before the session fails."""
    connect_timeout_s: float = 10.0
    """Longest time for the first stream."""
    session_name: str = ""
    """Name that its orders carry: `mass_cancel` can name them by it, and `cancel_on_disconnect` needs it."""
    disconnect_grace_s: float = 0.0
    """Time to come back before orders with `cancel_on_disconnect` are canceled; leave room for a reconnect. Up to 3600.
    Closing the session counts as leaving. Of a worker that dies or shuts down nothing is canceled."""
    on_acks: Callable[[Sequence[command_pb2.Ack]], None] | None = None
    """Called in the event loop with the raw acks of each message; must be quick."""


class Session:
    """Order entry over a stream. Made by `OrderClient.session`; use it with `async with`.

    Commands are packed into messages by themselves: whatever waits when a message has been handed over becomes the
    next one. Leaving the block sends what waits, takes the last acks and closes; leaving it by an exception closes at
    once. Not thread-safe: use it in the event loop that made it.
    """

    def __init__(
        self,
        open_call: Callable[[], Awaitable[Call]],
        options: SessionOptions,
        name: str,
        settle: Callable[..., Awaitable[Resolution]],
        *,
        renewable: bool,
    ) -> None:
        self._open_call = open_call
        self._settle = settle
        self._options = options
        self._name = name
        self._renewable = renewable
        self._inbox = Inbox(options.event_buffer)
        cursors = CursorMap(options.after, beginning=options.beginning)
        self._mail = Mail(Outbox(options.window), self._inbox, cursors, options.linger_s)
        self._mail.on_acks = options.on_acks
        self._mail.on_room = self._tell_room
        self._queue_max = self._mail.outbox.capacity
        self._room = asyncio.Event()
        self._welcome: Welcome | None = None
        self._streams = 0
        self._error: OrdergateError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def reconnects(self) -> int:
        """Streams opened after the first."""
        return max(self._streams - 1, 0)

    @property
    def durable(self) -> bool:
        """False if the server's durability was waived for development: acks then do not survive a power loss."""
        return self._welcome is not None and self._welcome.durable

    @property
    def accounts(self) -> tuple[str, ...]:
        """Accounts that the token holds."""
        return tuple(self._welcome.accounts) if self._welcome is not None else ()

    @property
    def unacknowledged(self) -> int:
        """Commands without an ack, sent or waiting."""
        return len(self._mail.outbox)

    async def submit(self, **terms: Unpack[OrderTerms]) -> Ack:
        """Enters an order and waits for its ack. Arguments: see `new_order`.

        Raises:
            Rejected: it was refused; the error's class and `reason` tell why.
            OutcomeUnknown: it may or may not take effect; retry with the same command_id.
            SessionClosed: the session was closed before.
        """
        return await self.send(new_order(**terms))

    async def cancel(self, **terms: Unpack[CancelTerms]) -> Ack:
        """Cancels what is left of an order and waits for the ack. Arguments: see `cancel_order`; errors: `submit`.

        An ack of level QUEUED says that the cancel will reach the engine; whether there was anything left to cancel is
        told by the event, or by an ack of level ENGINE.
        """
        return await self.send(cancel_order(**terms))

    async def amend(self, **terms: Unpack[AmendTerms]) -> Ack:
        """Changes an open order and waits for the ack. Arguments: see `amend_order`; errors: `submit`."""
        return await self.send(amend_order(**terms))

    async def mass_cancel(self, **terms: Unpack[MassCancelTerms]) -> Ack:
        """Cancels all open orders that match and waits for the ack, whose order_id is empty.

        The event MASS_CANCEL_DONE tells how many there were. Arguments: see `mass_cancel`; errors: `submit`.
        """
        return await self.send(mass_cancel(**terms))

    async def send(self, command: command_pb2.Command) -> Ack:
        """Sends one command and waits for its ack. Errors as `submit`."""
        await self.ready()
        acks = await self.send_many([command])
        return accepted(acks[0])

    async def settle(
        self, command_id: str, *, account: str = "", sent_after: datetime | None = None, give_up_after_s: float = 60.0
    ) -> Resolution:
        """Makes the outcome of a command final, also after the session was lost; see `OrderClient.settle`."""
        return await self._settle(command_id, account=account, sent_after=sent_after, give_up_after_s=give_up_after_s)

    def send_many(self, commands: Sequence[command_pb2.Command]) -> AckBatch:
        """Queues commands in their order, behind all earlier ones, and returns at once: the fast path.

        The commands are copied. Await the result for their raw acks; a refused one has `failure` set. To keep the
        queue short, await `ready` before.

        Raises:
            ValueError: a command_id is used twice among the commands without an ack; nothing was queued.
            OrdergateError: the session is lost or closed.
        """
        self._check_open()
        batch = self._mail.outbox.add(commands)
        self._mail.wake.set()
        return batch

    async def ready(self) -> None:
        """Waits until there is room: until little more than a window of commands has no ack.

        Raises:
            OrdergateError: the session is lost or closed.
        """
        self._check_open()
        while self.unacknowledged >= self._queue_max:
            self._room.clear()
            await self._room.wait()
            self._check_open()

    async def events(self) -> AsyncIterator[OrderEvent]:
        """Events in order, without gap or repeat, through any number of reconnects; ends when the session is closed.

        Raises:
            OrdergateError: the session was lost for good.
        """
        async for batch in self.event_batches():
            for event in batch:
                yield event_view(event)

    async def event_batches(self) -> AsyncIterator[Sequence[event_pb2.OrderEvent]]:
        """As `events`, but the raw events of one message at a time: the fast path."""
        if not self._options.events:
            raise ValueError("this session was opened with events=False")
        while (batch := await self._inbox.get()) is not None:
            yield batch

    async def close(self, timeout_s: float = 30.0) -> None:
        """Sends what waits, takes the last acks, and closes. What has no ack after `timeout_s` becomes OutcomeUnknown.

        Events that were received can still be read afterwards. Closing twice is allowed.
        """
        self._mail.closing = True
        self._inbox.lift()
        self._mail.wake.set()
        self._room.set()
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=timeout_s)
        await self.abandon()

    async def abandon(self) -> None:
        """Closes at once; commands without an ack become OutcomeUnknown."""
        self._mail.closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end(SessionClosed("the session was closed"))

    async def __aenter__(self) -> Self:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(opened), name="ordergate-session")
        try:
            await opened
        except BaseException:
            await self.abandon()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            await self.abandon()

    async def _run(self, opened: asyncio.Future[None]) -> None:
        """Streams, one after the other, until the session is closed or lost."""
        backoff = Backoff(self._options.connect_timeout_s)
        final: OrdergateError | None = None
        try:
            while final is None and not (self._mail.closing and not self.unacknowledged):
                delay_s, final = await self._one_stream(opened, backoff)
                if final is None and not self._mail.closing:
                    await asyncio.sleep(delay_s)
        except Exception as error:
            final = OrdergateError(f"the session failed: {error!r}")
            raise
        finally:
            self._end(final)
            if not opened.done():
                opened.set_exception(final or SessionClosed("the session was closed"))

    async def _one_stream(self, opened: asyncio.Future[None], backoff: Backoff) -> tuple[float, OrdergateError | None]:
        """From hello to the stream's end; returns the wait before the next one, or the error that ends the session."""
        try:
            await self._exchange(opened, backoff)
        except (grpc.aio.AioRpcError, StreamLost, OrdergateError) as error:
            return self._judge(error, backoff)
        return backoff.next_delay_s() or 0.0, None

    async def _exchange(self, opened: asyncio.Future[None], backoff: Backoff) -> None:
        stream = SessionStream(await self._open_call(), self._mail)
        try:
            self._welcome = await stream.open(self._hello())
        except BaseException:
            stream.cancel()
            raise
        self._streams += 1
        if not opened.done():
            opened.set_result(None)
            backoff.reset(self._options.give_up_after_s)
        try:
            await stream.run()
        finally:
            if stream.progressed:  # else a server that fails at the same command again and again is never given up
                backoff.reset(self._options.give_up_after_s)

    def _judge(self, error: Exception, backoff: Backoff) -> tuple[float, OrdergateError | None]:
        """How long to wait before the next stream, or the error that ends the session."""
        told = _told(error)
        may_retry = not isinstance(error, OrdergateError)
        if isinstance(error, grpc.aio.AioRpcError):
            may_retry = error.code() in RETRIABLE or (isinstance(told, Unauthenticated) and self._renewable)
        if not may_retry or (self._streams and not self._options.reconnect):
            return 0.0, told
        delay_s = backoff.next_delay_s(told.retry_after or 0.0)
        return (0.0, told) if delay_s is None else (delay_s, None)

    def _hello(self) -> Hello:
        options = self._options
        hello = Hello(
            accounts=options.accounts,
            start=self._mail.cursors.start(),
            acks_only=not options.events,
            default_ack_level=_number(options.ack_level),
            client=self._name,
            session_name=options.session_name,
        )
        if options.disconnect_grace_s:
            hello.disconnect_grace.FromMicroseconds(int(options.disconnect_grace_s * 1e6))
        hello.heartbeat_interval.FromMicroseconds(int(options.heartbeat_interval_s * 1e6))
        return hello

    def _tell_room(self) -> None:
        if self.unacknowledged < self._queue_max:
            self._room.set()

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self._mail.closing or self._task is None:
            raise SessionClosed("the session is closed, or was not opened with `async with`")

    def _end(self, error: OrdergateError | None) -> None:
        """Tells everyone who waits. Only the first call counts."""
        if self._error is None:
            self._error = error or SessionClosed("the session was closed")
        cause = self._error
        unknown = OutcomeUnknown(
            f"the session ended before the ack: {cause.text}", reason=cause.reason, disposition=Disposition.UNKNOWN
        )
        self._mail.outbox.fail(unknown)
        self._inbox.end(None if isinstance(cause, SessionClosed) else cause)
        self._room.set()


def _told(error: Exception) -> OrdergateError:
    if isinstance(error, grpc.aio.AioRpcError):
        return error_of_rpc(error)
    return error if isinstance(error, OrdergateError) else Unavailable(str(error))


def _number(value: int) -> Any:
    return int(value)
