"""What became of an order, from the events that its owner was told. Pure.

An order whose row was refused is not in Postgres, and the events about it found no row to change. When the row is
written after all, its state comes from the archive of events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ordergate.v1.event_pb2 import EventKind
from ordergate.v1.order_events_service_pb2 import FollowResponse
from persistence.frames import CHANGING_KINDS, COMMAND_REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.v1.event_pb2 import OrderEvent
    from persistence.rows import Row

_REJECTED = 7
_TERMS_KINDS = {EventKind.EVENT_KIND_AMENDED, EventKind.EVENT_KIND_TRIGGERED, EventKind.EVENT_KIND_RESTATED}
_DAY = 2
"""Time in force of an order that gets its end when it is accepted."""


@dataclass
class ToldOrder:
    """One order as its events tell it; `add` them in their order."""

    key: bytes
    order_id: str
    client_order_id: str
    time_in_force: int
    price_increment: Decimal
    lot_size: Decimal
    notional: int = 0
    state: Row | None = field(default=None)
    """Row of the stage `updates` without the id; None: no event changed the order."""
    terms: Row | None = field(default=None)
    """What the stage `full_updates` has besides; None: no event changed the terms."""

    def add(self, event: OrderEvent, ms: int, seq: int) -> None:
        """Takes an event of the order's account; one about another order changes nothing."""
        place = (event.seq, ms, seq, event.engine_at.ToMicroseconds())
        if event.order.order_id == self.order_id and event.kind in CHANGING_KINDS:
            self._follow(event, place)
        elif event.kind == COMMAND_REJECTED and event.command_id == self.client_order_id and self.state is None:
            self.state = (_REJECTED, event.failure.reason, 0, 0, 0, "", 0, *place)

    def _follow(self, event: OrderEvent, place: tuple[int, int, int, int]) -> None:
        order = event.order
        if event.kind == EventKind.EVENT_KIND_FILL:
            self.notional += self._ticks(event.fill.price) * self._lots(event.fill.quantity)
        executed, leaves = self._lots(order.executed_quantity), self._lots(order.leaves_quantity)
        notional = str(self.notional) if self.notional else ""
        self.state = (order.status, order.reject_reason, event.cause, executed, leaves, notional, order.version, *place)
        accepted = event.kind == EventKind.EVENT_KIND_ACCEPTED and self.time_in_force == _DAY
        if accepted or event.kind in _TERMS_KINDS:
            end_us = order.expire_at.ToMicroseconds() if order.HasField("expire_at") else 0
            prices = (self._ticks(order.limit_price), self._ticks(order.stop_price))
            self.terms = (self._lots(order.quantity), *prices, end_us, event.seq)

    def _ticks(self, price: str) -> int:
        return int(Decimal(price) / self.price_increment) if price else 0

    def _lots(self, quantity: str) -> int:
        return int(Decimal(quantity) / self.lot_size) if quantity else 0


def told_orders(orders: Iterable[ToldOrder], rows: Iterable[Any]) -> tuple[list[Row], list[Row]]:
    """Rows of the stages `updates` and `full_updates`: what `rows` of one account's events tell of `orders`."""
    orders = list(orders)
    for ms, seq, raw in rows:
        for event in FollowResponse.FromString(raw).events:
            for order in orders:
                order.add(event, ms, seq)
    changed = [order for order in orders if order.state is not None]
    updates = [(order.key, *(order.state or ())) for order in changed if order.terms is None]
    full = [(order.key, *(order.state or ()), *order.terms) for order in changed if order.terms is not None]
    return updates, full
