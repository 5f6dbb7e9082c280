"""The state of every order, folded from events alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.evidence import OrderRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.evidence import Evidence
    from tests.faults.history import Told

CHANGING = frozenset({"ACCEPTED", "REJECTED", "FILL", "CANCELED", "EXPIRED", "AMENDED", "TRIGGERED", "RESTATED"})
"""Events that change their order; the others tell of a command that left it as it was."""
FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED"})
"""States in which an order stays for ever."""
RESTING = frozenset({"OPEN", "PARTIALLY_FILLED"})
"""States of an order in a book."""


def put_aside(evidence: Evidence) -> set[str]:
    """Ids of orders whose row is among the dead letters instead of in its table."""
    letters = {(x.frame, x.index) for x in evidence.database.letters if x.stream == "commands"}
    return {command.key for command in evidence.commands if (command.frame, command.index) in letters}


def fold(events: Iterable[Told]) -> dict[str, OrderRow]:
    """Orders by id, each as the last event about it tells."""
    orders: dict[str, OrderRow] = {}
    for event in events:
        if event.order_id and event.kind in CHANGING:
            orders[event.order_id] = OrderRow(
                event.order_id,
                event.account,
                event.client_order_id,
                event.symbol,
                event.side,
                event.status,
                event.quantity,
                event.limit_price,
                event.executed,
                event.leaves,
                event.version,
                event.seq,
            )
    return orders
