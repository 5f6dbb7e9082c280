"""Packed rows in Postgres: the same as without the native part, and rows that are there already."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.persistence.conftest import stop
from tests.unit.persistence.frames import (
    ACCEPTED,
    AMENDED,
    CANCELED,
    CANCELED_STATUS,
    FILL,
    T0_NS,
    Commands,
    Events,
    flow,
)

if TYPE_CHECKING:
    from persistence.streams import Entry
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration


TABLES = {
    "orders": "order_id",
    "executions": "trade_number",
    "account_events": "account, last_seq",
    "command_frames": "ms, seq",
}


async def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    return {table: await database.fetch(f"SELECT * FROM {table} ORDER BY {by}") for table, by in TABLES.items()}


def rare() -> tuple[list[Entry], list[Entry]]:
    """Orders with more than the usual terms, amended ones, and events about orders of the frame before."""
    first, second, told, later = Commands(), Commands(), Events(), Events()
    iceberg = first.new("ada", "i1", display_lots=3, tag="t", expire_at_ns=T0_NS + 1_999, self_trade_prevention=2)
    resting = first.new("ada", "r1", price=0, quantity=2**62)
    amended = first.new("bob", "m1")
    told.add(ACCEPTED, "ada", iceberg, 1)
    told.add(AMENDED, "bob", amended, 1, version=2, terms=(7, 1001, 0, 0))
    told.told()
    second.amend("ada", "m2", iceberg, quantity=9)
    second.cancel("ada", "c1", resting)
    later.add(AMENDED, "ada", iceberg, 2, version=2, terms=(9, 1000, 0, T0_NS + 1_999))
    later.add(CANCELED, "ada", resting, 3, status=CANCELED_STATUS, leaves=0, executed=1, notional="123450000")
    later.told()
    ms = T0_NS // 1_000_000 + 1000
    return [first.entry(ms), second.entry(ms + 1)], [told.entry(ms), later.entry(ms + 1)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("copy_rows_min", [300, 1])
async def test_rows_are_the_same_as_without_the_native_part(
    sidecar: Sidecar, log: Log, database: Database, *, together: bool, copy_rows_min: int
) -> None:
    commands, events = zip(*flow(10, 30), strict=True)
    more_commands, more_events = rare()
    log.commands(*commands, *more_commands[:1])
    log.events(*events, *more_events[:1])
    if together:
        log.commands(*more_commands[1:])
        log.events(*more_events[1:])
    found = []
    for native in ("off", ""):
        process = sidecar.start(rows_native=native, copy_rows_min=copy_rows_min)
        if not together and native == "off":
            await database.until_persisted(more_commands[0].id, more_events[0].id)
            log.commands(*more_commands[1:])
            log.events(*more_events[1:])
        await database.until_persisted(more_commands[-1].id, more_events[-1].id)
        assert ("no native part" in stop(process)) is False
        found.append(await contents(database))
        await database.execute("TRUNCATE orders, executions, account_events, command_frames, persister_offsets")
    assert found[0] == found[1]
    assert len(found[0]["orders"]) == 303
    assert len(found[0]["executions"]) == 100


async def test_a_row_that_is_there_already_sends_its_batch_by_the_stages(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    """A NewOrder that was sent again in a later batch: the first one stays, and nothing of the batch is lost."""
    frames = list(flow(10, 20))
    process = sidecar.start()
    log.commands(*(c for c, _ in frames[:5]))
    log.events(*(e for _, e in frames[:5]))
    await database.until_persisted(frames[4][0].id, frames[4][1].id)
    again, told = Commands(), Events()
    first = await database.fetch("SELECT account, client_order_id, quantity_lots FROM orders LIMIT 1")
    account, client_order_id, quantity = first[0].values()
    key = again.new(account, client_order_id, quantity=quantity + 5)
    other = again.new("zoe", "z1", quantity=8)
    maker = told.add(FILL, "zoe", other, 1, executed=3, leaves=5, notional="30012")
    told.trade(10_000, maker, maker)
    last = frames[4][0].id.ms + 1
    log.commands(again.entry(last))
    log.events(told.entry(last))
    await database.until("SELECT count(*) FROM orders WHERE account = 'zoe' AND executed_notional = 30012", 1)
    kept = await database.fetch("SELECT quantity_lots FROM orders WHERE order_id = $1", uuid.UUID(bytes=key))
    assert kept == [{"quantity_lots": quantity}]
    stop(process)
    assert await database.value("SELECT count(*) FROM dead_letters") == 0
