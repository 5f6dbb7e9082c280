"""ListOrders: the orders of an account, newest first by the place of their NewOrder in the log.

    commands of the log's tail ─┐
                                ├─ each as it is now: the newest event in the tail, or the row ─ filter
    Postgres ───────────────────┘

Postgres has no index of all orders by account, which would cost every order: the account's events tell which orders
there are (ACCEPTED, REJECTED), a row for each frame; only the open ones have an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from gateway.backwards import Tail, rows_backwards
from gateway.entries import read_one
from gateway.frames import (
    KEY_BYTES,
    FrameError,
    find_keys,
    merge_parts,
    parts_of,
    queued_order,
    read_command_frame,
    read_event_frame,
)
from gateway.history import NEWEST
from gateway.ids import key_text, order_key
from gateway.lookup import order_of_row
from gateway.pages import SIZE_MAX, Position
from gateway.rows import NEW_ORDER
from gateway.streams import LogId
from ordergate.v1 import event_pb2, order_pb2
from ordergate.v1.order_events_service_pb2 import FollowResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from redis.asyncio import Redis

    from gateway.database import Database
    from gateway.history import AccountHistory
    from gateway.instruments import Instruments
    from gateway.tail import TailIndex

OPEN = frozenset(
    {
        order_pb2.ORDER_STATUS_QUEUED,
        order_pb2.ORDER_STATUS_OPEN,
        order_pb2.ORDER_STATUS_PARTIALLY_FILLED,
        order_pb2.ORDER_STATUS_UNTRIGGERED,
    }
)
"""States that the index `orders_open` covers."""

_ENTERS = frozenset({event_pb2.EVENT_KIND_ACCEPTED, event_pb2.EVENT_KIND_REJECTED})
_MAY_ENTER = event_pb2.EVENT_KIND_COMMAND_REJECTED
"""A NewOrder whose id was taken has a row, too."""

CLOCK_SLACK_NS = 3_600_000_000_000
"""How far the clocks of Redis, whose time is in the ids, and of the gateways may be apart."""


class OrderFilter(NamedTuple):
    """Which orders."""

    account: str
    statuses: frozenset[int] = frozenset()
    symbol: str = ""
    side: int = 0
    since_ns: int = 0

    def takes(self, order: order_pb2.Order) -> bool:
        """Whether the order is one of them, as it is now."""
        return (
            (not self.statuses or order.status in self.statuses)
            and (not self.symbol or order.symbol == self.symbol)
            and (not self.side or order.side == self.side)
            and (not self.since_ns or order.created_at.ToNanoseconds() >= self.since_ns)
        )

    @property
    def only_open(self) -> bool:
        """True if only open orders are wanted."""
        return bool(self.statuses) and self.statuses <= OPEN


class OrderPages:
    """Orders of one account in one shard, for one page: it remembers what it reads."""

    def __init__(
        self,
        tail: TailIndex,
        redis: Redis,
        database: Database,
        history: AccountHistory,
        instruments: Instruments,
        wanted: OrderFilter,
    ) -> None:
        self._tail = tail
        self._redis = redis
        self._database = database
        self._history = history
        self._instruments = instruments
        self._wanted = wanted
        self._told: dict[LogId, dict[str, order_pb2.Order]] = {}

    async def backwards(self, before: Position) -> AsyncGenerator[tuple[Position, order_pb2.Order | None], None]:
        """Orders before a place, newest first; None marks how far it looked without finding one.

        Raises:
            RedisError, DatabaseUnavailable, FrameError: no answer, or one that can't be read.
        """
        await self._tail.refresh()
        tail = Tail(self._redis, self._tail.keys.commands, self._history, before.bound(self._tail.keys.shard))
        least_ms = (self._wanted.since_ns - CLOCK_SLACK_NS) // 1_000_000
        async for entries in tail.entries():
            for entry in entries:
                found = await self._of_commands(entry.id, read_command_frame(entry.frame))
                for position, order in self._sorted(found, before):
                    yield position, order
                yield self._mark(entry.id), None
                if entry.id.ms < least_ms:
                    return
        pages = self._open_rows(tail.bound) if self._wanted.only_open else self._all_rows(tail.bound)
        async for mark, rows in pages:
            found = [(_place(row), await self._as_it_is(row)) for row in rows]
            for position, order in self._sorted(found, before):
                yield position, order
            yield mark, None
            if mark.ms < least_ms:
                return

    def _mark(self, frame: LogId) -> Position:
        return Position(*frame, self._tail.keys.shard, 0)

    def _sorted(
        self, found: Iterable[tuple[Position, order_pb2.Order]], before: Position
    ) -> list[tuple[Position, order_pb2.Order]]:
        return sorted(
            ((p, o) for p, o in found if p < before and self._wanted.takes(o)), key=lambda pair: pair[0], reverse=True
        )

    # The tail

    async def _of_commands(self, place: LogId, frame: Any) -> list[tuple[Position, order_pb2.Order]]:
        """Orders that a frame enters; a repeat of an order that stands elsewhere in the log enters none."""
        wanted, shard = self._wanted, self._tail.keys.shard
        if wanted.account not in frame.accounts:
            return []
        mine = {n for n, name in enumerate(frame.accounts) if name == wanted.account}
        queued: dict[bytes, tuple[int, order_pb2.Order]] = {}
        for index, kind in enumerate(frame.kinds):
            if kind != NEW_ORDER or frame.account_index[index] not in mine:
                continue
            key = frame.keys[KEY_BYTES * index : KEY_BYTES * (index + 1)]
            order = queued_order(frame, index, wanted.account, self._instruments)
            if order is not None and key not in queued and await self._is_first(key, place):
                queued[key] = (index, order)
        rows = await self._rows(queued)
        found = []
        for key, (index, order) in queued.items():
            row = rows.get(key)
            position = Position(*place, shard, index)
            if row is None:
                found.append((position, await self._newest(key, order)))
            elif _place(row) == position:
                found.append((position, await self._as_it_is(row)))
        return found

    async def _is_first(self, key: bytes, place: LogId) -> bool:
        """Whether no frame of the tail before this one enters an order with the key."""
        for other in self._tail.command_frames(key):
            if other >= place:
                return True
            entry = await read_one(self._redis, self._tail.keys.commands, other)
            frame = read_command_frame(entry.frame) if entry is not None else None
            if frame is not None and any(frame.kinds[index] == NEW_ORDER for index in find_keys(frame.keys, key)):
                return False
        return True

    # Postgres

    async def _open_rows(
        self, bound: tuple[int, int, int]
    ) -> AsyncGenerator[tuple[Position, Sequence[Mapping[str, Any]]], None]:
        """Rows of open orders below the bound, by pages, with the place of the last."""
        account, shard = self._wanted.account, self._tail.keys.shard
        while True:
            rows = await self._database.rows("open_orders", account, shard, *bound, SIZE_MAX)
            if not rows:
                return
            last = _place(rows[-1])
            yield last, rows
            bound = last.bound(shard)

    async def _all_rows(
        self, bound: tuple[int, int, int]
    ) -> AsyncGenerator[tuple[Position, Sequence[Mapping[str, Any]]], None]:
        """Rows of the orders that the account's events tell of, by frames, with the frame's beginning."""
        async for page in rows_backwards(self._history, self._wanted.account, bound, NEWEST):
            entered = {row.id: _entered(self._wanted.account, row.id, row.events) for row in page}
            rows = await self._rows(key for keys in entered.values() for key in keys)
            for frame, keys in entered.items():
                yield (
                    self._mark(frame),
                    [row for key in keys if (row := rows.get(key)) and LogId(*_place(row)[:2]) == frame],
                )

    async def _rows(self, keys: Iterable[bytes]) -> dict[bytes, Mapping[str, Any]]:
        ids = [UUID(bytes=key) for key in keys]
        rows = await self._database.rows("orders_by_id", ids) if ids else []
        return {row["order_id"].bytes: row for row in rows if row["account"] == self._wanted.account}

    # As it is now

    async def _as_it_is(self, row: Mapping[str, Any]) -> order_pb2.Order:
        key = row["order_id"].bytes
        return await self._newest(key, order_of_row(key, row, self._instruments))

    async def _newest(self, key: bytes, order: order_pb2.Order) -> order_pb2.Order:
        """The order, or what the last event in the tail tells of it."""
        place = self._tail.event_frame(key)
        if place is None:
            return order
        if place not in self._told:
            self._told[place] = await self._orders_told(place)
        told = self._told[place].get(key_text(key))
        return told if told is not None and told.last_event_seq > order.last_event_seq else order

    async def _orders_told(self, place: LogId) -> dict[str, order_pb2.Order]:
        entry = await read_one(self._redis, self._tail.keys.events, place)
        if entry is None:
            return {}
        frame = read_event_frame(entry.frame)
        parts = parts_of(frame, (self._wanted.account,))
        events = _events(place, merge_parts(frame, parts)) if parts else []
        return {event.order.order_id: event.order for event in events if event.HasField("order")}


def _place(row: Mapping[str, Any]) -> Position:
    return Position(row["command_ms"], row["command_seq"], row["shard"], row["command_index"])


def _entered(account: str, frame: LogId, blob: bytes) -> list[bytes]:
    """Keys of the orders that came in with a frame, and of some that may have."""
    return [
        order_key(account, event.command_id)
        for event in _events(frame, blob)
        if event.command_id and (event.kind in _ENTERS or event.kind == _MAY_ENTER)
    ]


def _events(frame: LogId, blob: bytes) -> list[event_pb2.OrderEvent]:
    try:
        return list(FollowResponse.FromString(blob).events)
    except DecodeError as error:
        raise FrameError(f"events of frame {frame}: {error}") from None
