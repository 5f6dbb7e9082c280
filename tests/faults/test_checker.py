"""The checker itself: a run that is right has no findings, and each planted fault is found for what it is."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from tests.faults.checker import check
from tests.faults.evidence import Command, Database, Engine, Evidence, Letter, Level, LogId, OrderRow, Trade
from tests.faults.history import Step, Told, What

if TYPE_CHECKING:
    from collections.abc import Callable

F1, F2, F3 = LogId(1, 0), LogId(2, 0), LogId(3, 0)


def order_event(seq: int, kind: str, client_id: str, account: str = "a", **more: object) -> Told:
    side = {"a": "BUY", "b": "SELL"}[account]
    usual = {"symbol": "ACME", "side": side, "quantity": "5", "limit_price": "10", "client_order_id": client_id}
    return Told(account, seq, kind, **{"command_id": client_id, "order_id": f"id-{client_id}", **usual, **more})  # type: ignore[arg-type]


EVENTS = [
    order_event(1, "ACCEPTED", "a1", status="OPEN", executed="0", leaves="5", version=1),
    order_event(1, "ACCEPTED", "b1", "b", status="OPEN", executed="0", leaves="5", version=1),
    order_event(
        2, "FILL", "a1", command_id="", status="PARTIALLY_FILLED", executed="3", leaves="2", version=2,
        trade_id="0-1", fill_quantity="3", fill_price="10", liquidity="MAKER",
    ),
    order_event(
        2, "FILL", "b1", "b", status="PARTIALLY_FILLED", executed="3", leaves="2", version=2,
        trade_id="0-1", fill_quantity="3", fill_price="10", liquidity="TAKER",
    ),
    order_event(3, "CANCELED", "b1", "b", command_id="b2", status="CANCELED", executed="3", leaves="0", version=3),
]  # fmt: skip


def steps_of(account: str, events: list[Told], *commands: tuple[str, str]) -> list[Step]:
    steps = []
    for op, command_id in commands:
        steps.append(Step(0.0, f"client-{account}", What.INVOKE, command_id, account, op))
        steps.append(Step(0.1, f"client-{account}", What.OK, command_id, account, level="QUEUED"))
    return steps + [Step(0.2, f"client-{account}", What.EVENT, told=e) for e in events if e.account == account]


def right() -> tuple[list[Step], Evidence]:
    """A run in which a buys 5, b sells 3 of 5 to a and cancels the rest, and all is as it should be."""
    steps = steps_of("a", EVENTS, ("new", "a1")) + steps_of("b", EVENTS, ("new", "b1"), ("cancel", "b2"))
    # A probe's order whose outcome nobody knows, and which was never stored; one that was refused.
    steps += [
        Step(0.0, "client-a", What.INVOKE, "a9", "a", "new"),
        Step(0.1, "client-a", What.UNKNOWN, "a9", "a", reason="QUEUE_UNAVAILABLE"),
        Step(0.0, "client-a", What.INVOKE, "a8", "a", "new"),
        Step(0.1, "client-a", What.FAILED, "a8", "a", reason="QUEUE_FULL"),
    ]
    engine = Engine("hash", F3, 3, 1, 1)
    row = OrderRow("id-a1", "a", "a1", "ACME", "BUY", "PARTIALLY_FILLED", "5", "10", "3", "2", 2, 2)
    return steps, Evidence(
        commands=[
            Command(F1, 0, "NEW_ORDER", "a", "a1", "id-a1"),
            Command(F2, 0, "NEW_ORDER", "b", "b1", "id-b1"),
            Command(F3, 0, "CANCEL_ORDER", "b", "b2", "key-b2"),
        ],
        payloads=[(F1, "x"), (F2, "y"), (F3, "z")],
        events=list(EVENTS),
        database=Database(
            orders=[row, OrderRow("id-b1", "b", "b1", "ACME", "SELL", "CANCELED", "5", "10", "3", "0", 3, 3)],
            trades=[Trade("0-1", "ACME", "10", "3", "id-a1", "id-b1", 2, 2)],
            commands_upto=F3,
            events_upto=F3,
        ),
        engine=engine,
        replayed=copy.copy(engine),
        book=[Level("ACME", "BUY", "10", "2")],
    )


def test_a_run_in_which_all_is_right_has_no_findings() -> None:
    verdict = check(*right())
    assert verdict.findings == []
    assert verdict.last_line == "lost 0, duplicated 0, mismatched 0"
    assert (verdict.operations, verdict.acknowledged, verdict.refused, verdict.unknown) == (5, 3, 1, 1)


def test_an_order_of_unknown_outcome_may_be_there_once() -> None:
    steps, evidence = right()
    steps = [s for s in steps if not (s.what is What.OK and s.command_id == "a1")]
    verdict = check(steps, evidence)
    assert verdict.findings == []
    assert verdict.unknown == 2


def test_an_order_that_was_fenced_has_no_effect_though_it_comes_later() -> None:
    steps, evidence = right()
    steps.append(Step(0.2, "client-a", What.FENCED, "a9", "a", reason="settled"))
    evidence.commands += [
        Command(LogId(4, 0), 0, "FENCE", "a", "a9", "id-a9"),
        Command(LogId(5, 0), 0, "NEW_ORDER", "a", "a9", "id-a9"),
    ]
    told = [order_event(3, "FENCED", "a9", order_id=""), order_event(4, "COMMAND_REJECTED", "a9", order_id="")]
    evidence.events += told
    steps += [Step(0.2, "client-a", What.EVENT, told=event) for event in told]
    row = OrderRow("id-a9", "a", "a9", "ACME", "BUY", "REJECTED", "5", "10", "0", "0", 0, 4)
    evidence.database.orders.append(row)
    verdict = check(steps, evidence)
    assert verdict.findings == []
    assert (verdict.fenced, verdict.unknown) == (1, 0)


def test_a_row_that_is_among_the_dead_letters_is_not_lost() -> None:
    steps, evidence = right()
    del evidence.database.orders[1]
    evidence.database.letters.append(Letter("commands", F2, 0, "CheckViolationError"))
    # Its retry is in the log, too, and has no letter of its own.
    evidence.commands.append(Command(LogId(4, 0), 0, "NEW_ORDER", "b", "b1", "id-b1"))
    evidence.payloads.append((LogId(4, 0), "w"))
    assert check(steps, evidence).findings == []


def _lose_command(steps: list[Step], evidence: Evidence) -> None:
    del evidence.commands[2]


def _lose_row(steps: list[Step], evidence: Evidence) -> None:
    del evidence.database.orders[1]


def _answer_nothing(steps: list[Step], evidence: Evidence) -> None:
    evidence.events[4] = evidence.events[4]._replace(command_id="", kind="RESTATED")


def _lose_trade(steps: list[Step], evidence: Evidence) -> None:
    evidence.database.trades.clear()


def _leave_a_gap(steps: list[Step], evidence: Evidence) -> None:
    steps[:] = [s for s in steps if not (s.told and s.told.account == "a" and s.told.seq == 1)]


def _stop_short(steps: list[Step], evidence: Evidence) -> None:
    steps[:] = [s for s in steps if not (s.told and s.told.account == "b" and s.told.seq == 3)]


def _tell_twice(steps: list[Step], evidence: Evidence) -> None:
    steps += [s for s in steps if s.told and s.told.account == "a" and s.told.seq == 2]


def _tell_otherwise(steps: list[Step], evidence: Evidence) -> None:
    last = next(s for s in steps if s.told and s.told.account == "b" and s.told.seq == 3)
    assert last.told
    last.told = last.told._replace(leaves="1")


def _append_twice(steps: list[Step], evidence: Evidence) -> None:
    evidence.payloads.append((LogId(4, 0), "z"))


def _execute_twice(steps: list[Step], evidence: Evidence) -> None:
    evidence.events.append(EVENTS[0]._replace(seq=3))


def _fill_beyond(steps: list[Step], evidence: Evidence) -> None:
    for place in (2, 3):
        event = evidence.events[place]._replace(fill_quantity="6", executed="6")
        evidence.events[place] = event


def _fill_after_cancel(steps: list[Step], evidence: Evidence) -> None:
    evidence.events += [
        EVENTS[2]._replace(seq=3, trade_id="0-2", fill_quantity="1", executed="4"),
        EVENTS[3]._replace(seq=4, trade_id="0-2", fill_quantity="1", executed="4"),
    ]


def _fill_one_side(steps: list[Step], evidence: Evidence) -> None:
    evidence.events[3] = evidence.events[3]._replace(fill_quantity="2", executed="2")


def _row_twice(steps: list[Step], evidence: Evidence) -> None:
    evidence.database.orders.append(evidence.database.orders[0])


def _trade_twice(steps: list[Step], evidence: Evidence) -> None:
    evidence.database.trades *= 2


def _row_of_nobody(steps: list[Step], evidence: Evidence) -> None:
    row = evidence.database.orders[0]
    evidence.database.orders.append(row._replace(order_id="id-x", client_order_id="x"))


def _row_behind(steps: list[Step], evidence: Evidence) -> None:
    evidence.database.orders[0] = evidence.database.orders[0]._replace(executed="0", leaves="5", version=1)


def _refused_yet_stored(steps: list[Step], evidence: Evidence) -> None:
    evidence.commands.append(Command(LogId(4, 0), 0, "NEW_ORDER", "a", "a8", "id-a8"))
    evidence.events.append(order_event(3, "REJECTED", "a8", order_id="", status="REJECTED"))


def _other_book(steps: list[Step], evidence: Evidence) -> None:
    evidence.book[0] = Level("ACME", "BUY", "10", "5")


def _forget_open_order(steps: list[Step], evidence: Evidence) -> None:
    evidence.engine.open_orders = evidence.replayed.open_orders = 0


def _other_state(steps: list[Step], evidence: Evidence) -> None:
    evidence.replayed.state_hash = "other"


def _other_events_in_database(steps: list[Step], evidence: Evidence) -> None:
    evidence.database.events = [*EVENTS[:4]]


def _unreadable(steps: list[Step], evidence: Evidence) -> None:
    evidence.faults.append(("mismatched", "frame 1-0 has other bytes in the archive"))


def _fence_in_vain(steps: list[Step], evidence: Evidence) -> None:
    steps.append(Step(0.2, "client-a", What.FENCED, "a1", "a", reason="settled"))


PLANTED = {
    _fence_in_vain: {("mismatched", "fenced"), ("lost", "fenced")},
    _lose_command: {("lost", "acknowledged")},
    _lose_row: {("lost", "acknowledged"), ("lost", "rows")},
    _answer_nothing: {("lost", "once")},
    _lose_trade: {("lost", "fills")},
    _leave_a_gap: {("lost", "stream")},
    _stop_short: {("lost", "stream")},
    _tell_twice: {("duplicated", "stream")},
    _tell_otherwise: {("mismatched", "stream")},
    _append_twice: {("duplicated", "log")},
    _execute_twice: {("duplicated", "once")},
    _fill_beyond: {("duplicated", "fills")},
    _fill_after_cancel: {("mismatched", "fills")},
    _fill_one_side: {("mismatched", "fills")},
    _row_twice: {("duplicated", "once")},
    _trade_twice: {("duplicated", "fills")},
    _row_of_nobody: {("mismatched", "never sent"), ("mismatched", "rows"), ("mismatched", "open orders")},
    _row_behind: {("mismatched", "rows")},
    _refused_yet_stored: {("mismatched", "refused")},
    _other_book: {("mismatched", "open orders")},
    _forget_open_order: {("mismatched", "open orders")},
    _other_state: {("mismatched", "replay")},
    _other_events_in_database: {("lost", "database events")},
    _unreadable: {("mismatched", "reading")},
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_planted_fault_is_found(plant: Callable[[list[Step], Evidence], None]) -> None:
    steps, evidence = right()
    plant(steps, evidence)
    verdict = check(steps, evidence)
    found = {(finding.kind, finding.rule) for finding in verdict.findings}
    assert PLANTED[plant] <= found
    assert verdict.last_line != "lost 0, duplicated 0, mismatched 0"
