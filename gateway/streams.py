"""Names and ids of the log in Redis, as `protos/README.md` lays them down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

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


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Place of one event: a client goes on strictly after it."""

    END_OF_FRAME: ClassVar[int] = 4_294_967_295
    """Index that is after every event of its frame."""

    shard: int
    id: LogId
    index: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Reads `shard:ms-seq:index`.

        Raises:
            ValueError: `text` is not of this form.
        """
        parts = text.split(":")
        if len(parts) != 3 or not (parts[0].isdecimal() and parts[2].isdecimal()) or len(text) > 64:
            raise ValueError(f"not a cursor: {text[:80]!r}")
        return cls(int(parts[0]), LogId.parse(parts[1]), int(parts[2]))

    def __str__(self) -> str:
        return f"{self.shard}:{self.id}:{self.index}"


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
    def times(self) -> str:
        """Stream of engine times, one entry for each event frame."""
        return f"og:{{{self.shard}}}:times"

    @property
    def persisted(self) -> str:
        """Hash of the ids up to which Postgres holds everything."""
        return f"og:{{{self.shard}}}:persisted"

    @property
    def lease(self) -> str:
        """Name of the relay that may work."""
        return f"og:{{{self.shard}}}:lease"

    @property
    def epoch(self) -> str:
        """Fencing epoch of the relay lease."""
        return f"og:{{{self.shard}}}:epoch"

    @property
    def relay(self) -> str:
        """Hash in which the relay reports its state."""
        return f"og:{{{self.shard}}}:relay"

    def order(self, order_id: str) -> str:
        """Status cache of one order that can't change any more."""
        return f"og:{{{self.shard}}}:order:{order_id}"
