"""Finding one order: in the log's tail, the status cache, or Postgres."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from google.protobuf.message import DecodeError
from redis.exceptions import RedisError

from gateway.database import DatabaseUnavailable
from gateway.entries import read_one
from gateway.errors import Internal, Unavailable
from gateway.frames import (
    FrameError,
    find_keys,
    merge_parts,
    parts_of,
    queued_order,
    read_command_frame,
    read_event_frame,
    timestamp,
)
from gateway.ids import key_text
from gateway.streams import Keys
from gateway.tail import TailIndex
from ordergate.log.v1 import command_frame_pb2
from ordergate.v1 import order_events_service_pb2, order_pb2
from ordergate.v1 import order_query_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.timestamp_pb2 import Timestamp
    from redis.asyncio import Redis

    from gateway.database import Database
    from gateway.hub import Hub
    from gateway.instruments import Instruments
    from gateway.streams import LogId

log = structlog.get_logger(__name__)

FINAL = frozenset(
    {
        order_pb2.ORDER_STATUS_FILLED,
        order_pb2.ORDER_STATUS_CANCELED,
        order_pb2.ORDER_STATUS_EXPIRED,
        order_pb2.ORDER_STATUS_REJECTED,
    }
)
"""States in which an order can't change any more: only such are cached."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Found(NamedTuple):
    """An order and where it was found."""

    order: order_pb2.Order
    source: pb.OrderSource.ValueType


class OrderLookup:
    """Answers for one order, from the first of these that knows.

    1. the tail of the events, that is what Postgres does not hold yet: the order as the engine last told it;
    2. the status cache, which has final orders only, so that it can't be stale;
    3. Postgres: the order's row, or where that was refused, its dead letter and the archive of events;
    4. the tail of the commands: the order is queued, and no event or row tells more. It comes after Postgres, because
       a command in the tail may be a repeat of an order that is there already.

    Without Postgres, 1, 2 and 4 still answer. Without Redis only a final order in Postgres is sure.
    """

    def __init__(
        self, hubs: Sequence[Hub], redis: Redis, database: Database, instruments: Instruments, cache_ttl_s: int
    ) -> None:
        """Makes a look-up that has read nothing yet.

        Args:
            hubs: one for each shard.
            redis: shared client for reads that do not block.
            database: where the persister writes.
            instruments: of the installation.
            cache_ttl_s: life of what it puts into the status cache, in seconds.
        """
        self.tails = [TailIndex(hub.shard, redis) for hub in hubs]
        self._redis = redis
        self._database = database
        self._instruments = instruments
        self._cache_ttl_s = cache_ttl_s

    async def get(self, account: str, key: bytes) -> Found | None:
        """The order with this key.

        Args:
            account: owner, as verified; another's order is not found.
            key: 16 bytes, see `gateway.ids.order_key`.

        Raises:
            Unavailable: Redis or Postgres can't be asked, and what the other has is not enough for a sure answer.
        """
        try:
            # An order's id does not tell its shard.
            answers = await asyncio.gather(*(self._from_log(tail, account, key) for tail in self.tails))
        except (RedisError, OSError) as error:
            return await self._without_redis(account, key, error)
        except FrameError as error:
            log.exception("log can't be read", order_id=key_text(key))
            raise Internal("the order's log can't be read") from error
        sure = next((found for found, _ in answers if found is not None), None)
        if sure is not None:
            return sure
        queued = next((order for _, order in answers if order is not None), None)
        return await self._from_database(account, key, queued)

    # The log

    async def _from_log(self, tail: TailIndex, account: str, key: bytes) -> tuple[Found | None, order_pb2.Order | None]:
        """What is sure about the order, and failing that the order as it was queued."""
        _, cached = await asyncio.gather(tail.refresh(), self._redis.get(tail.keys.order(key_text(key))))
        if (place := tail.event_frame(key)) is not None:
            order = await self._from_events(tail, place, account, key)
            if order is not None:
                return Found(order, pb.ORDER_SOURCE_QUEUE), None
        if cached is not None and (order := _read_cached(cached, account)) is not None:
            return Found(order, pb.ORDER_SOURCE_CACHE), None
        for place in tail.command_frames(key):
            if (queued := await self._from_commands(tail, place, account, key)) is not None:
                return None, queued
        return None, None

    async def _from_events(self, tail: TailIndex, place: LogId, account: str, key: bytes) -> order_pb2.Order | None:
        entry = await read_one(self._redis, tail.keys.events, place)
        if entry is None:
            return None  # trimmed since: Postgres has it
        frame = read_event_frame(entry.frame)
        parts = parts_of(frame, (account,))
        if not parts:
            return None
        try:
            return _last_told(merge_parts(frame, parts), key_text(key))
        except DecodeError as error:
            raise FrameError(f"events of frame {place}: {error}") from None

    async def _from_commands(self, tail: TailIndex, place: LogId, account: str, key: bytes) -> order_pb2.Order | None:
        entry = await read_one(self._redis, tail.keys.commands, place)
        if entry is None:
            return None
        return self._queued(entry.frame, account, key)

    def _queued(self, raw: bytes, account: str, key: bytes) -> order_pb2.Order | None:
        """The first command of a frame that enters the order: a fence or a conflicting command may stand before it."""
        frame = read_command_frame(raw)
        orders = (queued_order(frame, index, account, self._instruments) for index in find_keys(frame.keys, key))
        return next((order for order in orders if order is not None), None)

    # Postgres

    async def _from_database(self, account: str, key: bytes, queued: order_pb2.Order | None) -> Found | None:
        try:
            row = await self._database.order_row(key)
            if row is None or row["last_event_seq"] == 0:
                refused = await self._from_letters(account, key)
                if refused is not None:
                    return Found(refused, pb.ORDER_SOURCE_DATABASE)
        except DatabaseUnavailable as error:
            if queued is None:
                log.warning("Postgres can't be asked", error=str(error))
                raise Unavailable("the database can't be asked now, and the queue does not hold the order") from error
            row = None
        if row is not None and row["account"] == account:
            order = order_of_row(key, row, self._instruments)
            await self._cache(row["shard"], order)
            return Found(order, pb.ORDER_SOURCE_DATABASE)
        return Found(queued, pb.ORDER_SOURCE_QUEUE) if queued is not None else None

    async def _from_letters(self, account: str, key: bytes) -> order_pb2.Order | None:
        """An order whose row Postgres refused: as its owner was told last, or queued."""
        order_id = key_text(key)
        rows = await self._database.rows("refused_order", key, order_id.encode(), account)
        if not rows:
            return None
        try:
            told = rows[0]["events"]
            return _last_told(told, order_id) if told is not None else self._queued(rows[0]["payload"], account, key)
        except (DecodeError, FrameError) as error:
            log.exception("dead letter can't be read", order_id=order_id)
            raise Internal("what the database holds of the order can't be read") from error

    async def _without_redis(self, account: str, key: bytes, cause: Exception) -> Found | None:
        try:
            row = await self._database.order_row(key)
        except DatabaseUnavailable:
            row = None
        if row is not None and row["account"] == account and row["status"] in FINAL:
            return Found(order_of_row(key, row, self._instruments), pb.ORDER_SOURCE_DATABASE)
        raise Unavailable(f"the queue can't be read now: {type(cause).__name__}") from cause

    async def _cache(self, shard: int, order: order_pb2.Order) -> None:
        if order.status not in FINAL:
            return
        try:
            name = Keys(shard).order(order.order_id)
            await self._redis.set(name, order.SerializeToString(), ex=self._cache_ttl_s)
        except (RedisError, OSError) as error:
            log.warning("status cache can't be written", error=repr(error))


def _last_told(raw: bytes, order_id: str) -> order_pb2.Order | None:
    """The order in the last of some events about it; as clients get them.

    Raises:
        DecodeError: the bytes are no events.
    """
    told = order_events_service_pb2.FollowResponse.FromString(raw).events
    return next((event.order for event in reversed(told) if event.order.order_id == order_id), None)


def _read_cached(raw: bytes | str, account: str) -> order_pb2.Order | None:
    assert isinstance(raw, bytes), "clients of the log do not decode"
    try:
        order = order_pb2.Order.FromString(raw)
    except DecodeError:
        log.warning("status cache holds what is no order")
        return None
    return order if order.account == account and order.status in FINAL else None


def order_of_row(key: bytes, row: Mapping[str, Any], instruments: Instruments) -> order_pb2.Order:
    """The order that a row of `orders` tells of, equal to the one in the engine's last event.

    Raises:
        Internal: its symbol is no instrument of this installation any more.
    """
    instrument = instruments.by_symbol.get(row["symbol"])
    if instrument is None:
        raise Internal(f"symbol {row['symbol']!r} of a stored order is not among the instruments")
    price, quantity = instrument.price, instrument.quantity
    executed: int = row["executed_lots"]
    ticks, stop_ticks, display = row["limit_price_ticks"], row["stop_price_ticks"], row["display_lots"]
    return order_pb2.Order(
        order_id=key_text(key),
        client_order_id=row["client_order_id"],
        account=row["account"],
        symbol=row["symbol"],
        side=row["side"],
        order_type=row["order_type"],
        time_in_force=row["time_in_force"],
        quantity=quantity.format(row["quantity_lots"]),
        limit_price="" if ticks is None else price.format(ticks),
        stop_price="" if stop_ticks is None else price.format(stop_ticks),
        display_quantity="" if display is None else quantity.format(display),
        expire_at=None if row["expire_at"] is None else _timestamp(row["expire_at"]),
        tag=row["tag"] or "",
        self_trade_prevention=row["self_trade_prevention"] or order_pb2.SELF_TRADE_PREVENTION_NONE,
        stp_group=row["stp_group"] or "",
        cancel_on_disconnect=row["cancel_on_disconnect"],
        session_name=row["session_name"] or "",
        post_only=bool(row["flags"] & command_frame_pb2.ORDER_FLAG_POST_ONLY),
        status=row["status"],
        executed_quantity=quantity.format(executed),
        leaves_quantity=quantity.format(row["leaves_lots"]),
        average_price=price.format_mean(int(row["executed_notional"]), executed) if executed else "",
        version=row["version"],
        created_at=_timestamp(row["created_at"]),
        queued_at=_timestamp(row["queued_at"]),
        updated_at=_timestamp(row["updated_at"]),
        last_event_seq=row["last_event_seq"],
        reject_reason=row["reject_reason"],
    )


def _timestamp(moment: datetime) -> Timestamp:
    return timestamp(1000 * ((moment - _EPOCH) // timedelta(microseconds=1)))
