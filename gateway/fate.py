"""What became of a command: its places in the log and what the engine told about them. Pure.

A command_id may stand in the log several times: the command, its repeats, commands that took the id a second time, and
fences. What counts is the first one, and that is the one of which the engine told a decision of its own; to all
others it told that the id was known (`is_repeat`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.frames import KEY_BYTES, FrameError, timestamp
from gateway.ids import key_text
from gateway.rows import AMEND_ORDER, CANCEL_ORDER, FENCE, NEW_ORDER
from gateway.streams import Cursor, LogId
from gateway.verdicts import Verdict
from ordergate.v1 import command_pb2, event_pb2, failure_pb2
from ordergate.v1.order_events_service_pb2 import FollowResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ordergate.log.v1.command_frame_pb2 import CommandFrame

KNOWN = frozenset({failure_pb2.REASON_ID_CONFLICT, failure_pb2.REASON_FENCED})
"""Reasons for which a command is refused because its id was known."""

FENCED = failure_pb2.Failure(
    reason=failure_pb2.REASON_FENCED,
    disposition=failure_pb2.DISPOSITION_NOT_APPLIED,
    field="command_id",
    text="never seen, and made unusable: the command had no effect and never will",
)

NOT_SEEN = failure_pb2.Failure(
    reason=failure_pb2.REASON_NOT_FOUND,
    disposition=failure_pb2.DISPOSITION_UNKNOWN,
    field="command_id",
    text="never seen up to now; a copy that is still under way may come: send the command again, or ask with fence",
)


@dataclass(frozen=True, slots=True)
class Trace:
    """One command with the id in the log."""

    shard: int
    place: LogId
    index: int
    frame: CommandFrame
    verdict: Verdict | None
    """What the engine told; None: nothing yet."""
    persisted: bool = False
    """Whether Postgres holds what the engine told."""

    @property
    def kind(self) -> int:
        """CommandKind."""
        return self.frame.kinds[self.index]

    @property
    def fenced(self) -> bool:
        """True if it is a fence that holds."""
        return self.verdict is not None and self.verdict.kind == event_pb2.EVENT_KIND_FENCED


def is_repeat(verdict: Verdict) -> bool:
    """Whether the engine told only that the id was known before."""
    if verdict.kind == event_pb2.EVENT_KIND_COMMAND_REJECTED:
        return verdict.reason in KNOWN
    return verdict.kind == event_pb2.EVENT_KIND_DUPLICATE


def decided(traces: Iterable[Trace]) -> Trace | None:
    """The one that the engine decided on, if it is among them. A fence that another one came before counts, too."""
    return next((t for t in traces if t.verdict is not None and not is_repeat(t.verdict)), None)


def undecided(traces: Iterable[Trace]) -> Trace | None:
    """The first that the engine has not told anything of, and that is no fence."""
    return next((t for t in traces if t.verdict is None and t.kind != FENCE), None)


def target_of(frame: CommandFrame, index: int) -> str:
    """Id of the order that a command is about; empty if it is about none.

    Raises:
        FrameError: the frame's columns disagree.
    """
    kind = frame.kinds[index]
    if kind == NEW_ORDER:
        return key_text(frame.keys[KEY_BYTES * index : KEY_BYTES * (index + 1)])
    if kind not in {CANCEL_ORDER, AMEND_ORDER}:
        return ""
    row = sum(frame.kinds.count(aimed, 0, index) for aimed in (CANCEL_ORDER, AMEND_ORDER))
    key = frame.targets[KEY_BYTES * row : KEY_BYTES * (row + 1)]
    if len(key) != KEY_BYTES:
        raise FrameError(f"targets: none for command {index}")
    return key_text(key)


def ack_of(trace: Trace) -> command_pb2.Ack:
    """The ack that tells of a trace, as far as it came.

    Raises:
        FrameError: the frame's columns disagree.
    """
    frame, index = trace.frame, trace.index
    try:
        ack = command_pb2.Ack(
            command_id=frame.command_ids[index],
            account=frame.accounts[frame.account_index[index]],
            order_id=target_of(frame, index),
            level=command_pb2.ACK_LEVEL_QUEUED,
            position=str(Cursor(trace.shard, trace.place, index)),
            received_at=timestamp(frame.queued_at_ns - 1000 * frame.age_us[index]),
            queued_at=timestamp(frame.queued_at_ns),
        )
    except IndexError as error:
        raise FrameError(f"command {index}: {error!r}") from None
    if trace.verdict is not None:
        _tell(ack, trace.verdict, persisted=trace.persisted)
    return ack


def _tell(ack: command_pb2.Ack, verdict: Verdict, *, persisted: bool) -> None:
    ack.level = command_pb2.ACK_LEVEL_PERSISTED if persisted else command_pb2.ACK_LEVEL_ENGINE
    ack.engine_at.CopyFrom(timestamp(verdict.engine_time_ns))
    ack.duplicate = verdict.duplicate
    if verdict.order is not None:
        ack.order.CopyFrom(verdict.order)
    if verdict.kind == event_pb2.EVENT_KIND_FENCED:
        ack.failure.CopyFrom(FENCED)
    elif verdict.failure is not None:
        ack.failure.CopyFrom(verdict.failure)


def told_of(events: bytes, command_id: str) -> list[Verdict]:
    """What an account's events of one frame tell of commands with the id, each with its order after its last event.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no events.
    """
    told = [e for e in FollowResponse.FromString(events).events if e.command_id == command_id]
    verdicts: list[list[event_pb2.OrderEvent]] = []
    for event in told:
        if not verdicts or _opens(event):
            verdicts.append([event])
        else:
            verdicts[-1].append(event)
    return [_verdict(group) for group in verdicts]


def _opens(event: event_pb2.OrderEvent) -> bool:
    """Whether another command with the same id is told of from here on: to all but the first, only this is told."""
    return event.kind in {
        event_pb2.EVENT_KIND_DUPLICATE,
        event_pb2.EVENT_KIND_COMMAND_REJECTED,
        event_pb2.EVENT_KIND_FENCED,
    }


def _verdict(events: Sequence[event_pb2.OrderEvent]) -> Verdict:
    first = events[0]
    last = next(e for e in reversed(events) if e.order.order_id == first.order.order_id)
    done = next((e.mass_cancel for e in events if e.HasField("mass_cancel")), None)
    return Verdict(
        first.engine_at.ToNanoseconds(),
        first.kind,
        first.failure.reason,
        first.kind == event_pb2.EVENT_KIND_DUPLICATE,
        last.order if last.HasField("order") else None,
        first.failure if first.HasField("failure") else None,
        done,
        first.limits if first.HasField("limits") else None,
    )
