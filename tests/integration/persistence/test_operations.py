"""Operations in Postgres: who halted what, and when; limits; mass cancels."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from persistence.streams import LogId
from tests.integration.persistence.conftest import stop
from tests.unit.persistence.frames import (
    CANCELED,
    CANCELED_STATUS,
    LIMITS,
    MASS_CANCEL_DONE,
    T0_NS,
    TRADING_STATE,
    Commands,
    Events,
)

if TYPE_CHECKING:
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration

ENGINE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=T0_NS // 1000 + 1000)


def a_day() -> tuple[Commands, Events]:
    """A mass cancel, a halt of a symbol that cancels, a block of an account, and limits."""
    made, told = Commands(), Events()
    made.mass_cancel("alice", "k1", symbol="ACME", side=2, tag="t")
    made.trading_state("_ordergate", "halt", 2, symbol="BUND", cancel_open_orders=True)
    made.trading_state("bob", "block", 3, account="bob")
    made.limits("bob", "l1", max_open_orders=4)
    order = made.new("alice", "a1")
    told.add(CANCELED, "alice", order, 1, status=CANCELED_STATUS, cause=2, leaves=0)
    result = {"matched": 3, "canceled": 2, "too_late": 1}
    told.operation(MASS_CANCEL_DONE, "alice", 2, command=0, command_id="k1", mass_cancel=result)
    halt: dict[str, Any] = {"symbol": "BUND", "state": 2}
    told.operation(TRADING_STATE, "_ordergate", 1, command=1, command_id="halt", trading_state=halt)
    told.operation(MASS_CANCEL_DONE, "_ordergate", 2, command=1, command_id="halt", mass_cancel={})
    block: dict[str, Any] = {"account": "bob", "state": 3}
    told.operation(TRADING_STATE, "bob", 1, command=2, command_id="block", trading_state=block)
    told.operation(LIMITS, "bob", 2, command=3, command_id="l1", limits={"max_open_orders": 4})
    return made, told


@pytest.mark.parametrize("together", [True, False])
async def test_who_halted_what_and_when(sidecar: Sidecar, log: Log, database: Database, together: bool) -> None:
    """What was asked is known also if the events come a batch after their commands."""
    made, told = a_day()
    log.commands(made.entry(5, 1))
    if together:
        log.events(told.entry(5, 1))
    process = sidecar.start()
    await database.until_persisted(LogId(5, 1), LogId(5, 1) if together else LogId(0, 0))
    if not together:
        log.events(told.entry(5, 1))
        await database.until_persisted(LogId(5, 1), LogId(5, 1))
    columns = "kind, account, command_id, target_account, symbol, state, matched, canceled, too_late, position"
    sql = f"SELECT {columns} FROM operation_view WHERE engine_at = $1 ORDER BY position, kind DESC"
    rows = [tuple(row.values()) for row in await database.fetch(sql, ENGINE)]
    none = (None, None, None)
    assert rows == [
        ("MASS_CANCEL_DONE", "alice", "k1", "alice", "ACME", None, 3, 2, 1, "0:5-1:0"),
        ("TRADING_STATE", "_ordergate", "halt", None, "BUND", "CANCEL_ONLY", *none, "0:5-1:1"),
        ("MASS_CANCEL_DONE", "_ordergate", "halt", None, "BUND", None, 0, 0, 0, "0:5-1:1"),
        ("TRADING_STATE", "bob", "block", "bob", None, "BLOCKED", *none, "0:5-1:2"),
        ("LIMITS", "bob", "l1", "bob", None, None, *none, "0:5-1:3"),
    ]
    asked = await database.value("SELECT request FROM operations WHERE command_id = 'k1'")
    assert orjson.loads(asked) == {"command": "MASS_CANCEL", "symbol": "ACME", "side": "SELL", "tag": "t"}
    limits = await database.value("SELECT limits FROM operation_view WHERE command_id = 'l1'")
    assert orjson.loads(limits) == {"max_open_orders": 4}
    assert await database.value("SELECT status FROM orders") == CANCELED_STATUS
    before = await database.fetch("SELECT * FROM operations ORDER BY account, seq")
    stop(process)
    await database.fetch("UPDATE persister_offsets SET commands_ms=0, commands_seq=0, events_ms=0, events_seq=0")
    sidecar.start()
    await database.until_persisted(LogId(5, 1), LogId(5, 1))
    assert await database.fetch("SELECT * FROM operations ORDER BY account, seq") == before
