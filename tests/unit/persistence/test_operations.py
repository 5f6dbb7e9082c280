"""Operations: what an auditor finds of trading states, limits and mass cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from persistence.operations import requests_of
from persistence.rows import Letter, build_rows
from persistence.streams import Entry, LogId
from tests.unit.persistence.frames import (
    LIMITS,
    MASS_CANCEL_DONE,
    T0_NS,
    TRADING_STATE,
    Commands,
    Events,
)
from tests.unit.persistence.test_rows import batch

if TYPE_CHECKING:
    from persistence.rows import Row

ENGINE_US = T0_NS // 1000 + 1000


def whole(row: Row) -> tuple[object, ...]:
    """The row with its JSON read."""
    return (*row[:7], None if row[7] is None else orjson.loads(row[7]), orjson.loads(row[8]), row[9])


def test_a_halt_with_its_mass_cancel() -> None:
    made, told = Commands(), Events()
    made.new("alice", "a1")
    made.trading_state("_ordergate", "halt", 3, symbol="BUND", cancel_open_orders=True)
    told.add(1, "alice", bytes(16), 1)
    told.operation(
        TRADING_STATE, "_ordergate", 7, command=1, command_id="halt", trading_state={"symbol": "BUND", "state": 3}
    )
    told.operation(
        MASS_CANCEL_DONE, "_ordergate", 8, command=1, command_id="halt", mass_cancel={"matched": 3, "canceled": 3}
    )
    halt, cancels = map(whole, build_rows(batch([made.entry(4, 2)], [told.entry(4, 2)])).operations)
    asked = {"command": "SET_TRADING_STATE", "symbol": "BUND", "state": "BLOCKED", "cancel_open_orders": True}
    place = ("halt", 4, 2, 1, asked)
    state = {"symbol": "BUND", "state": "TRADING_STATE_BLOCKED"}
    assert halt == ("_ordergate", 7, TRADING_STATE, *place, state, ENGINE_US)
    assert cancels == ("_ordergate", 8, MASS_CANCEL_DONE, *place, {"matched": 3, "canceled": 3}, ENGINE_US)


def test_limits_are_told_as_decimals() -> None:
    made, told = Commands(), Events()
    made.limits("bob", "l1", max_order_quantity={"mantissa": 15, "digits": 1}, max_open_orders=4, price_band_ppm=9)
    limits = {"max_order_quantity": "1.5", "max_open_orders": 4}
    told.operation(LIMITS, "bob", 3, command_id="l1", limits=limits)
    (row,) = build_rows(batch([made.entry(1)], [told.entry(1)])).operations
    assert whole(row)[7:9] == ({"command": "SET_LIMITS", "account": "bob"}, limits)


def test_criteria_of_a_mass_cancel() -> None:
    made = Commands()
    made.mass_cancel("alice", "k1")
    made.new("alice", "a1", symbol="ACME")
    made.mass_cancel("alice", "k2", symbol="BUND", side=2, tag="t", session="s", disconnected=True)
    criteria = {"symbol": "BUND", "side": "SELL", "tag": "t", "session": "s", "disconnected": True}
    asked = {index: orjson.loads(request) for index, request in requests_of(made.entry(1)).items()}
    assert asked == {0: {"command": "MASS_CANCEL"}, 2: {"command": "MASS_CANCEL", **criteria}}


def test_request_of_an_earlier_batch_is_left_to_the_database() -> None:
    told = Events()
    told.operation(MASS_CANCEL_DONE, "alice", 3, command=5, command_id="k1", mass_cancel={})
    (row,) = build_rows(batch([], [told.entry(9)])).operations
    assert whole(row) == ("alice", 3, MASS_CANCEL_DONE, "k1", 9, 0, 5, None, {}, ENGINE_US)


def test_request_in_a_frame_that_cannot_be_read_is_empty() -> None:
    told = Events()
    told.operation(MASS_CANCEL_DONE, "alice", 3, command_id="k1", mass_cancel={})
    rows = build_rows(batch([Entry(LogId(9, 0), b"\xff", 1)], [told.entry(9)]))
    assert rows.operations[0][7] == "{}"
    assert len(rows.letters) == 1


@pytest.mark.parametrize("how", ["no events", "other kind", "other sequence", "no bytes of events"])
def test_operation_that_is_not_told_to_its_account_spoils_its_frame(how: str) -> None:
    told, fine = Events(), Events()
    if how == "no events":
        told.add(TRADING_STATE, "alice", bytes(16), 3)
    else:
        told.operation(TRADING_STATE, "alice", 3)
    if how == "other kind":
        told.frame.kinds = bytes([LIMITS])
    if how == "other sequence":
        told.frame.seqs[0] = 4
    if how == "no bytes of events":
        told.frame.account_events[0].events = b"\xff"
    fine.operation(TRADING_STATE, "alice", 5)
    rows = build_rows(batch([], [told.entry(1), fine.entry(2)]))
    assert [row[1] for row in rows.operations] == [5]
    (letter,) = map(Letter._make, rows.letters)
    assert (letter.stream, letter.ms, letter.place) == ("events", 1, None)
    assert "event 0 is not among" in letter.error or "events of account 0" in letter.error
