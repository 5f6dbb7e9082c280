from __future__ import annotations

import pytest

from gateway.frames import FrameError
from gateway.streams import LogId
from gateway.verdicts import read_verdicts
from ordergate.v1 import event_pb2, failure_pb2, order_pb2

from .builder import CANCEL_REJECTED, DUPLICATE, FILL, NOW_NS, EventLog, Told

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


def test_columns_that_disagree_are_refused() -> None:
    frame = EventLog().frame(LogId(1, 0), [Told("a", "1"), Told("a", "2", command=1)])
    frame.account_events[0].events = b""
    with pytest.raises(FrameError):
        read_verdicts(frame, {1})
