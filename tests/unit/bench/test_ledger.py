from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import pytest

from bench.demo.ledger import ACKED, REFUSED, UNKNOWN, Ledger, Trade
from bench.demo.replay import agreed
from bench.demo.result import percentiles
from bench.tape.records import Fill, Tape
from ordergate.v1 import command_pb2, event_pb2, failure_pb2, order_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

OPEN, FILLED = order_pb2.ORDER_STATUS_OPEN, order_pb2.ORDER_STATUS_FILLED


def ledger(orders: int = 2) -> Ledger:
    books = Ledger("r", ["a", "b"])
    for number in range(orders):
        assert books.new(number % 2) == f"r-{number}"
    return books


def ack(number: int, **fields: Any) -> command_pb2.Ack:
    return command_pb2.Ack(command_id=f"r-{number}", **fields)


def refused(number: int, reason: str, disposition: str) -> command_pb2.Ack:
    failure = failure_pb2.Failure(reason=f"REASON_{reason}", disposition=f"DISPOSITION_{disposition}")
    return ack(number, failure=failure)


def event(seq: int, number: int, kind: str = "ACCEPTED", **fields: Any) -> event_pb2.OrderEvent:
    order = order_pb2.Order(
        client_order_id=f"r-{number}",
        account="ab"[number % 2],
        status=fields.pop("status", OPEN),
        executed_quantity=fields.pop("executed", "0.00"),
        leaves_quantity=fields.pop("leaves", "1.50"),
    )
    fields = {"command_id": f"r-{number}", "cursor": f"0:7-{seq}:0", "order": order, **fields}
    return event_pb2.OrderEvent(seq=seq, kind=f"EVENT_KIND_{kind}", **fields)


def fill(trade: str, price: str, quantity: str, side: str) -> event_pb2.Fill:
    return event_pb2.Fill(trade_id=trade, price=price, quantity=quantity, liquidity=f"LIQUIDITY_{side}")


def trade(
    books: Ledger, *, maker_price: str = "1.00", taker_price: str = "1.00", sides: Sequence[int] = (0, 1)
) -> None:
    both = [
        event(2, 0, "FILL", status=FILLED, command_id="", fill=fill("0-9", maker_price, "1.50", "MAKER")),
        event(2, 1, "FILL", status=FILLED, fill=fill("0-9", taker_price, "1.50", "TAKER")),
    ]
    books.on_events([event(1, 0), event(1, 1), *(both[side] for side in sides)])


def test_acks_are_counted_by_what_became_of_the_command() -> None:
    books = ledger(3)
    books.on_acks([ack(0, level=1), refused(1, "INVALID_FIELD", "NOT_APPLIED"), refused(2, "QUEUE_FULL", "UNKNOWN")])
    assert list(books.state) == [ACKED, REFUSED, UNKNOWN]
    assert books.rejected == {"INVALID_FIELD": 1, "QUEUE_FULL": 1}
    assert len(books.latencies_s) == 3
    assert books.faults.count == 0


@pytest.mark.parametrize("number", [0, 5])
def test_an_ack_that_is_not_due_is_a_fault(number: int) -> None:
    books = ledger(1)
    books.on_acks([ack(0, level=1)])
    books.on_acks([ack(number, level=1)])
    assert books.faults.count == 1


def test_events_are_awaited_for_acknowledged_commands_only_and_may_come_before_the_ack() -> None:
    books = ledger(3)
    books.on_acks([ack(0, level=1), refused(1, "STALE", "NOT_APPLIED")])
    assert books.awaited == 1
    books.on_events([event(1, 0), event(2, 2)])
    assert books.awaited == 0
    books.on_acks([ack(2, level=1)])
    assert books.awaited == 0


def test_the_last_event_that_changed_an_order_is_its_state() -> None:
    books = ledger(1)
    books.on_events([event(1, 0), event(2, 0, "CANCELED", status=5, executed="0.50", leaves="0.00")])
    late = event(3, 0, "CANCEL_REJECTED", status=5, executed="0.50", leaves="0.00", failure={"reason": 17})
    books.on_events([late])
    assert (books.status[0], books.executed[0], books.leaves[0], books.seq[0]) == (5, 50, 0, 2)
    assert books.rejected == {"TOO_LATE": 1}
    assert books.positions == {0: (7, 3)}


@pytest.mark.parametrize("second", [1, 3])
def test_a_gap_or_a_repeat_in_an_account_s_events_is_a_fault(second: int) -> None:
    books = ledger(2)
    books.on_events([event(1, 0), event(8, 1), event(second, 0), event(9, 1)])
    assert books.faults.count == 1
    assert "account a" in books.faults.told[0]


def test_a_trade_needs_both_sides_alike() -> None:
    books = ledger()
    trade(books)
    assert books.trades() == {(0, 9): Trade(0, 1, 100, 150)}
    assert books.faults.count == 0


@pytest.mark.parametrize("told", [{"taker_price": "1.01"}, {"sides": (0,)}, {"sides": (1,)}])
def test_a_trade_told_on_one_side_or_differently_is_a_fault(told: Any) -> None:
    books = ledger()
    trade(books, **told)
    assert books.trades() == {}
    assert books.faults.count == 1


def test_only_the_exchange_s_fills_in_their_order_agree() -> None:
    tape = Tape(fills={50: [Fill(10, 5, 1), Fill(11, 5, 2)], 60: [Fill(12, 6, 3)]})
    numbers = {10: 0, 11: 1, 12: 2, 50: 3, 60: 4}
    right = [((0, 1), Trade(0, 3, 5, 1)), ((0, 2), Trade(1, 3, 5, 2)), ((0, 3), Trade(2, 4, 6, 3))]
    swapped = [((0, 1), Trade(1, 3, 5, 2)), ((0, 2), Trade(0, 3, 5, 1)), right[2]]
    extra = [*right, ((0, 4), Trade(2, 4, 6, 1))]
    counts = [agreed(tape, numbers, trades, []) for trades in (right, swapped, right[1:], extra, [])]
    assert counts == [3, 1, 1, 2, 0]


def test_percentiles() -> None:
    assert percentiles(array("f")) == (0.0, 0.0)
    assert percentiles(array("d", [i / 100 for i in range(101)])) == (0.5, 0.99)
