"""A Session driven by hand, that keeps everything in the order in which it came."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from ordergate.v1 import command_pb2, event_pb2
from ordergate.v1 import order_entry_service_pb2 as pb

from ..support.wire import Refusal, refusal_of, refusal_of_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..support.wire import Wire

WAIT_S = 30.0
"""Longest wait for anything; the machine may be busy."""


class SessionProbe:
    """One stream. `async with open_session(…)` makes it."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._changed = asyncio.Condition()
        self.messages: list[pb.SessionResponse] = []
        self.acks: list[command_pb2.Ack] = []
        self.events: list[event_pb2.OrderEvent] = []
        self.ended: grpc.StatusCode | None = None
        """Status of a stream that has ended."""
        self.refusal: Refusal | None = None
        """What the status refused, if the stream ended with one of ours."""
        self.reader = asyncio.create_task(self._read(), name="probe-read")

    @property
    def welcome(self) -> pb.Welcome:
        return self.messages[0].welcome

    @property
    def heartbeats(self) -> list[event_pb2.Heartbeat]:
        return [m.heartbeat for m in self.messages if m.HasField("heartbeat")]

    @property
    def go_away(self) -> event_pb2.GoAway | None:
        return next((m.go_away for m in self.messages if m.HasField("go_away")), None)

    @property
    def told(self) -> Refusal | None:
        """What the GoAway refused."""
        return refusal_of(self.go_away.failure) if self.go_away is not None else None

    async def send(self, *commands: command_pb2.Command, **fields: Any) -> None:
        """Sends one message."""
        await self.send_raw(pb.SessionRequest(commands=commands, **fields).SerializeToString())

    async def send_raw(self, message: bytes) -> None:
        """Sends bytes. A stream that has ended takes none: its status tells why."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.write(message)

    async def half_close(self) -> None:
        await self._call.done_writing()

    def cancel(self) -> None:
        """Ends the stream as a client that is gone."""
        self._call.cancel()

    async def until(self, condition: Callable[[], Any], timeout_s: float = WAIT_S) -> None:
        """Waits for something that messages bring; fails if the stream ends before."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait_for(lambda: condition() or self.ended is not None)
            except TimeoutError:
                raise AssertionError(f"not within {timeout_s} s; so far {self}") from None
        assert condition(), f"the stream has ended before; {self}"

    async def until_acks(self, count: int) -> list[command_pb2.Ack]:
        await self.until(lambda: len(self.acks) >= count)
        return self.acks

    async def until_events(self, count: int) -> list[event_pb2.OrderEvent]:
        await self.until(lambda: len(self.events) >= count)
        return self.events

    async def until_ended(self, timeout_s: float = WAIT_S) -> grpc.StatusCode:
        await self.until(lambda: self.ended is not None, timeout_s)
        assert self.ended is not None
        return self.ended

    def __repr__(self) -> str:
        away = f", GoAway {self.told}" if self.told else ""
        return f"{len(self.acks)} acks, {len(self.events)} events, ended {self.ended} {self.refusal}{away}"

    async def _read(self) -> None:
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                async with self._changed:
                    self.messages.append(message)
                    self.acks += message.acks
                    self.events += message.events
                    self._changed.notify_all()
        except grpc.aio.AioRpcError as error:
            with contextlib.suppress(AssertionError):  # a status that is not ours, such as UNAVAILABLE of a lost server
                self.refusal = refusal_of_rpc(error)
        ended = await self._call.code()
        async with self._changed:
            self.ended = ended
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def open_session(wire: Wire, *, welcome: bool = True, **hello: Any) -> AsyncIterator[SessionProbe]:
    """Opens a stream and, unless told otherwise, waits for its welcome."""
    async with raw_session(wire) as probe:
        await probe.send(hello=pb.Hello(**hello))
        if welcome:
            await probe.until(lambda: probe.messages)
        yield probe


@contextlib.asynccontextmanager
async def raw_session(wire: Wire) -> AsyncIterator[SessionProbe]:
    """Opens a stream and sends nothing."""
    call: Any = wire.channel.stream_stream(
        "/ordergate.v1.OrderEntryService/Session",
        request_serializer=None,
        response_deserializer=pb.SessionResponse.FromString,
    )(metadata=wire.metadata)
    probe = SessionProbe(call)
    try:
        yield probe
    finally:
        call.cancel()
        probe.reader.cancel()
        await asyncio.gather(probe.reader, return_exceptions=True)
