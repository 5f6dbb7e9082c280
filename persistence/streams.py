"""Names and ids of the log in Redis: the persister's own copy of what `protos/README.md` lays down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

FIELD_FRAME = b"f"
FIELD_COUNT = b"n"
FIELD_ENGINE_TIME = b"t"


class LogId(NamedTuple):
    """Id of an entry in a stream; compares as Redis orders them."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, raw: bytes | str) -> LogId:
        """Reads `ms-seq`.

        Raises:
            ValueError: `raw` is not of this form.
        """
        text = raw.decode("ascii") if isinstance(raw, bytes) else raw
        ms, dash, seq = text.partition("-")
        if not (dash and ms.isdecimal() and seq.isdecimal()):
            raise ValueError(f"not a stream id: {text!r}")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


ZERO = LogId(0, 0)


class Position(NamedTuple):
    """Up to where the two streams of a shard were handled. Events are never ahead of their commands."""

    commands: LogId
    events: LogId


class Entry(NamedTuple):
    """One entry of a stream."""

    id: LogId
    frame: bytes | None
    """Payload; None if the entry has none, which no writer of ours does."""
    rows: int
    """Commands or events in it, as its writer counted them; at least 1. Only for sizing batches."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Redis keys of one shard; the hash tag keeps them on one node of a cluster."""

    shard: int

    @property
    def commands(self) -> str:
        """Stream of command frames."""
        return f"og:{{{self.shard}}}:commands"

    @property
    def events(self) -> str:
        """Stream of event frames."""
        return f"og:{{{self.shard}}}:events"

    @property
    def persisted(self) -> str:
        """Hash of the ids up to which Postgres holds everything."""
        return f"og:{{{self.shard}}}:persisted"
