"""ListFills: the fills of an account, newest first, out of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from gateway.backwards import events_backwards
from gateway.frames import FrameError
from gateway.history import NEWEST
from gateway.pages import Position
from gateway.streams import Cursor, LogId
from ordergate.v1 import event_pb2
from ordergate.v1 import order_query_service_pb2 as pb
from ordergate.v1.order_events_service_pb2 import FollowResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

    from gateway.history import AccountHistory
    from gateway.streams import Keys

_FILL = event_pb2.EVENT_KIND_FILL
_FIRST = frozenset({event_pb2.EVENT_KIND_ACCEPTED, event_pb2.EVENT_KIND_REJECTED})
"""The first event of every order."""


class FillFilter(NamedTuple):
    """Which fills."""

    account: str
    order_id: str = ""
    symbol: str = ""
    side: int = 0
    since_ns: int = 0
    last_seq: int = NEWEST
    """The account's sequence up to which all of them are."""

    def takes(self, event: event_pb2.OrderEvent) -> bool:
        """Whether the event is one of them."""
        order = event.order
        return (
            event.kind == _FILL
            and (not self.order_id or order.order_id == self.order_id)
            and (not self.symbol or order.symbol == self.symbol)
            and (not self.side or order.side == self.side)
            and (not self.since_ns or event.engine_at.ToNanoseconds() >= self.since_ns)
        )


async def fills_backwards(
    redis: Redis, keys: Keys, history: AccountHistory, wanted: FillFilter, before: Position
) -> AsyncGenerator[tuple[Position, pb.FillRecord | None], None]:
    """Fills before a place, newest first; None marks how far it looked without finding one.

    Raises:
        RedisError, DatabaseUnavailable, FrameError: no answer, or one that can't be read.
    """
    bound = before.bound(keys.shard)
    pages = events_backwards(redis, keys.events, history, wanted.account, bound, wanted.last_seq)
    async for page in pages:
        last = before
        for frame, blob in page:
            for event in reversed(_events(frame, blob)):
                last = Position(*frame, keys.shard, Cursor.parse(event.cursor).index)
                if event.engine_at.ToNanoseconds() < wanted.since_ns:
                    return  # engine time never goes back
                if last < before and wanted.takes(event):
                    yield last, _record(event)
                if wanted.order_id and event.kind in _FIRST and event.order.order_id == wanted.order_id:
                    return
        yield last, None


def _events(frame: LogId, blob: bytes) -> list[event_pb2.OrderEvent]:
    try:
        return list(FollowResponse.FromString(blob).events)
    except DecodeError as error:
        raise FrameError(f"events of frame {frame}: {error}") from None


def _record(event: event_pb2.OrderEvent) -> pb.FillRecord:
    order, fill = event.order, event.fill
    return pb.FillRecord(
        trade_id=fill.trade_id,
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=fill.quantity,
        price=fill.price,
        maker=fill.liquidity == event_pb2.LIQUIDITY_MAKER,
        executed_at=event.engine_at,
    )
