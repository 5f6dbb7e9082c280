"""Terms of orders: those beyond the usual, and those that events change."""

from __future__ import annotations

import pytest

from persistence.rows import build_rows
from tests.unit.persistence.frames import (
    ACCEPTED,
    AMEND_REJECTED,
    AMENDED,
    CANCELED,
    CANCELED_STATUS,
    DUPLICATE,
    EXPIRED,
    EXPIRED_STATUS,
    FILL,
    OPEN,
    PARTIAL,
    RESTATED,
    T0_NS,
    TICKED,
    TRIGGERED,
    UNTRIGGERED,
    Commands,
    Events,
    key_of,
)
from tests.unit.persistence.test_rows import batch

END_NS = T0_NS + 3_600_000_000_000
END_US = END_NS // 1000
STATE = slice(15, 26)
MORE = slice(26, None)
REVISED = slice(12, None)
KEY = key_of("alice", "a1")


def test_terms_beyond_the_usual_go_with_their_own_order() -> None:
    made = Commands()
    made.new("alice", "plain")
    made.cancel("alice", "c1", bytes(16))
    key = made.new(
        *("alice", "a1"),
        order_type=4,
        stop_price_ticks=900,
        display_lots=3,
        expire_at_ns=END_NS,
        self_trade_prevention=5,
        stp_group="desk",
        tag="t1",
        session="s1",
        cancel_on_disconnect=True,
    )
    rows = build_rows(batch([made.entry(1)]))
    assert [row[2] for row in rows.orders] == ["plain"]
    (row,) = rows.full_orders
    assert (row[0], row[2], row[5], row[8], row[9], row[12]) == (key, "a1", 4, 10, 1000, 2)
    assert row[STATE] == (1, 0, 0, 0, 10, "", 0, 0, None, None, None)
    assert row[MORE] == (900, 3, END_US, 5, "desk", "t1", "s1", True, None)


def test_order_and_event_in_one_batch_are_one_row_with_its_terms() -> None:
    made, told = Commands(), Events()
    made.new("alice", "a1", order_type=3, price=0, stop_price_ticks=900)
    told.add(ACCEPTED, "alice", KEY, 4, status=UNTRIGGERED)
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]))
    (row,) = rows.full_orders
    assert row[15] == UNTRIGGERED
    assert row[MORE] == (900, 0, 0, 0, "", "", "", False, None)
    assert (rows.orders, rows.updates, rows.full_updates) == ([], [], [])


@pytest.mark.parametrize("together", [True, False])
def test_terms_of_a_repeat_are_not_those_of_the_order(together: bool) -> None:
    first, second = Commands(), Commands()
    first.new("alice", "a1", quantity=1)
    (first if together else second).new("alice", "a1", quantity=2, tag="second")
    rows = build_rows(batch([first.entry(1), second.entry(2)]))
    assert [row[8] for row in rows.orders] == [1]
    assert rows.full_orders == []


@pytest.mark.parametrize("together", [True, False])
def test_a_repeat_without_terms_leaves_the_order_s(together: bool) -> None:
    first, second = Commands(), Commands()
    first.new("alice", "a1", tag="first")
    (first if together else second).new("alice", "a1")
    rows = build_rows(batch([first.entry(1), second.entry(2)]))
    assert rows.orders == []
    assert rows.full_orders[0][31] == "first"


def test_last_terms_of_the_batch_count_though_later_events_have_none() -> None:
    made, told, later = Commands(), Events(), Events()
    made.new("alice", "a1", quantity=10, price=1000, display_lots=4, tag="t")
    told.add(ACCEPTED, "alice", KEY, 4)
    told.add(AMENDED, "alice", KEY, 5, version=2, terms=(8, 1001, 0, 0))
    told.add(AMENDED, "alice", KEY, 6, version=3, leaves=7, terms=(7, 1002, 0, END_NS))
    later.add(FILL, "alice", KEY, 7, status=PARTIAL, executed=3, leaves=4, version=4, notional="3006")
    rows = build_rows(batch([made.entry(1)], [told.entry(1), later.entry(2)]))
    (row,) = rows.full_orders
    assert (row[8], row[9]) == (7, 1002)
    assert row[STATE][:8] == (PARTIAL, 0, 0, 3, 4, "3006", 4, 7)
    assert row[MORE] == (0, 4, END_US, 0, "", "t", "", False, 6)
    assert (rows.orders, rows.updates, rows.full_updates) == ([], [], [])


def test_terms_of_an_order_of_an_earlier_batch() -> None:
    told, other = Events(), key_of("bob", "b1")
    told.add(AMENDED, "alice", KEY, 5, version=2, terms=(8, 1001, 900, END_NS))
    told.add(FILL, "alice", KEY, 6, status=PARTIAL, executed=3, leaves=5, version=3, notional="9")
    told.add(FILL, "bob", other, 6, status=PARTIAL, executed=3, leaves=5, version=3, notional="9")
    rows = build_rows(batch([], [told.entry(1)]))
    assert [row[0] for row in rows.updates] == [other]
    (row,) = rows.full_updates
    assert row[:9] == (KEY, PARTIAL, 0, 0, 3, 5, "9", 3, 6)
    assert row[REVISED] == (8, 1001, 900, END_US, 5)


@pytest.mark.parametrize("kind", [DUPLICATE, AMEND_REJECTED])
def test_terms_that_an_event_only_shows_are_no_news(kind: int) -> None:
    told = Events()
    told.add(kind, "alice", KEY, 5, terms=(8, 1001, 0, 0))
    rows = build_rows(batch([], [told.entry(1)]))
    assert (rows.updates, rows.full_updates) == ([], [])


@pytest.mark.parametrize(
    ("kind", "status"),
    [(EXPIRED, EXPIRED_STATUS), (AMENDED, OPEN), (TRIGGERED, OPEN), (RESTATED, OPEN), (CANCELED, CANCELED_STATUS)],
)
def test_events_that_change_the_state(kind: int, status: int) -> None:
    told = Events()
    told.add(kind, "alice", KEY, 5, status=status, cause=5, leaves=3, version=2)
    (row,) = build_rows(batch([], [told.entry(1)])).updates
    assert row[1:9] == (status, 0, 5, 0, 3, "", 2, 5)


def test_a_tick_makes_no_rows_but_the_archived_frame() -> None:
    made, told = Commands(), Events()
    made.tick()
    told.operation(TICKED, "_ordergate", 1)
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]))
    assert (rows.orders, rows.full_orders, rows.updates, rows.operations, rows.letters) == ([], [], [], [], [])
    assert len(rows.frames) == 1


def test_apart_terms_of_events_are_not_folded_into_the_order() -> None:
    made, told = Commands(), Events()
    made.new("alice", "a1", quantity=10, tag="t")
    made.new("alice", "a2", quantity=10)
    told.add(AMENDED, "alice", KEY, 5, version=2, terms=(8, 1001, 0, 0))
    told.add(ACCEPTED, "alice", key_of("alice", "a2"), 6, terms=(10, 1000, 0, END_NS))
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]), combine=False)
    assert [(row[0], row[8], row[31], row[-1]) for row in rows.full_orders] == [(KEY, 10, "t", None)]
    assert [row[2] for row in rows.orders] == ["a2"]
    assert {row[0]: row[12] for row in rows.full_updates} == {KEY: 8, key_of("alice", "a2"): 10}
    assert rows.updates == []


def test_rows_with_terms_are_sorted_by_id() -> None:
    made, told = Commands(), Events()
    for n in range(50):
        made.new("alice", f"a{n}", tag="t")
        told.add(AMENDED, "alice", key_of("alice", f"b{n}"), n + 1, terms=(1, 1, 0, 0))
    rows = build_rows(batch([made.entry(1)], [told.entry(1)]))
    for table in (rows.full_orders, rows.full_updates):
        assert [row[0] for row in table] == sorted(row[0] for row in table)
        assert len(table) == 50
