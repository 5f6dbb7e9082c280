"""The commands of one message of a Session, on their way through the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import outcome
from gateway.plain import PlainCommands
from gateway.wire import queued_acks
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

    __slots__ = ("commands", "session", "trailer", "uniform")

    def __init__(self, session: Session, commands: Sequence[Prepared]) -> None:
        self.session = session
        self.commands = commands
        self.uniform = type(commands) is PlainCommands or all(c.level == _QUEUED and c.order_id for c in commands)
        self.trailer: list[bytes] = []
        """Acks of later commands that were refused at once: they wait, so that acks keep the commands' order."""

    def stored(self, place: LogId, first: int, queued_ns: int) -> None:
        """See `gateway.queue.Submission`."""
        if isinstance(self.commands, PlainCommands):
            self.session.emit(self.commands.acks(f"0:{place}:".encode(), first, queued_ns))
        elif self.uniform:
            shard = self.commands[0].shard
            self.session.emit(queued_acks(self.commands, f"{shard}:{place}:".encode(), first, queued_ns))
        else:
            self.session.emit_levels(self.commands, place, first, queued_ns)
        self.session.settle(self)

    def refused(self, error: errors.OrdergateError) -> None:
        """See `gateway.queue.Submission`."""
        for command in self.commands:
            self.session.emit_ack(outcome.refused_ack(command, error))
        self.session.settle(self)
