"""Postgres against the demo's own books: nothing lost, nothing twice, nothing that was never sent."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.demo.ledger import ACKED, REFUSED, Faults, Trade
from gateway.client import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from bench.demo.ledger import Ledger

_PREFETCH = 5000

_ORDERS = """
SELECT client_order_id, account, status, executed_lots, leaves_lots, last_event_seq
FROM orders
WHERE starts_with(client_order_id, $1)
"""

_EXECUTIONS = """
SELECT e.shard, e.trade_number, e.price_ticks, e.quantity_lots,
       m.client_order_id AS maker, t.client_order_id AS taker
FROM executions e
LEFT JOIN orders m ON m.order_id = e.maker_order_id
LEFT JOIN orders t ON t.order_id = e.taker_order_id
WHERE starts_with(m.client_order_id, $1) OR starts_with(t.client_order_id, $1)
"""

_OFFSET = "SELECT events_ms, events_seq FROM persister_offsets WHERE shard = $1"
_DEAD = "SELECT count(*) FROM dead_letters"


@dataclass(slots=True)
class Reconciliation:
    """What the comparison found."""

    rows: int = 0
    """Orders of the run in Postgres."""
    executions: int = 0
    """Executions of the run in Postgres."""
    trades: dict[tuple[int, int], Trade] = field(default_factory=dict)
    """Trades that the events told, by shard and number."""
    dead_letters: int = 0
    """Rows that Postgres refused."""
    faults: Faults = field(default_factory=Faults)
    """Whatever does not agree."""


async def wait_persisted(
    connection: asyncpg.Connection, ledger: Ledger, timeout_s: float, progress: Callable[[int], None]
) -> bool:
    """Waits until Postgres holds every event that came; False if it does not in time.

    Args:
        connection: to Postgres.
        ledger: the run.
        timeout_s: longest wait.
        progress: called with the milliseconds of log that Postgres lacks.
    """
    deadline = time.monotonic() + timeout_s
    for shard, position in ledger.positions.items():
        while True:
            row = await connection.fetchrow(_OFFSET, shard)
            offset = tuple(row) if row else (0, 0)
            if offset >= position:
                break
            progress(max(position[0] - offset[0], 1))
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.2)
    progress(0)
    return True


async def reconcile(connection: asyncpg.Connection, ledger: Ledger) -> Reconciliation:
    """Compares every order and execution of the run.

    Faults are: an acknowledged order without a row, or with a state other than the events told; a refused one with a
    row; a row of an order never sent; executions that differ; a row in dead_letters.
    """
    found = Reconciliation()
    async with connection.transaction(readonly=True, isolation="repeatable_read"):
        await _compare_orders(connection, ledger, found)
        await _compare_executions(connection, ledger, found)
        found.dead_letters = await connection.fetchval(_DEAD)
    if found.dead_letters:
        found.faults.add(f"{found.dead_letters} rows in the table dead_letters; its column `error` tells why")
    return found


async def _compare_orders(connection: asyncpg.Connection, ledger: Ledger, found: Reconciliation) -> None:
    seen = bytearray(len(ledger))
    async for row in connection.cursor(_ORDERS, f"{ledger.run}-", prefetch=_PREFETCH):
        found.rows += 1
        number = ledger.number_of(row[0])
        if number < 0 or not ledger.is_order(number) or row[1] != ledger.accounts[ledger.owner[number]]:
            found.faults.add(f"order {row[0]} of {row[1]} is in Postgres, but was never sent")
            continue
        if seen[number]:
            found.faults.add(f"order {row[0]} is in Postgres twice")
        seen[number] = 1
        told = (ledger.status[number], ledger.executed[number], ledger.leaves[number], ledger.seq[number])
        if ledger.state[number] == REFUSED:
            found.faults.add(f"order {row[0]} was refused, but is in Postgres")
        elif tuple(row)[2:] != told:
            found.faults.add(f"order {row[0]}: Postgres has {_state(tuple(row)[2:])}, events told {_state(told)}")
    for number, state in enumerate(ledger.state):
        if state == ACKED and ledger.is_order(number) and not seen[number]:
            found.faults.add(f"order {ledger.id_of(number)} was acknowledged, but is not in Postgres")


async def _compare_executions(connection: asyncpg.Connection, ledger: Ledger, found: Reconciliation) -> None:
    told = found.trades = ledger.trades()
    missing = set(told)
    async for row in connection.cursor(_EXECUTIONS, f"{ledger.run}-", prefetch=_PREFETCH):
        found.executions += 1
        key = (row[0], row[1])
        missing.discard(key)
        stored = Trade(ledger.number_of(row[4] or ""), ledger.number_of(row[5] or ""), row[2], row[3])
        if told.get(key) != stored:
            found.faults.add(f"trade {key[0]}-{key[1]}: Postgres has {stored}, events told {told.get(key)}")
    for shard, number in sorted(missing):
        found.faults.add(f"trade {shard}-{number} was told, but is not in Postgres")


def _state(values: tuple[int, ...]) -> str:
    status, executed, leaves, seq = values
    return f"{OrderStatus(status).name} executed {executed} leaves {leaves} event {seq}"
