"""From frames to rows: what a batch becomes."""

from __future__ import annotations

from typing import Any

import pytest

from persistence.batcher import Batch
from persistence.rows import Letter, build_rows
from persistence.streams import ZERO, Entry, LogId, Position
from tests.unit.persistence.frames import (
    ACCEPTED,
    CANCEL_REJECTED,
    CANCELED,
    CANCELED_STATUS,
    COMMAND_REJECTED,
    DUPLICATE,
    FILL,
    FILLED,
    OPEN,
    REJECTED,
    T0_NS,
    Commands,
    Events,
    key_of,
)

T0_US = T0_NS // 1000
ENGINE_US = T0_US + 1000
NO_EVENT = (None, None, None)


def batch(commands: list[Entry] | None = None, events: list[Entry] | None = None) -> Batch:
    return Batch(commands or [], events or [], Position(ZERO, ZERO), Position(ZERO, ZERO))


def state_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[15:]


def test_terms_of_a_new_order() -> None:
    made = Commands()
    key = made.new("alice", "a1", side=2, order_type=1, tif=4, flags=1, price=1234, quantity=77, age_us=55)
    (row,) = build_rows(batch([made.entry(9, 2)])).orders
    assert row[:15] == (key, "alice", "a1", "ACME", 2, 1, 4, 1, 77, 1234, 9, 2, 0, T0_US, 55)
    assert state_of(row) == (1, 0, 0, 0, 77, "", 0, 0, *NO_EVENT)


def test_cancels_between_orders_leave_each_order_its_own_columns() -> None:
    made = Commands()
    first = made.new("alice", "a1", symbol="ACME", quantity=1)
    made.cancel("bob", "c1", first)
    second = made.new("carol", "a2", symbol="BUND", quantity=2, age_us=9)
    rows = {row[0]: row for row in build_rows(batch([made.entry(1)])).orders}
    assert rows[first][1:4] == ("alice", "a1", "ACME")
    assert rows[second][1:4] == ("carol", "a2", "BUND")
    assert (rows[first][12], rows[second][12]) == (0, 2)
    assert (rows[second][8], rows[second][14]) == (2, 9)


def test_order_and_event_in_one_batch_are_one_row_in_its_final_state() -> None:
    made, told = Commands(), Events()
    key = made.new("alice", "a1")
    told.add(ACCEPTED, "alice", key, 5)
    told.add(FILL, "alice", key, 6, status=FILLED, executed=10, leaves=0, version=2, notional="10000")
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]))
    assert state_of(rows.orders[0]) == (FILLED, 0, 0, 10, 0, "10000", 2, 6, 1, 0, ENGINE_US)
    assert rows.updates == []


def test_event_of_an_earlier_order_is_an_update_and_the_last_one_wins() -> None:
    first, second, key = Events(), Events(), key_of("alice", "a1")
    first.add(ACCEPTED, "alice", key, 5)
    second.add(CANCELED, "alice", key, 7, status=CANCELED_STATUS, cause=1, leaves=0, version=2)
    rows = build_rows(batch([], [first.entry(1), second.entry(2)]))
    assert rows.orders == []
    assert rows.updates == [(key, CANCELED_STATUS, 0, 1, 0, 0, "", 2, 7, 2, 0, ENGINE_US)]


@pytest.mark.parametrize("kind", [CANCEL_REJECTED, DUPLICATE, COMMAND_REJECTED])
def test_events_that_change_no_order_change_no_row(kind: int) -> None:
    told, key = Events(), key_of("alice", "a1")
    told.add(ACCEPTED, "alice", key, 5, command=0)
    told.add(kind, "alice", key, 6, command=1, status=OPEN, reason=17)
    rows = build_rows(batch([], [told.entry(1)]))
    assert [(row[8], row[1], row[2]) for row in rows.updates] == [(5, OPEN, 0)]


def test_rejection_carries_its_reason() -> None:
    made, told = Commands(), Events()
    key = made.new("alice", "a1")
    told.add(REJECTED, "alice", key, 1, status=7, reason=19, leaves=0)
    (row,) = build_rows(batch([made.entry(1)], [told.entry(1)])).orders
    assert state_of(row)[:3] == (7, 19, 0)


@pytest.mark.parametrize("together", [True, False])
def test_first_new_order_with_an_id_wins(together: bool) -> None:
    first, second = Commands(), Commands()
    first.new("alice", "a1", quantity=1)
    (first if together else second).new("alice", "a1", quantity=2)
    (row,) = build_rows(batch([first.entry(1), second.entry(2)])).orders
    assert (row[8], row[10], row[12]) == (1, 1, 0)


def test_rows_are_sorted_by_id() -> None:
    made, told = Commands(), Events()
    for n in range(50):
        made.new("alice", f"a{n}")
        told.add(ACCEPTED, "alice", key_of("alice", f"b{n}"), n + 1)
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]))
    for table in (rows.orders, rows.updates):
        assert [row[0] for row in table] == sorted(row[0] for row in table)


def test_trade_names_both_sides() -> None:
    told, maker_id, taker_id = Events(), key_of("alice", "a1"), key_of("bob", "b1")
    maker = told.add(FILL, "alice", maker_id, 11)
    taker = told.add(FILL, "bob", taker_id, 22)
    told.trade(5, maker, taker, symbol="BUND", price=123, quantity=4)
    (row,) = build_rows(batch([], [told.entry(3, 1)])).executions
    assert row == (5, "BUND", 123, 4, 2, maker_id, taker_id, "alice", "bob", 11, 22, 3, 1, ENGINE_US)


def test_frames_are_archived_with_the_engine_time_that_is_known() -> None:
    made, told, late = Commands(), Events(), Events()
    made.new("alice", "a1")
    entries = [made.entry(2), made.entry(3)]
    rows = build_rows(batch(entries, [late.entry(1), told.entry(2)]))
    assert rows.frames == [(2, 0, entries[0].frame, told.engine_time_ns), (3, 0, entries[1].frame, None)]
    assert rows.times == [(1, 0, late.engine_time_ns)]


def test_unreadable_frame_is_a_letter_is_archived_and_spares_its_neighbours() -> None:
    good = Commands()
    good.new("alice", "a1")
    rows = build_rows(batch([Entry(LogId(1, 0), b"\xff", 1), good.entry(2)], [Entry(LogId(2, 0), None, 1)]))
    assert len(rows.orders) == 1
    assert [(x.stream, x.ms, x.place, x.payload) for x in map(Letter._make, rows.letters)] == [
        ("commands", 1, None, b"\xff"),
        ("events", 2, None, None),
    ]
    assert rows.frames[0] == (1, 0, b"\xff", None)


@pytest.mark.parametrize("column", ["account_index", "symbol_index"])
def test_index_outside_of_its_table_is_a_letter(column: str) -> None:
    made = Commands()
    made.new("alice", "a1")
    getattr(made.frame, column)[0] = 9
    rows = build_rows(batch([made.entry(1)]))
    assert rows.orders == []
    assert rows.letters[0].error == "an index points outside of its table"


def test_trade_that_points_nowhere_spoils_its_whole_frame_only() -> None:
    told, fine = Events(), Events()
    told.add(FILL, "alice", key_of("alice", "a1"), 1)
    told.trade(1, 0, 3)
    fine.add(ACCEPTED, "alice", key_of("alice", "a2"), 2)
    rows = build_rows(batch([], [told.entry(1), fine.entry(2)]))
    assert rows.executions == []
    assert [row[8] for row in rows.updates] == [2]
    assert len(rows.letters) == 1


@pytest.mark.parametrize("named", [True, False])
def test_new_order_whose_id_belongs_to_another_command_is_rejected(named: bool) -> None:
    made, told = Commands(), Events()
    made.cancel("alice", "x", bytes(16))
    key = made.new("alice", "x")
    told.add(COMMAND_REJECTED, "alice", key if named else bytes(16), 4, command=1, status=0, reason=14)
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]))
    assert state_of(rows.orders[0]) == (7, 14, 0, 0, 0, "", 0, 4, 1, 0, ENGINE_US)
    assert rows.refusals == []


def test_refused_repeat_of_an_order_does_not_touch_the_order() -> None:
    first, repeat, told = Commands(), Commands(), Events()
    key = first.new("alice", "a1", quantity=10)
    repeat.new("alice", "a1", quantity=20)
    told.add(COMMAND_REJECTED, "alice", key, 4, command=0, reason=14)
    (row,) = build_rows(batch([first.entry(1), repeat.entry(2)], [told.entry(2)])).orders
    assert state_of(row)[:2] == (1, 0)


def test_refusal_of_a_command_of_an_earlier_batch_is_left_to_the_database() -> None:
    told, key = Events(), key_of("alice", "a1")
    told.add(COMMAND_REJECTED, "alice", key, 4, command=2, reason=14)
    told.add(COMMAND_REJECTED, "alice", bytes(16), 5, command=3, reason=14)
    assert build_rows(batch([], [told.entry(6)])).refusals == [
        (key, 6, 0, 2, 14, 4, ENGINE_US),
        (None, 6, 0, 3, 14, 5, ENGINE_US),
    ]


def test_apart_every_row_stems_from_one_stream() -> None:
    made, told = Commands(), Events()
    key = made.new("alice", "a1")
    told.add(ACCEPTED, "alice", key, 5)
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]), combine=False)
    assert state_of(rows.orders[0])[0] == 1
    assert [row[0] for row in rows.updates] == [key]
