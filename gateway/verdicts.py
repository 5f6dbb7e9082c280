"""What the engine decided on single commands, for those who wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import structlog
from google.protobuf.message import DecodeError
from redis.exceptions import RedisError

from gateway.entries import read_one
from gateway.errors import AckTimeout, Internal, OrdergateError
from gateway.frames import KEY_BYTES, FrameError, read_event_frame
from ordergate.v1 import event_pb2, failure_pb2, limits_pb2, order_events_service_pb2, order_pb2

if TYPE_CHECKING:
    from collections.abc import Container

    from redis.asyncio import Redis

    from gateway.streams import Keys, LogId
    from ordergate.log.v1 import event_frame_pb2

log = structlog.get_logger(__name__)

_RETRY_S = 0.2

_MASS_CANCEL_DONE = event_pb2.EVENT_KIND_MASS_CANCEL_DONE


class Verdict(NamedTuple):
    """The engine's decision on one command."""

    engine_time_ns: int
    """Engine time of it, ns since 1970."""
    kind: event_pb2.EventKind.ValueType
    """Kind of the command's answer."""
    reason: failure_pb2.Reason.ValueType
    """Why the command was refused; REASON_UNSPECIFIED if it was not."""
    duplicate: bool
    """True if the engine had seen the command before and did nothing now."""
    order: order_pb2.Order | None
    """The command's order after the command's last event about it; None if there is no order to show."""
    failure: failure_pb2.Failure | None
    """Why the command was refused, in full; None if it was not."""
    mass_cancel: event_pb2.MassCancelResult | None = None
    """What the command canceled; None if it was no mass cancel, and no trading state that cancels."""
    limits: limits_pb2.Limits | None = None
    """The limits that the command set; None if it set none."""


class VerdictDesk:
    """Who waits for the engine's decision on which command of one shard."""

    def __init__(self, keys: Keys, redis: Redis) -> None:
        self._keys = keys
        self._redis = redis
        self._waiting: dict[LogId, dict[int, asyncio.Future[Verdict]]] = {}
        self._late: deque[LogId] = deque()
        self._asked = asyncio.Event()

    def expect(self, frame_id: LogId, index: int, *, known: bool) -> asyncio.Future[Verdict]:
        """The decision on command `index` of the frame.

        The future fails with `AckTimeout` if the events are not kept any more, with `Internal` if they can't be read.

        Args:
            frame_id: id of the command frame.
            index: of the command in it.
            known: True if the frame's events went by already: they are then read from the log.
        """
        waiting = self._waiting.setdefault(frame_id, {})
        future = waiting.get(index)
        if future is None or future.done():
            future = waiting[index] = asyncio.get_running_loop().create_future()
        if known:
            self._late.append(frame_id)
            self._asked.set()
        return future

    def cancel(self, frame_id: LogId, index: int) -> None:
        """Nobody waits for this decision any more."""
        waiting = self._waiting.get(frame_id, {})
        future = waiting.pop(index, None)
        if future is not None:
            future.cancel()
        if not waiting:
            self._waiting.pop(frame_id, None)

    def expects(self, frame_id: LogId) -> bool:
        """Whether anybody waits for a decision in this frame."""
        return frame_id in self._waiting

    def decide(self, frame_id: LogId, frame: event_frame_pb2.EventFrame) -> None:
        """Tells the decisions in `frame` to those who wait for them.

        Raises:
            FrameError: the frame can't be read; they still wait.
        """
        verdicts = read_verdicts(frame, self._waiting.get(frame_id, {}))
        for index, future in self._waiting.pop(frame_id, {}).items():
            if future.done():
                continue
            if index in verdicts:
                future.set_result(verdicts[index])
            else:
                future.set_exception(Internal("the engine told no decision on this command"))

    def fail(self, frame_id: LogId, error: OrdergateError) -> None:
        """Ends the wait for all decisions of the frame."""
        for future in self._waiting.pop(frame_id, {}).values():
            if not future.done():
                future.set_exception(error)

    async def run(self) -> None:
        """Looks up decisions that went by before somebody waited for them, until canceled."""
        try:
            while True:
                await self._asked.wait()
                try:
                    while self._late:
                        await self._look_up(self._late[0])
                        self._late.popleft()
                    self._asked.clear()
                except (RedisError, OSError) as error:
                    log.warning("events can't be read", shard=self._keys.shard, error=repr(error))
                    await asyncio.sleep(_RETRY_S)
        finally:
            for waiting in self._waiting.values():
                for future in waiting.values():
                    future.cancel()

    async def _look_up(self, frame_id: LogId) -> None:
        if not self.expects(frame_id):
            return
        entry = await read_one(self._redis, self._keys.events, frame_id)
        if entry is None:
            self.fail(frame_id, AckTimeout("the command is stored; its events are not kept any more"))
            return
        try:
            self.decide(frame_id, read_event_frame(entry.frame))
        except FrameError:
            log.exception("event frame can't be read", shard=self._keys.shard, id=str(frame_id))
            self.fail(frame_id, Internal(f"the events of frame {frame_id} can't be read"))


def read_verdicts(frame: event_frame_pb2.EventFrame, wanted: Container[int]) -> dict[int, Verdict]:
    """Verdicts on the `wanted` commands, by their index in the command frame.

    The verdict is the command's first answering event (`answers`), its order that of the last one about the same order.
    What the command did to others (makers, triggered stops, orders of a mass cancel), and what the time did before
    it (expiries), is not looked at. A command without an answer has no verdict.

    Raises:
        FrameError: the frame's columns and its events disagree.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    closing: dict[int, int] = {}
    ids, kinds = frame.order_ids, frame.kinds
    answers = frame.answers or _all_answer(frame)
    if len(answers) != len(kinds) or len(kinds) != len(frame.command_index):
        raise FrameError(f"{len(kinds)} kinds, {len(answers)} answers, {len(frame.command_index)} command indexes")
    for event, command in enumerate(frame.command_index):
        if command not in wanted:
            continue
        if kinds[event] == _MASS_CANCEL_DONE:
            closing[command] = event
        if answers[event]:
            opening = first.setdefault(command, event)
            if ids[KEY_BYTES * event : KEY_BYTES * (event + 1)] == ids[KEY_BYTES * opening : KEY_BYTES * (opening + 1)]:
                last[command] = event
    opened = _EventReader(frame)
    try:
        return {c: _verdict(frame, opened, first[c], last[c], closing.get(c)) for c in first}
    except (IndexError, DecodeError) as error:
        raise FrameError(f"events of commands: {error!r}") from None


def _all_answer(frame: event_frame_pb2.EventFrame) -> bytes:
    """For frames from before there was `answers`: a command's first event tells its order, and no other did."""
    return b"\1" * len(frame.kinds)


def _verdict(
    frame: event_frame_pb2.EventFrame, opened: _EventReader, first: int, last: int, closing: int | None
) -> Verdict:
    answer, after = opened.event(first), opened.event(last)
    return Verdict(
        frame.engine_time_ns,
        answer.kind,
        answer.failure.reason,
        answer.kind == event_pb2.EVENT_KIND_DUPLICATE,
        after.order if after.HasField("order") else None,
        answer.failure if answer.HasField("failure") else None,
        None if closing is None else opened.event(closing).mass_cancel,
        answer.limits if answer.HasField("limits") else None,
    )


class _EventReader:
    """Events of a frame by their index in it; opens an account's part once, when it is first needed."""

    def __init__(self, frame: event_frame_pb2.EventFrame) -> None:
        self._parts = {part.account_index: part.events for part in frame.account_events}
        self._opened: dict[int, order_events_service_pb2.FollowResponse] = {}
        self._accounts = frame.account_index
        counts: dict[int, int] = {}
        self._ordinals: list[int] = []
        for account in self._accounts:
            ordinal = counts.get(account, 0)
            counts[account] = ordinal + 1
            self._ordinals.append(ordinal)

    def event(self, index: int) -> event_pb2.OrderEvent:
        account = self._accounts[index]
        part = self._opened.get(account)
        if part is None:
            blob = self._parts.get(account, b"")
            part = self._opened[account] = order_events_service_pb2.FollowResponse.FromString(blob)
        return part.events[self._ordinals[index]]
