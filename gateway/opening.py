"""How a stream begins: its first message, and what it may ask for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway import errors, fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.duration_pb2 import Duration

    from gateway.rpc import Context
    from ordergate.v1 import order_entry_service_pb2 as pb
    from ordergate.v1.order_pb2 import Order

HEARTBEAT_S = (1.0, 10.0, 60.0)
"""Least, default and longest heartbeat interval."""

GRACE_MAX_S = 3600.0
"""Longest disconnect_grace."""

ORDERS_MAX = 1000
"""Most open orders in one message: one has at most 700 bytes, and clients take 4 MB by default."""

FIRST_MESSAGE_S = 10.0
"""Longest wait for a stream's first message: a stream that says nothing holds a place and could not be drained."""


async def first_message(context: Context, draining: asyncio.Event, timeout_s: float = FIRST_MESSAGE_S) -> bytes | None:
    """The first message of a stream; None if the client half-closed or left without one.

    A refusal must come after it as well: a client of grpc.aio that still writes while the stream ends sees INTERNAL
    in the place of the status.

    Raises:
        Draining: it did not come before the server shuts down.
        InvalidField: it did not come in time.
    """
    read = asyncio.create_task(context.read(), name="session-first-message")
    drained = asyncio.create_task(draining.wait(), name="session-draining")
    try:
        await asyncio.wait({read, drained}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if read.done():
            raw = read.result()
            return raw if isinstance(raw, bytes) else None
        if drained.done():
            raise errors.Draining
        raise errors.InvalidField("hello", f"no message came within {timeout_s:g} s; send hello at once")
    finally:
        read.cancel()
        drained.cancel()


def heartbeat_interval(given: Duration, field: str = "heartbeat_interval") -> float:
    """Seconds of `given` if it may be a heartbeat interval.

    Raises:
        InvalidField: it may not; `field` is its path.
    """
    low, _, high = HEARTBEAT_S
    return _seconds(given, field, low, high)


def session_name(hello: pb.Hello) -> tuple[str, float]:
    """Name of the session, or "", and for how many seconds its client may be away.

    Raises:
        InvalidField: one of them is refused.
    """
    name = fields.label("hello.session_name", hello.session_name)
    if not hello.HasField("disconnect_grace"):
        return name, 0.0
    if not name:
        raise errors.InvalidField("hello.disconnect_grace", "disconnect_grace goes with a session_name only")
    return name, _seconds(hello.disconnect_grace, "hello.disconnect_grace", 0.0, GRACE_MAX_S)


def in_parts(orders: Sequence[Order], count: int = ORDERS_MAX) -> Iterator[Sequence[Order]]:
    """Orders in parts that a message carries."""
    for first in range(0, len(orders), count):
        yield orders[first : first + count]


def _seconds(given: Duration, field: str, low: float, high: float) -> float:
    # By hand: Duration's own conversions raise for what is no valid Duration.
    nanoseconds = given.seconds * 10**9 + given.nanos
    if not (low * 10**9 <= nanoseconds <= high * 10**9 and 0 <= given.nanos < 10**9):
        raise errors.InvalidField(field, f"{fields.name_of(field)} must be {low:g} s to {high:g} s")
    return nanoseconds / 10**9
