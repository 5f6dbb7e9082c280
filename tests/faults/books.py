"""Open orders: those of Postgres, those of the engine's books and those of all events are the same."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.faults.evidence import Level
from tests.faults.fold import FINAL, RESTING, fold, put_aside
from tests.faults.history import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.evidence import Evidence, OrderRow

_RULE = "open orders"


def check_books(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    """All of it; (kind, rule, text) for each finding."""
    told = {row.order_id: row for row in fold(evidence.events).values() if row.status not in FINAL}
    held = {row.order_id: row for row in evidence.database.orders if row.status not in FINAL}
    # What Postgres refused is among the dead letters, where another check looks for it.
    for order_id in told.keys() - held.keys() - put_aside(evidence):
        yield "lost", _RULE, f"{told[order_id].client_order_id} of {told[order_id].account} is not open in Postgres"
    for order_id in held.keys() - told.keys():
        yield (
            "mismatched",
            _RULE,
            f"{held[order_id].client_order_id} of {held[order_id].account} is open in Postgres only",
        )
    if len(told) != evidence.engine.open_orders:
        yield "mismatched", _RULE, f"the engine has {evidence.engine.open_orders} open orders, the events {len(told)}"
    yield from _check_levels(levels(told.values()), evidence.book)


def levels(orders: Iterable[OrderRow]) -> list[Level]:
    """What books show that hold these orders."""
    found: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in orders:
        if row.status in RESTING:
            found[row.symbol, row.side, row.limit_price] += Decimal(row.leaves)
    return [Level(*key, plain(quantity)) for key, quantity in found.items()]


def _check_levels(expected: list[Level], book: list[Level]) -> Iterator[tuple[str, str, str]]:
    for level in set(expected) - set(book):
        yield "mismatched", _RULE, f"the engine's book lacks {level}"
    for level in set(book) - set(expected):
        yield "mismatched", _RULE, f"the engine's book has {level}, which no open order makes"
