"""One gRPC stream of a session, from its hello to its end. Exactly one task reads it and one writes it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.client.enums import Reason
from gateway.client.errors import OrdergateError, error_of
from ordergate.v1.order_entry_service_pb2 import SessionRequest, SessionResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import grpc

    from gateway.client.cursors import CursorMap
    from gateway.client.inbox import Inbox
    from gateway.client.outbox import Outbox
    from ordergate.v1.command_pb2 import Ack
    from ordergate.v1.event_pb2 import OrderEvent
    from ordergate.v1.order_entry_service_pb2 import Hello, Welcome

    Call: TypeAlias = grpc.aio.StreamStreamCall[bytes, SessionResponse]

SESSION_METHOD = "/ordergate.v1.OrderEntryService/Session"

_SILENT_HEARTBEATS = 3
"""Heartbeats that may be missing before the stream counts as lost."""

_LAST_WORD_S = 1.0
"""After a failed write: time for the reader to learn the status that ended the stream."""

_FATAL = frozenset({Reason.SESSION_SUPERSEDED, Reason.UNAUTHENTICATED, Reason.PERMISSION, Reason.CURSOR_EXPIRED})
"""Reasons of a GoAway after which a new stream would not do better."""


class StreamLost(Exception):
    """The stream ended without a status of its own."""


class Mail:
    """What the streams of one session hand on to each other."""

    def __init__(self, outbox: Outbox, inbox: Inbox, cursors: CursorMap, linger_s: float) -> None:
        self.outbox = outbox
        self.inbox = inbox
        self.cursors = cursors
        self.linger_s = linger_s
        self.closing = False
        self.wake = asyncio.Event()
        """Set when the writer may have something to do."""
        self.on_acks: Callable[[Sequence[Ack]], None] | None = None
        self.on_room: Callable[[], None] = lambda: None


class SessionStream:
    """One stream.

    Args:
        call: the open call; requests are given as bytes.
        mail: queues of the session.
    """

    def __init__(self, call: Call, mail: Mail) -> None:
        self._call = call
        self._mail = mail
        self._heard_at = time.monotonic()
        self._silence_s = float("inf")
        self._going_away: OrdergateError | None = None
        self.progressed = False
        """True once the stream has brought anything after its welcome."""

    async def open(self, hello: Hello) -> Welcome:
        """Says hello and waits for the welcome.

        Raises:
            grpc.aio.AioRpcError: the server refused, or can't be reached.
            StreamLost: the stream ended before.
        """
        await self._write_or_lose(SessionRequest(hello=hello).SerializeToString())
        try:
            response = await self._call.read()
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise StreamLost("the server canceled the stream") from None  # so grpc.aio tells of the status CANCELLED
        if not isinstance(response, SessionResponse):
            raise StreamLost("the server ended the stream before its welcome")
        welcome = response.welcome
        self._silence_s = _SILENT_HEARTBEATS * (welcome.heartbeat_interval.ToTimedelta().total_seconds() or 10.0)
        self._mail.cursors.move(welcome.cursors)
        self._mail.outbox.granted(welcome.max_commands_per_message, welcome.max_message_bytes, welcome.accounts)
        await self._receive(response)
        return welcome

    async def run(self) -> None:
        """Exchanges messages until the server ends the stream in order.

        Raises:
            OrdergateError: a GoAway told that the session is over.
            grpc.aio.AioRpcError: the stream was lost.
            StreamLost: the stream was lost, without a status.
        """
        reader = asyncio.create_task(self._read(), name="ordergate-session-reader")
        writer = asyncio.create_task(self._write(), name="ordergate-session-writer")
        try:
            await self._watch(reader, writer)
            if reader.cancelled():
                raise StreamLost("the server canceled the stream")
            reader.result()
        finally:
            for task in (reader, writer):
                task.cancel()
            self.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
        if self._going_away is not None and self._going_away.reason in _FATAL:
            raise self._going_away

    def cancel(self) -> None:
        """Ends the stream at once."""
        self._call.cancel()

    async def _watch(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        """Until the stream has ended. Never cancels a read or write that the stream could survive."""
        while not reader.done():
            running = {task for task in (reader, writer) if not task.done()}
            await asyncio.wait(running, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            if writer.done() and (writer.cancelled() or writer.exception()) and not reader.done():
                await asyncio.wait({reader}, timeout=_LAST_WORD_S)
                if not reader.done():
                    raise StreamLost("a write failed")
            if self._mail.inbox.full:
                self._heard_at = time.monotonic()  # not silent: we do not listen
            if time.monotonic() - self._heard_at > self._silence_s:
                raise StreamLost(f"nothing was heard for {self._silence_s:.0f} s")

    async def _read(self) -> None:
        while True:
            response = await self._call.read()
            if not isinstance(response, SessionResponse):
                return
            self._heard_at = time.monotonic()
            self.progressed = True
            await self._receive(response)

    async def _receive(self, response: SessionResponse) -> None:
        mail = self._mail
        if acks := response.acks:
            mail.outbox.settle(acks)
            mail.wake.set()
            mail.on_room()
            if mail.on_acks is not None:
                mail.on_acks(acks)
        if events := response.events:
            await mail.inbox.put(events)
            mail.cursors.move(last_cursors(events))
        if response.HasField("heartbeat"):
            mail.cursors.move(response.heartbeat.cursors)
        if response.HasField("go_away"):
            mail.cursors.move(response.go_away.cursors)
            self._going_away = error_of(response.go_away.failure)
            mail.wake.set()

    async def _write(self) -> None:
        mail, outbox = self._mail, self._mail.outbox
        while self._going_away is None and not (mail.closing and not outbox.unsent):
            if mail.linger_s and 0 < outbox.unsent < outbox.commands_max:
                await asyncio.sleep(mail.linger_s)
            if frame := outbox.take_frame():
                await self._write_or_lose(frame)
            else:
                mail.wake.clear()
                await mail.wake.wait()
        await self._call.done_writing()

    async def _write_or_lose(self, message: bytes) -> None:
        try:
            await self._call.write(message)
        except asyncio.InvalidStateError:  # the call has ended; its reader knows why
            raise StreamLost("the stream has ended") from None


def last_cursors(events: Sequence[OrderEvent]) -> Sequence[str]:
    """The last cursor of each shard, among the events of one message."""
    last = events[-1]
    if events[0].shard == last.shard == 0:  # one shard is the default, and a message of several is rare
        return (last.cursor,)
    return [event.cursor for event in events]


def open_call(channel: grpc.aio.Channel, metadata: Any) -> Call:
    """Opens the call that takes frames as bytes: the outbox has serialized their commands already."""
    multi: Any = channel.stream_stream(
        SESSION_METHOD,
        request_serializer=None,
        response_deserializer=SessionResponse.FromString,
    )
    call: Call = multi(metadata=metadata)
    return call
