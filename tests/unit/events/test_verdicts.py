from __future__ import annotations

import pytest

from gateway.frames import FrameError
from gateway.streams import LogId
from gateway.verdicts import Verdict, read_verdicts
from ordergate.v1 import event_pb2, failure_pb2, limits_pb2, order_pb2

from .builder import (
    AMENDED,
    CANCEL_REJECTED,
    CANCELED,
    DUPLICATE,
    EXPIRED,
    FILL,
    LIMITS,
    MASS_CANCEL_DONE,
    NOW_NS,
    TRADING_STATE,
    TRIGGERED,
    EventLog,
    Told,
)

FILLED = order_pb2.ORDER_STATUS_FILLED


def test_a_verdict_is_the_first_event_with_the_order_as_it_is_after_the_last() -> None:
    frame = EventLog().frame(
        LogId(1, 0),
        [
            Told("maker", "m0", command=0),
            Told("taker", "t", command=1),
            Told("maker", "m0", FILL, command=1, executed=3, status=FILLED),
            Told("taker", "t", FILL, command=1, executed=3, status=FILLED),
            Told("maker", "m1", FILL, command=1, executed=1, status=FILLED),
            Told("maker", "gone", CANCEL_REJECTED, command=2, reason=failure_pb2.REASON_TOO_LATE),
            Told("taker", "t", DUPLICATE, command=3, executed=3, status=FILLED),
            Told("maker", "", event_pb2.EVENT_KIND_COMMAND_REJECTED, 4, reason=failure_pb2.REASON_ID_CONFLICT),
        ],
    )
    verdicts = read_verdicts(frame, {1, 2, 3, 4, 9})
    assert sorted(verdicts) == [1, 2, 3, 4]
    taken = verdicts[1]
    assert (taken.engine_time_ns, taken.kind, taken.duplicate) == (NOW_NS, event_pb2.EVENT_KIND_ACCEPTED, False)
    assert taken.order is not None
    assert (taken.order.client_order_id, taken.order.status, taken.order.last_event_seq) == ("t", FILLED, 2)
    assert taken.failure is None
    assert taken.reason == failure_pb2.REASON_UNSPECIFIED
    refused = verdicts[2]
    assert (refused.kind, refused.reason) == (CANCEL_REJECTED, failure_pb2.REASON_TOO_LATE)
    assert refused.failure is not None
    assert refused.failure.text == "refused"
    assert verdicts[3].duplicate
    assert verdicts[3].order is not None
    assert verdicts[4].order is None
    assert verdicts[4].reason == failure_pb2.REASON_ID_CONFLICT


def verdict_of(*rows: Told, command: int = 0) -> Verdict | None:
    """The verdict on one command of a frame with these events."""
    return read_verdicts(EventLog().frame(LogId(1, 0), list(rows)), {command}).get(command)


def test_what_expired_before_the_first_command_is_not_its_answer() -> None:
    verdict = verdict_of(
        Told("a", "old", EXPIRED, status=order_pb2.ORDER_STATUS_EXPIRED, answers=False), Told("a", "new", answers=True)
    )
    assert verdict is not None
    assert verdict.kind == event_pb2.EVENT_KIND_ACCEPTED
    assert verdict.order is not None
    assert verdict.order.client_order_id == "new"


def test_a_triggered_stop_of_the_same_account_is_not_the_commands_order() -> None:
    verdict = verdict_of(
        Told("a", "taker", answers=True),
        Told("b", "maker", FILL, answers=False),
        Told("a", "taker", FILL, executed=3, status=FILLED, answers=True),
        Told("a", "stop", TRIGGERED, answers=False),
        Told("a", "stop", FILL, executed=7, answers=False),
    )
    assert verdict is not None
    assert verdict.order is not None
    assert (verdict.order.client_order_id, verdict.order.status) == ("taker", FILLED)


def test_an_amend_that_trades_shows_the_order_after_its_last_fill() -> None:
    verdict = verdict_of(
        Told("a", "x", AMENDED, answers=True),
        Told("b", "maker", FILL, answers=False),
        Told("a", "x", FILL, executed=5, status=FILLED, answers=True),
    )
    assert verdict is not None
    assert verdict.kind == AMENDED
    assert verdict.order is not None
    assert (verdict.order.status, verdict.order.last_event_seq) == (FILLED, 2)


def test_a_mass_cancel_is_answered_by_its_end_and_shows_no_order() -> None:
    done = event_pb2.OrderEvent(mass_cancel=event_pb2.MassCancelResult(matched=2, canceled=1))
    verdict = verdict_of(
        Told("a", "1", CANCELED, answers=False),
        Told("a", "", MASS_CANCEL_DONE, answers=True, details=done),
    )
    assert verdict is not None
    assert (verdict.kind, verdict.order, verdict.failure) == (MASS_CANCEL_DONE, None, None)
    assert verdict.mass_cancel == done.mass_cancel


@pytest.mark.parametrize("closing_answers", [True, False])
def test_a_trading_state_is_answered_by_itself_and_tells_what_was_canceled(closing_answers: bool) -> None:
    done = event_pb2.OrderEvent(mass_cancel=event_pb2.MassCancelResult(matched=3, canceled=3))
    verdict = verdict_of(
        Told("_ordergate", "", TRADING_STATE, answers=True),
        Told("a", "1", CANCELED, answers=False),
        Told("_ordergate", "", MASS_CANCEL_DONE, answers=closing_answers, details=done),
    )
    assert verdict is not None
    assert (verdict.kind, verdict.order) == (TRADING_STATE, None)
    assert verdict.mass_cancel == done.mass_cancel


def test_limits_that_were_set_are_shown() -> None:
    limits = limits_pb2.Limits(max_open_orders=7)
    verdict = verdict_of(Told("a", "", LIMITS, answers=True, details=event_pb2.OrderEvent(limits=limits)))
    assert verdict is not None
    assert verdict.limits == limits


def test_a_command_that_nothing_answers_has_no_verdict() -> None:
    assert verdict_of(Told("a", "1", EXPIRED, answers=False), Told("a", "2", command=1, answers=True)) is None


def test_columns_that_disagree_are_refused() -> None:
    frame = EventLog().frame(LogId(1, 0), [Told("a", "1"), Told("a", "2", command=1)])
    frame.account_events[0].events = b""
    with pytest.raises(FrameError):
        read_verdicts(frame, {1})


def test_a_column_of_answers_that_is_too_short_is_refused() -> None:
    frame = EventLog().frame(LogId(1, 0), [Told("a", "1", answers=True), Told("a", "2", answers=True)])
    frame.answers = b"\1"
    with pytest.raises(FrameError):
        read_verdicts(frame, {1})
