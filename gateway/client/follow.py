"""Following the events of accounts through lost streams, without gap or repeat."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

import grpc

from gateway.client.channel import RETRIABLE, Backoff
from gateway.client.errors import OrdergateError, Unavailable, error_of_rpc
from gateway.client.stream import StreamLost, last_cursors
from gateway.client.views import event_view
from ordergate.v1.order_events_service_pb2 import FollowRequest, FollowResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from gateway.client.cursors import CursorMap
    from gateway.client.views import OrderEvent

    Call: TypeAlias = grpc.aio.UnaryStreamCall[FollowRequest, FollowResponse]
    OpenCall: TypeAlias = Callable[[FollowRequest], Awaitable[Call]]

_HEARTBEAT_S = 10
_SILENCE_S = 3 * _HEARTBEAT_S
"""After this time without a sign of life the stream counts as lost."""


async def follow(
    open_call: OpenCall, accounts: Sequence[str], cursors: CursorMap, give_up_after_s: float
) -> AsyncIterator[OrderEvent]:
    """Events from where `cursors` says, over as many streams as it takes.

    Raises:
        OrdergateError: the server refused, or no stream could be opened for `give_up_after_s`.
    """
    backoff = Backoff(give_up_after_s)
    while True:
        request = FollowRequest(accounts=accounts, start=cursors.start())
        request.heartbeat_interval.seconds = _HEARTBEAT_S
        call = await open_call(request)
        try:
            while (response := await _read(call)) is not None:
                backoff.reset(give_up_after_s)
                for event in response.events:
                    yield event_view(event)
                _move(cursors, response)
            error: OrdergateError = Unavailable("the server ended the stream")
        except grpc.aio.AioRpcError as failure:
            error = error_of_rpc(failure)
            if failure.code() not in RETRIABLE:
                raise error from None
        except StreamLost as lost:
            error = Unavailable(str(lost))
        finally:
            call.cancel()
        delay_s = backoff.next_delay_s(error.retry_after or 0.0)
        if delay_s is None:
            raise error
        await asyncio.sleep(delay_s)


async def _read(call: Call) -> FollowResponse | None:
    """The next message; None at the stream's end. The read is given up only together with the stream."""
    reading = asyncio.ensure_future(call.read())
    try:
        await asyncio.wait({reading}, timeout=_SILENCE_S)
    finally:
        if not reading.done():
            reading.cancel()
    if not reading.done():
        raise StreamLost(f"nothing was heard for {_SILENCE_S} s")
    if reading.cancelled():
        raise StreamLost("the server canceled the stream")
    response = reading.result()
    return response if isinstance(response, FollowResponse) else None


def _move(cursors: CursorMap, response: FollowResponse) -> None:
    if response.events:
        cursors.move(last_cursors(response.events))
    for name in ("opened", "heartbeat", "caught_up", "go_away"):
        if response.HasField(name):
            cursors.move(getattr(response, name).cursors)
