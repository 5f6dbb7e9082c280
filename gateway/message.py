"""The commands of one message of a Session, on their way through the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import outcome
from gateway.plain import PlainCommands, acks_of
from ordergate.v1 import command_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway import errors
    from gateway.session import Session
    from gateway.streams import LogId
    from gateway.wire import Prepared

_QUEUED = command_pb2.ACK_LEVEL_QUEUED


class Message:
    """Those for one shard; a `gateway.queue.Submission`."""

    __slots__ = ("commands", "session", "shard", "trailer", "uniform")

    def __init__(self, session: Session, shard: int, commands: Sequence[Prepared]) -> None:
        self.session = session
        self.shard = shard
        self.commands = commands
        self.uniform = isinstance(commands, PlainCommands) or all(c.level == _QUEUED and c.order_id for c in commands)
        """Each is acknowledged at level QUEUED and about one order."""
        self.trailer: list[bytes] = []
        """Acks of later commands that were refused at once: they wait, so that acks keep the commands' order."""

    def stored(self, place: LogId, first: int, queued_ns: int) -> None:
        """See `gateway.queue.Submission`."""
        if self.uniform:
            self.session.emit(acks_of(self.commands, f"{self.shard}:{place}:".encode(), first, queued_ns))
        else:
            self.session.emit_levels(self.commands, place, first, queued_ns)
        self.session.settle(self)

    def refused(self, error: errors.OrdergateError) -> None:
        """See `gateway.queue.Submission`."""
        for command in self.commands:
            self.session.emit_ack(outcome.refused_ack(command, error))
        self.session.settle(self)
