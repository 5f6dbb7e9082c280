"""Fills: both sides of every trade, quantities conserved, none after an order's end, none beyond its quantity."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.faults.evidence import Trade
from tests.faults.fold import FINAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.faults.evidence import Evidence
    from tests.faults.history import Told

    Found = tuple[str, str, str]

_RULE = "fills"


def check_fills(evidence: Evidence) -> Iterator[Found]:
    """All of it; (kind, rule, text) for each finding."""
    fills: dict[str, list[Told]] = defaultdict(list)
    for event in evidence.events:
        if event.kind == "FILL":
            fills[event.trade_id].append(event)
    yield from _check_sides(fills)
    yield from _check_orders(evidence.events)
    yield from _check_conserved(evidence.events)
    yield from _check_trades(fills, evidence.database.trades)


def _check_sides(fills: dict[str, list[Told]]) -> Iterator[Found]:
    """Each trade has one buyer and one seller, one maker and one taker, who agree about price and quantity."""
    for trade_id, sides in fills.items():
        roles = sorted((fill.side, fill.liquidity) for fill in sides)
        terms = {(fill.symbol, fill.fill_price, fill.fill_quantity) for fill in sides}
        if len(sides) > 2:
            yield "duplicated", _RULE, f"trade {trade_id} has {len(sides)} fills"
        elif [side for side, _ in roles] != ["BUY", "SELL"] or {role for _, role in roles} != {"MAKER", "TAKER"}:
            yield "mismatched", _RULE, f"trade {trade_id} has the sides {roles}"
        elif len(terms) > 1:
            yield "mismatched", _RULE, f"trade {trade_id} is told as {sorted(terms)}"


def _check_orders(events: Iterable[Told]) -> Iterator[Found]:
    """No order trades after its end or beyond its quantity; what is executed is the sum of its fills."""
    executed: dict[str, Decimal] = defaultdict(Decimal)
    ended: dict[str, str] = {}
    for event in events:
        name = f"order {event.client_order_id} of {event.account}"
        if event.kind == "FILL":
            if event.order_id in ended:
                yield "mismatched", _RULE, f"{name} trades after it was {ended[event.order_id]}"
            executed[event.order_id] += Decimal(event.fill_quantity)
            if executed[event.order_id] > Decimal(event.quantity):
                yield "duplicated", _RULE, f"{name} executed {executed[event.order_id]} of {event.quantity}"
            elif executed[event.order_id] != Decimal(event.executed):
                yield (
                    "mismatched",
                    _RULE,
                    f"{name} executed {event.executed}, its fills make {executed[event.order_id]}",
                )
        if event.status in FINAL and event.kind not in {"CANCEL_REJECTED", "AMEND_REJECTED", "DUPLICATE"}:
            ended[event.order_id] = event.status


def _check_conserved(events: Iterable[Told]) -> Iterator[Found]:
    """In each instrument as much is bought as is sold."""
    moved: Counter[tuple[str, str]] = Counter()
    for event in events:
        if event.kind == "FILL":
            moved[event.symbol, event.side] += Decimal(event.fill_quantity)  # type: ignore[assignment]
    for symbol in {symbol for symbol, _ in moved}:
        bought, sold = moved[symbol, "BUY"], moved[symbol, "SELL"]
        if bought != sold:
            yield "mismatched", _RULE, f"{symbol}: {bought} bought, {sold} sold"


def _check_trades(fills: dict[str, list[Told]], trades: list[Trade]) -> Iterator[Found]:
    """The executions of Postgres are the trades of the events."""
    told = {trade_id: _trade(sides) for trade_id, sides in fills.items() if len(sides) == 2}
    held = Counter(trade.trade_id for trade in trades)
    for trade_id, count in held.items():
        if count > 1:
            yield "duplicated", _RULE, f"trade {trade_id} is in Postgres {count} times"
    rows = {trade.trade_id: trade for trade in trades}
    for trade_id, trade in told.items():
        row = rows.pop(trade_id, None)
        if row is None:
            yield "lost", _RULE, f"trade {trade_id} is not in Postgres"
        elif row != trade:
            yield "mismatched", _RULE, f"trade {trade_id} is {row} in Postgres, {trade} in the events"
    for trade_id in rows:
        yield "mismatched", _RULE, f"trade {trade_id} of Postgres is in no event"


def _trade(sides: list[Told]) -> Trade:
    maker, taker = sorted(sides, key=lambda fill: fill.liquidity)
    return Trade(
        maker.trade_id,
        maker.symbol,
        maker.fill_price,
        maker.fill_quantity,
        maker.order_id,
        taker.order_id,
        maker.seq,
        taker.seq,
    )
