"""Rows of a batch, packed for COPY by the native part (`persistence/native`).

Building the rows in Python and handing them to asyncpg value by value takes longer than Postgres takes to write them.
The native part reads the frames of a batch by the same rules as `persistence.frames`, finds the same rows as
`persistence.rows`, and writes them down as COPY takes them; what it does not know, or finds at fault, is left to these.
New rows go straight into their tables: by way of a stage they would be copied twice, and looked up before. One that is
there already is refused, and then the batch goes by the stages.

Without the library (it is part of the engine's build) all rows are built in Python, and all go by the stages.
"""

from __future__ import annotations

import ctypes
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from persistence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from persistence.batcher import Batch
    from persistence.streams import Entry

OFF = "off"
"""Setting `rows_native` of who wants no native part."""

TABLES = ("orders", "full_orders", "updates", "full_updates", "executions", "account_events", "frames", "times")
"""Lists of `persistence.rows.Rows` that the native part makes, in its order."""

_ORDERS = """order_id shard account client_order_id symbol side order_type time_in_force flags quantity_lots
limit_price_ticks command_ms command_seq command_index created_at queued_at updated_at status reject_reason cause
executed_lots leaves_lots executed_notional version last_event_seq event_ms event_seq"""
_EXECUTIONS = """shard trade_number symbol price_ticks quantity_lots taker_side maker_order_id taker_order_id
maker_account taker_account maker_seq taker_seq event_ms event_seq executed_at"""
_ACCOUNT_EVENTS = "shard account first_seq last_seq ms seq events"
_FRAMES = "shard ms seq payload engine_time_ns"

STRAIGHT = {
    "orders": ("orders", _ORDERS.split()),
    "executions": ("executions", _EXECUTIONS.split()),
    "account_events": ("account_events", _ACCOUNT_EVENTS.split()),
    "frames": ("command_frames", _FRAMES.split()),
}
"""What goes straight into a table: which, and its columns. The others have the columns of their stages."""

_PLACES = (
    Path(__file__).parent / "native/libordergate_rows.so",
    Path(__file__).parents[1] / "build/engine/rows/libordergate_rows.so",
)
_CHUNK_BYTES = 1 << 19
_HEADER_BYTES, _COUNT_BYTES, _SIZE_BYTES = 19, 2, 4
"""Of COPY's binary format: before the first row, before each row, before each column."""


def _read_integer(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


_READERS: dict[str, Callable[[bytes], Any]] = {"uuid": bytes, "text": bytes.decode, "boolean": lambda raw: raw == b"\1"}
"""For columns of these types; all others are integers."""

_log = structlog.get_logger(__name__)


class Copy(NamedTuple):
    """Rows of one table."""

    rows: int
    """How many."""
    data: bytes
    """The whole of what COPY takes with FORMAT binary."""

    def values(self, types: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The rows as asyncpg takes them, for tables of which there are few: one by one.

        Args:
            types: of the columns, by the names that Postgres shows.
        """
        readers = [_READERS.get(kind, _read_integer) for kind in types]
        at = _HEADER_BYTES
        for _ in range(self.rows):
            at += _COUNT_BYTES
            row = []
            for read in readers:
                size = _read_integer(self.data[at : at + _SIZE_BYTES])
                at += _SIZE_BYTES
                row.append(None if size < 0 else read(self.data[at : at + size]))
                at += max(size, 0)
            yield tuple(row)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The data in pieces."""
        for start in range(0, len(self.data), _CHUNK_BYTES):
            yield self.data[start : start + _CHUNK_BYTES]


class Packed(NamedTuple):
    """Rows of one transaction."""

    copies: dict[str, Copy]
    """By the names of TABLES; those without rows are left out."""

    def count(self, *tables: str) -> int:
        """Rows of these tables."""
        return sum(self.copies[table].rows for table in tables if table in self.copies)


class _Span(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("rows", ctypes.c_size_t))


class _Stream(ctypes.Structure):
    _fields_ = (
        ("ids", ctypes.POINTER(ctypes.c_uint64)),
        ("frames", ctypes.POINTER(ctypes.c_char_p)),
        ("sizes", ctypes.POINTER(ctypes.c_size_t)),
        ("count", ctypes.c_size_t),
    )


class Packer:
    """The native part."""

    def __init__(self, library: Any) -> None:
        pointer, stream = ctypes.c_void_p, ctypes.POINTER(_Stream)
        self._pack, self._free = library.ordergate_rows_pack, library.ordergate_rows_free
        self._pack.restype, self._pack.argtypes = pointer, (ctypes.c_uint16, stream, stream, ctypes.POINTER(_Span))
        self._free.restype, self._free.argtypes = None, (pointer,)

    @classmethod
    def find(cls, named: str = "") -> Packer | None:
        """The native part, or None.

        Args:
            named: its path; empty: where the build puts it; "off": none.

        Raises:
            SettingsError: it is no library that can be loaded here.
        """
        places = () if named == OFF else (Path(named),) if named else _PLACES
        for place in places:
            if named or place.exists():
                try:
                    return cls(ctypes.CDLL(str(place.absolute())))
                except (OSError, AttributeError) as error:
                    remedy = "name a library of this version's build, or off, or leave it empty"
                    raise SettingsError(f"rows_native: can't load {error}; {remedy}") from error
        if named != OFF:
            _log.info("no native part: all rows are built in Python", places=[str(place) for place in places])
        return None

    def pack(self, shard: int, batch: Batch) -> Packed | None:
        """The rows of a batch, or None if `persistence.rows` must build them."""
        if any(entry.frame is None for entries in batch[:2] for entry in entries):
            return None
        spans = (_Span * len(TABLES))()
        commands, events = _stream(batch.commands), _stream(batch.events)
        handle = self._pack(shard, ctypes.byref(commands), ctypes.byref(events), spans)
        if not handle:
            return None
        try:
            found = zip(TABLES, spans, strict=True)
            return Packed({name: Copy(s.rows, ctypes.string_at(s.data, s.size)) for name, s in found if s.rows})
        finally:
            self._free(handle)


def _stream(entries: Sequence[Entry]) -> _Stream:
    """REQUIRES: the entries outlive it."""
    count = len(entries)
    ids = (ctypes.c_uint64 * (2 * count))(*chain.from_iterable(entry.id for entry in entries))
    frames = (ctypes.c_char_p * count)(*[entry.frame for entry in entries])
    sizes = (ctypes.c_size_t * count)(*[len(entry.frame or b"") for entry in entries])
    return _Stream(ids, frames, sizes, count)
