"""What became of a command, out of what stands in the log and what the engine told."""

from __future__ import annotations

import pytest

from gateway import fate
from gateway.fate import Trace
from gateway.frames import KEY_BYTES
from gateway.ids import key_text, order_key
from gateway.rows import AMEND_ORDER, CANCEL_ORDER, FENCE, MASS_CANCEL, NEW_ORDER
from gateway.streams import LogId
from gateway.verdicts import Verdict
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2, event_pb2, failure_pb2
from ordergate.v1.order_events_service_pb2 import FollowResponse

NOW_NS = 1_800_000_000_123_456_000
ACCEPTED, REJECTED = event_pb2.EVENT_KIND_ACCEPTED, event_pb2.EVENT_KIND_REJECTED
DUPLICATE, REFUSED = event_pb2.EVENT_KIND_DUPLICATE, event_pb2.EVENT_KIND_COMMAND_REJECTED
FENCED, FILL = event_pb2.EVENT_KIND_FENCED, event_pb2.EVENT_KIND_FILL
CONFLICT, BY_FENCE, STALE = (
    failure_pb2.REASON_ID_CONFLICT,
    failure_pb2.REASON_FENCED,
    failure_pb2.REASON_STALE,
)


def frame(*kinds: int) -> log.CommandFrame:
    """Commands of one account, all with the same id."""
    aimed = sum(kind in {CANCEL_ORDER, AMEND_ORDER} for kind in kinds)
    return log.CommandFrame(
        format=1,
        queued_at_ns=NOW_NS,
        accounts=["b", "a"],
        kinds=bytes(kinds),
        keys=order_key("a", "1") * len(kinds),
        command_ids=["1"] * len(kinds),
        account_index=[1] * len(kinds),
        age_us=[7] * len(kinds),
        targets=b"".join(order_key("a", str(n)) for n in range(aimed)),
    )


def verdict(kind: int, reason: int = 0) -> Verdict:
    failure = failure_pb2.Failure(reason=reason) if reason else None  # type: ignore[arg-type]
    return Verdict(NOW_NS + 5_000, kind, reason, kind == DUPLICATE, None, failure)  # type: ignore[arg-type]


def trace(kind: int, told: Verdict | None, index: int = 0) -> Trace:
    return Trace(0, LogId(1, 2), index, frame(*([kind] * (index + 1))), told)


NEW = trace(NEW_ORDER, None)
OPENED = trace(NEW_ORDER, verdict(ACCEPTED))
STALE_ONE = trace(MASS_CANCEL, verdict(REFUSED, STALE))
REPEATED = trace(NEW_ORDER, verdict(DUPLICATE))
OTHER = trace(CANCEL_ORDER, verdict(REFUSED, CONFLICT))
LATE = trace(NEW_ORDER, verdict(REFUSED, BY_FENCE))
HOLDS = trace(FENCE, verdict(FENCED))
VAIN = trace(FENCE, verdict(DUPLICATE))
UNDER_WAY = trace(FENCE, None)


@pytest.mark.parametrize(
    ("traces", "decided", "undecided"),
    [
        ([], None, None),
        ([NEW], None, NEW),
        ([OPENED], OPENED, None),
        ([STALE_ONE], STALE_ONE, None),
        ([OPENED, REPEATED, NEW], OPENED, NEW),
        ([REPEATED, OTHER], None, None),
        ([REPEATED, NEW], None, NEW),
        ([OPENED, VAIN], OPENED, None),
        ([HOLDS, LATE], HOLDS, None),
        ([LATE], None, None),
        ([UNDER_WAY], None, None),
        ([UNDER_WAY, NEW], None, NEW),
    ],
)
def test_the_first_that_the_engine_decided_on_counts(
    traces: list[Trace], decided: Trace | None, undecided: Trace | None
) -> None:
    assert fate.decided(traces) is decided
    assert fate.undecided(traces) is undecided


def test_an_ack_tells_the_commands_place_and_times_and_how_far_it_came() -> None:
    ack = fate.ack_of(trace(NEW_ORDER, None, index=2))
    assert (ack.command_id, ack.account, ack.order_id) == ("1", "a", key_text(order_key("a", "1")))
    assert (ack.level, ack.position) == (command_pb2.ACK_LEVEL_QUEUED, "0:1-2:2")
    assert ack.queued_at.ToNanoseconds() - ack.received_at.ToNanoseconds() == 7_000
    assert not ack.HasField("engine_at")
    decided = fate.ack_of(OPENED)
    assert (decided.level, decided.HasField("failure")) == (command_pb2.ACK_LEVEL_ENGINE, False)
    assert decided.engine_at.ToNanoseconds() == NOW_NS + 5_000
    stored = fate.ack_of(Trace(0, LogId(1, 2), 0, frame(MASS_CANCEL), verdict(REFUSED, STALE), persisted=True))
    assert (stored.level, stored.failure.reason, stored.order_id) == (command_pb2.ACK_LEVEL_PERSISTED, STALE, "")


def test_a_fence_that_holds_says_that_the_command_had_no_effect() -> None:
    ack = fate.ack_of(HOLDS)
    assert (ack.failure.reason, ack.failure.disposition) == (BY_FENCE, failure_pb2.DISPOSITION_NOT_APPLIED)


def test_the_target_of_a_cancel_is_its_own_among_the_frames() -> None:
    both = frame(CANCEL_ORDER, NEW_ORDER, AMEND_ORDER, MASS_CANCEL, CANCEL_ORDER)
    targets = [fate.target_of(both, index) for index in range(5)]
    a, b, c = (key_text(order_key("a", str(n))) for n in range(3))
    assert targets == [a, key_text(order_key("a", "1")), b, "", c]
    assert len(both.targets) == 3 * KEY_BYTES


def test_events_of_one_id_are_parted_by_the_commands_that_they_answer() -> None:
    kinds = [ACCEPTED, FILL, DUPLICATE, REFUSED, FENCED]
    events = [event_pb2.OrderEvent(seq=n, kind=kind, command_id="1") for n, kind in enumerate(kinds)]  # type: ignore[arg-type]
    events.insert(1, event_pb2.OrderEvent(kind=FILL, command_id="2"))
    for n, event in enumerate(events):
        event.order.order_id, event.order.version = "o", n
    blob = FollowResponse(events=events).SerializeToString()
    told = fate.told_of(blob, "1")
    assert [v.kind for v in told] == [ACCEPTED, DUPLICATE, REFUSED, FENCED]
    assert told[0].order is not None
    assert told[0].order.version == 2
