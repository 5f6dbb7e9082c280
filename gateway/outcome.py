"""What became of stored commands, for whoever waits: one call, or the acks of levels ENGINE and PERSISTED."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway import errors
from gateway.streams import Cursor, LogId
from ordergate.v1 import command_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.hub import Hub
    from gateway.verdicts import Verdict
    from gateway.wire import Prepared


class Awaited:
    """A submission of commands for one waiter; `result` is (frame id, index of the first, queued_ns).

    `verdicts` holds, from `stored` on, the engine's decision to come of each command that waits for more than QUEUED.
    It is asked for at once, before the event side can pass by.
    """

    __slots__ = ("_hub", "commands", "result", "verdicts")

    def __init__(self, commands: Sequence[Prepared], hub: Hub) -> None:
        self.commands = commands
        self.verdicts: dict[int, asyncio.Future[Verdict]] = {}
        self._hub = hub
        self.result: asyncio.Future[tuple[LogId, int, int]] = asyncio.get_running_loop().create_future()

    def stored(self, place: LogId, first: int, queued_ns: int) -> None:
        """See `gateway.queue.Submission`."""
        for n, command in enumerate(self.commands):
            if command.level > pb.ACK_LEVEL_QUEUED:
                self.verdicts[n] = self._hub.verdict(place, first + n)
        if not self.result.done():
            self.result.set_result((place, first, queued_ns))

    def refused(self, error: errors.OrdergateError) -> None:
        """See `gateway.queue.Submission`."""
        if not self.result.done():
            self.result.set_exception(error)


def queued_ack(command: Prepared, place: LogId, index: int, queued_ns: int) -> pb.Ack:
    """Ack of level QUEUED."""
    ack = pb.Ack(
        command_id=command.command_id,
        account=command.account,
        order_id=command.order_id,
        level=pb.ACK_LEVEL_QUEUED,
        position=str(Cursor(command.shard, place, index)),
    )
    ack.received_at.FromNanoseconds(command.received_ns)
    ack.queued_at.FromNanoseconds(queued_ns)
    return ack


def failed_ack(command: pb.Command, account: str, received_ns: int, error: errors.OrdergateError) -> pb.Ack:
    """Ack of a command that was refused before it was prepared."""
    ack = pb.Ack(command_id=command.command_id, account=account, failure=error.failure())
    ack.received_at.FromNanoseconds(received_ns)
    return ack


def refused_ack(command: Prepared, error: errors.OrdergateError) -> pb.Ack:
    """Ack of a prepared command that the queue refused, or of which it does not know."""
    ack = pb.Ack(
        command_id=command.command_id, account=command.account, order_id=command.order_id, failure=error.failure()
    )
    ack.received_at.FromNanoseconds(command.received_ns)
    return ack


async def raise_level(
    ack: pb.Ack, command: Prepared, verdict: asyncio.Future[Verdict], place: LogId, hub: Hub, timeout_s: float
) -> pb.Ack:
    """Waits until the level that `command` asks for is reached, and says so in `ack`.

    A level that is not reached in time is a failure ACK_TIMEOUT with disposition APPLIED; `ack.level` tells how far
    it came. The engine's refusal of the command is a failure too, at level ENGINE.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({verdict})
            decide(ack, verdict)
            if ack.level == pb.ACK_LEVEL_ENGINE and command.level >= pb.ACK_LEVEL_PERSISTED:
                await hub.wait_persisted(place)
                ack.level = pb.ACK_LEVEL_PERSISTED
    except TimeoutError:
        verdict.cancel()
        fail_late(ack, timeout_s)
    return ack


def decide(ack: pb.Ack, verdict: asyncio.Future[Verdict]) -> None:
    """Writes the engine's decision, which has come, into `ack`; if it can't be told, the failure says so."""
    error = errors.AckTimeout("stored; this worker shuts down") if verdict.cancelled() else verdict.exception()
    if error is None:
        _tell(ack, verdict.result())
        return
    assert isinstance(error, errors.OrdergateError), error
    ack.failure.CopyFrom(error.failure())
    ack.failure.disposition = errors.APPLIED  # the command is stored all the same


def fail_late(ack: pb.Ack, timeout_s: float) -> None:
    """Says in `ack` that its level was not reached in time."""
    level = pb.AckLevel.Name(ack.level).removeprefix("ACK_LEVEL_")
    late = errors.AckTimeout(f"stored, but not further than {level} within {timeout_s:g} s")
    ack.failure.CopyFrom(late.failure())


def _tell(ack: pb.Ack, verdict: Verdict) -> None:
    ack.level = pb.ACK_LEVEL_ENGINE
    ack.engine_at.FromNanoseconds(verdict.engine_time_ns)
    ack.duplicate = verdict.duplicate
    if verdict.order is not None:
        ack.order.CopyFrom(verdict.order)
    if verdict.failure is not None:
        ack.failure.CopyFrom(verdict.failure)
