"""What became of a command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gateway.client.enums import AckLevel, Reason
from gateway.client.views import Ack, ack_view

if TYPE_CHECKING:
    from ordergate.v1 import command_pb2


class Outcome(Enum):
    """What became of a command."""

    NOT_SEEN = "not seen"
    """Never seen up to now; a copy that is still under way may come. Not an answer to `fence`."""
    QUEUED = "queued"
    """Stored; the engine has not decided yet, and will."""
    APPLIED = "applied"
    """The engine did what it asks for. Final."""
    REFUSED = "refused"
    """The engine refused it; it had no effect. Final."""
    FENCED = "fenced"
    """Never seen, and made impossible: it had no effect and never will. Final."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of a command, and its ack as far as it came."""

    outcome: Outcome
    """In one word."""
    ack: Ack
    """Level reached, place in the log, times, the order as it is now; `failure` if it was refused."""

    @property
    def final(self) -> bool:
        """True if the outcome can't change any more."""
        return self.outcome in {Outcome.APPLIED, Outcome.REFUSED, Outcome.FENCED}


def resolution_view(ack: command_pb2.Ack) -> Resolution:
    """The answer of Resolve, as Python values."""
    view = ack_view(ack)
    return Resolution(_outcome(view), view)


def _outcome(ack: Ack) -> Outcome:
    if ack.level == AckLevel.UNSPECIFIED:
        return Outcome.NOT_SEEN
    if ack.level == AckLevel.QUEUED:
        return Outcome.QUEUED
    if ack.failure is None:
        return Outcome.APPLIED
    return Outcome.FENCED if ack.failure.reason == Reason.FENCED else Outcome.REFUSED
