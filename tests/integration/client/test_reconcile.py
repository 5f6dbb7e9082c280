"""The demo's comparison is worth what it catches: each fault, planted in a real Postgres, must be found."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from bench.demo.ledger import Ledger
from bench.demo.reconcile import reconcile, wait_persisted
from ordergate.v1 import command_pb2, event_pb2, failure_pb2, order_pb2
from persistence.migrate import load_migrations, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration

NOW = datetime(2026, 5, 2, tzinfo=UTC)
FILLED, OPEN = 4, 2
INSERT_ORDER = """
INSERT INTO orders (order_id, shard, account, client_order_id, symbol, side, order_type, time_in_force, flags,
    quantity_lots, status, reject_reason, cause, executed_lots, leaves_lots, executed_notional, version,
    last_event_seq, command_ms, command_seq, command_index)
VALUES ($1, 0, $2, $3, 'X', 1, 1, 1, 0, 150, $4, 0, 0, $5, $6, 0, 1, $7, 7, 0, 0)
"""
INSERT_EXECUTION = """
INSERT INTO executions (shard, trade_number, symbol, price_ticks, quantity_lots, taker_side, maker_order_id,
    taker_order_id, maker_account, taker_account, maker_seq, taker_seq, event_ms, event_seq, executed_at)
VALUES (0, $1, 'X', 100, 150, 1, $2, $3, 'a', 'b', 2, 2, 7, 0, $4)
"""


def order_id(client_order_id: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, client_order_id)


def books() -> Ledger:
    """Orders 0 (a) and 1 (b) traded with each other, 2 (a) rests, 3 (b) was refused, 4 cancels nothing."""
    ledger = Ledger("r", ["a", "b"])
    for number in range(4):
        ledger.new(number % 2)
    ledger.new(0, cancel=True)
    good = [command_pb2.Ack(command_id=f"r-{number}", level=1) for number in (0, 1, 2, 4)]
    bad = command_pb2.Ack(command_id="r-3", failure=failure_pb2.Failure(reason=1, disposition=1))
    ledger.on_acks([*good, bad])
    for seq, number, side in ((1, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 2), (3, 2, 0)):
        fill = event_pb2.Fill(trade_id="0-9", price="1.00", quantity="1.50", liquidity=side) if side else None
        order = order_pb2.Order(
            client_order_id=f"r-{number}",
            account="ab"[number % 2],
            status=FILLED if fill else OPEN,
            executed_quantity="1.50" if fill else "0.00",
            leaves_quantity="0.00" if fill else "1.50",
        )
        command_id = "" if side == 1 else f"r-{number}"
        kind = 3 if fill else 1
        ledger.on_events(
            [event_pb2.OrderEvent(seq=seq, kind=kind, command_id=command_id, order=order, fill=fill, cursor="0:7-0:4")]
        )
    assert ledger.faults.count == 0
    return ledger


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """What the persister would have written for `books`."""
    connection = await asyncpg.connect(postgres_dsn)
    await migrate(connection, load_migrations())
    for number, account, status, executed, leaves, seq in (
        (0, "a", FILLED, 150, 0, 2),
        (1, "b", FILLED, 150, 0, 2),
        (2, "a", OPEN, 0, 150, 3),
    ):
        key = f"r-{number}"
        await connection.execute(INSERT_ORDER, order_id(key), account, key, status, executed, leaves, seq)
    await connection.execute(INSERT_EXECUTION, 9, order_id("r-0"), order_id("r-1"), NOW)
    await connection.execute(INSERT_ORDER, order_id("other-1"), "a", "other-1", OPEN, 0, 1, 1)
    yield connection
    await connection.close()


async def test_what_agrees_has_no_fault(database: asyncpg.Connection) -> None:
    found = await reconcile(database, books())
    assert (found.rows, found.executions, found.faults.told) == (3, 1, [])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("DELETE FROM orders WHERE client_order_id = 'r-2'", "acknowledged, but is not in Postgres"),
        ("UPDATE orders SET status = 5 WHERE client_order_id = 'r-2'", "Postgres has CANCELED"),
        ("UPDATE orders SET executed_lots = 149 WHERE client_order_id = 'r-0'", "executed 149"),
        ("UPDATE orders SET leaves_lots = 1 WHERE client_order_id = 'r-2'", "leaves 1 "),
        ("UPDATE orders SET last_event_seq = 1 WHERE client_order_id = 'r-1'", "event 1"),
        ("UPDATE orders SET account = 'b' WHERE client_order_id = 'r-2'", "never sent"),
        ("UPDATE orders SET client_order_id = 'r-77' WHERE client_order_id = 'other-1'", "never sent"),
        ("UPDATE orders SET client_order_id = 'r-4' WHERE client_order_id = 'other-1'", "never sent"),
        ("UPDATE orders SET client_order_id = 'r-2' WHERE client_order_id = 'other-1'", "in Postgres twice"),
        ("UPDATE orders SET client_order_id = 'r-3', account = 'b' WHERE client_order_id = 'other-1'", "was refused"),
        ("DELETE FROM executions", "trade 0-9 was told, but is not in Postgres"),
        ("UPDATE executions SET price_ticks = 101", "price_ticks=101"),
        ("UPDATE executions SET quantity_lots = 151", "quantity_lots=151"),
        ("UPDATE executions SET trade_number = 10", "trade 0-10"),
        ("UPDATE executions SET maker_order_id = taker_order_id", "maker=1"),
        (
            "INSERT INTO executions SELECT shard, 10, symbol, price_ticks, quantity_lots, taker_side, maker_order_id, "
            "taker_order_id, maker_account, taker_account, maker_seq, taker_seq, event_ms, event_seq, executed_at "
            "FROM executions",
            "trade 0-10",
        ),
        ("INSERT INTO dead_letters (shard, stream, ms, seq, error) VALUES (0, 'events', 1, 0, 'x')", "dead_letters"),
    ],
)
async def test_every_fault_is_found(database: asyncpg.Connection, damage: str, message: str) -> None:
    await database.execute(damage)
    found = await reconcile(database, books())
    assert found.faults.count >= 1
    assert any(message in text for text in found.faults.told), found.faults.told


async def test_postgres_is_waited_for_until_it_holds_the_last_event(database: asyncpg.Connection) -> None:
    behind: list[int] = []
    assert not await wait_persisted(database, books(), 0.3, behind.append)
    assert set(behind) == {7}
    await database.execute("INSERT INTO persister_offsets (shard, events_ms, events_seq) VALUES (0, 7, 0)")
    assert await wait_persisted(database, books(), 0.3, behind.append)
    assert behind[-1] == 0
