"""Rows that Postgres refuses: found, put aside with the error, and everything else written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from persistence.streams import ZERO, Entry, LogId
from tests.integration.persistence.conftest import stop
from tests.unit.persistence.frames import (
    ACCEPTED,
    AMENDED,
    OPEN,
    TRADING_STATE,
    Commands,
    Events,
)

if TYPE_CHECKING:
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration


async def test_poison_goes_to_dead_letters_and_its_neighbours_are_written(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    made, told = Commands(), Events()
    keys = [made.new("alice", f"a{n}" if n != 3 else "a\0b") for n in range(8)]
    for n, key in enumerate(keys):
        told.add(ACCEPTED, "alice", key, n + 1, command=n, notional="lots" if n == 5 else "")
    told.trade(1, 0, 1)
    told.trade(2**63, 0, 1)
    log.commands(Entry(LogId(1, 0), b"\xff not a frame", 1), made.entry(2), Entry(LogId(3, 0), None, 1))
    log.events(told.entry(2))
    process = sidecar.start()
    await database.until_persisted(LogId(3, 0), LogId(2, 0))
    rows = {r["client_order_id"]: r["status"] for r in await database.fetch("SELECT * FROM orders")}
    assert rows == {f"a{n}": OPEN if n != 5 else 1 for n in range(8) if n != 3}
    assert [r["trade_number"] for r in await database.fetch("SELECT * FROM executions")] == [1]
    letters = await database.fetch(
        "SELECT stream, ms, index, payload, error FROM dead_letters ORDER BY ms, stream, index"
    )
    assert [(x["stream"], x["ms"], x["index"]) for x in letters] == [
        ("commands", 1, None),
        ("commands", 2, 3),
        ("events", 2, 5),
        ("events", 2, None),
        ("commands", 3, None),
    ]
    assert letters[0]["payload"] == b"\xff not a frame"
    assert letters[1]["payload"] == made.frame.SerializeToString()
    assert [x["payload"] is None for x in letters] == [False, False, False, True, True]
    assert "0x00" in letters[1]["error"]
    assert await database.value("SELECT count(*) FROM command_frames") == 3
    assert "rows went to dead_letters" in stop(process)


async def test_poison_among_thousands_is_found(sidecar: Sidecar, log: Log, database: Database) -> None:
    made = Commands()
    for n in range(3000):
        made.new("alice", "\0" if n in {17, 2999} else f"a{n}")
    log.commands(made.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    assert await database.value("SELECT count(*) FROM orders") == 2998
    (letter,) = await database.fetch("SELECT index FROM dead_letters")
    assert letter["index"] == 17, "both have the same id; the first one is the order"


async def test_poison_among_terms_and_operations_is_found(sidecar: Sidecar, log: Log, database: Database) -> None:
    """Each letter names the command or event, also where another account's event has the same sequence."""
    made, told = Commands(), Events()
    for n in range(6):
        key = made.new("alice", f"a{n}", tag="\0" if n == 2 else "t")
        told.add(ACCEPTED, "alice", key, n + 1, command=n)
    old = made.new("bob", "b1", quantity=10)
    amended = made.new("alice", "a9", tag="t", quantity=10)
    told.add(AMENDED, "bob", old, 1, notional="lots", terms=(8, 1001, 0, 0))
    told.add(AMENDED, "alice", amended, 7, terms=(8, 1001, 0, 0))
    told.operation(TRADING_STATE, "_ordergate", 1, command=0, trading_state={"symbol": "A", "state": 1})
    told.operation(TRADING_STATE, "_ordergate", 2, command=0, trading_state={"symbol": "A\0B", "state": 1})
    log.commands(made.entry(2))
    log.events(told.entry(2))
    sidecar.start()
    await database.until_persisted(LogId(2, 0), LogId(2, 0))
    rows = await database.fetch("SELECT client_order_id, status, quantity_lots FROM orders ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        *((f"a{n}", OPEN, 10) for n in range(6) if n != 2),
        ("a9", OPEN, 8),
        ("b1", 1, 10),
    ]
    assert await database.value("SELECT array_agg(seq) FROM operations") == [1]
    letters = await database.fetch("SELECT stream, index, error FROM dead_letters ORDER BY stream, index")
    assert [(x["stream"], x["index"], x["error"].split(":")[0]) for x in letters] == [
        ("commands", 2, "full_orders"),
        ("events", 6, "full_updates"),
        ("events", 9, "operations"),
    ]
