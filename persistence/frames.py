"""Reading frames of the log: bytes to checked columns. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from ordergate.log.v1.command_frame_pb2 import CommandFrame
from ordergate.log.v1.event_frame_pb2 import EventFrame
from persistence.errors import MalformedFrame, UnsupportedFrame

if TYPE_CHECKING:
    from persistence.streams import Entry

FORMAT = 1
"""Format of frames that this version reads and writes."""

NEW_ORDER = 1
CANCEL_ORDER = 2
AMEND_ORDER = 3
MASS_CANCEL = 4
SET_TRADING_STATE = 5
SET_LIMITS = 6
TICK = 7
FENCE = 8
"""CommandKinds."""
_COMMAND_KINDS = bytes(range(NEW_ORDER, FENCE + 1))

COMMAND_REJECTED = 14
CHANGING_KINDS = bytes([1, 2, 3, 4, 6, 7, 9, 10])
"""EventKinds that change their order: ACCEPTED, REJECTED, FILL, CANCELED, EXPIRED, AMENDED, TRIGGERED, RESTATED.
The others tell of a command that left its order as it was, or of no order at all."""
_EVENT_KINDS = bytes(range(1, 18))

_COMMAND_COLUMNS = """keys command_ids account_index age_us symbol_index sides order_types times_in_force flags
limit_price_ticks quantity_lots targets amend_limit_price_ticks amend_quantity_lots amend_symbol mass_cancels
trading_states limits"""
_EVENT_COLUMNS = """command_index account_index seqs order_ids statuses reasons causes executed_lots leaves_lots
versions executed_notionals trade_symbol_index trade_price_ticks trade_quantity_lots trade_taker_sides trade_maker_event
trade_taker_event answers"""
"""Columns in the order in which their lengths are checked."""

_AMEND = "start a persister that knows it; nothing was lost, the log is kept until it was written"


def read_commands(entry: Entry) -> CommandFrame:
    """The command frame of an entry, every column of the length that it must have.

    Indexes of columns are not checked, those of the rows for what is rare are.

    Raises:
        MalformedFrame: it is not a frame, its columns disagree, or a row belongs to nothing.
        UnsupportedFrame: a newer version wrote it.
    """
    frame = CommandFrame()
    _parse(entry, frame)
    _known(entry, frame.kinds, _COMMAND_KINDS)
    kinds = frame.kinds
    n, orders, amends = len(kinds), kinds.count(NEW_ORDER), kinds.count(AMEND_ORDER)
    lengths = (
        len(frame.keys),
        len(frame.command_ids),
        len(frame.account_index),
        len(frame.age_us),
        len(frame.symbol_index),
        len(frame.sides),
        len(frame.order_types),
        len(frame.times_in_force),
        len(frame.flags),
        len(frame.limit_price_ticks),
        len(frame.quantity_lots),
        len(frame.targets),
        len(frame.amend_limit_price_ticks),
        len(frame.amend_quantity_lots),
        len(frame.amend_symbol),
        len(frame.mass_cancels),
        len(frame.trading_states),
        len(frame.limits),
    )
    targets = 16 * (kinds.count(CANCEL_ORDER) + amends)
    rare = (amends, amends, amends, *map(kinds.count, (MASS_CANCEL, SET_TRADING_STATE, SET_LIMITS)))
    expected = (16 * n, n, n, n, orders, orders, orders, orders, orders, orders, orders, targets, *rare)
    if lengths != expected:
        raise _uneven(_COMMAND_COLUMNS, lengths, expected)
    _check_rows(frame, orders, amends)
    return frame


def read_events(entry: Entry) -> EventFrame:
    """The event frame of an entry, every column of the length that it must have.

    Indexes of columns are not checked, those of `terms` are. `answers` is missing in frames of the first engines.

    Raises:
        MalformedFrame: it is not a frame, its columns disagree, or a row belongs to nothing.
        UnsupportedFrame: a newer version wrote it.
    """
    frame = EventFrame()
    _parse(entry, frame)
    _known(entry, frame.kinds, _EVENT_KINDS)
    n, x = len(frame.kinds), len(frame.trade_numbers)
    lengths = (
        len(frame.command_index),
        len(frame.account_index),
        len(frame.seqs),
        len(frame.order_ids),
        len(frame.statuses),
        len(frame.reasons),
        len(frame.causes),
        len(frame.executed_lots),
        len(frame.leaves_lots),
        len(frame.versions),
        len(frame.executed_notionals),
        len(frame.trade_symbol_index),
        len(frame.trade_price_ticks),
        len(frame.trade_quantity_lots),
        len(frame.trade_taker_sides),
        len(frame.trade_maker_event),
        len(frame.trade_taker_event),
        len(frame.answers),
    )
    expected = (n, n, n, 16 * n, n, n, n, n, n, n, n, x, x, x, x, x, x, n if frame.answers else 0)
    if lengths != expected:
        raise _uneven(_EVENT_COLUMNS, lengths, expected)
    if frame.terms:
        _check_order("terms", [row.event_index for row in frame.terms], n)
    return frame


def split_ids(raw: bytes) -> list[bytes]:
    """The 16-byte ids of a column."""
    return [raw[i : i + 16] for i in range(0, len(raw), 16)]


def _parse(entry: Entry, frame: CommandFrame | EventFrame) -> None:
    if entry.frame is None:
        raise MalformedFrame("the entry has no field f")
    try:
        frame.ParseFromString(entry.frame)
    except DecodeError as error:
        raise MalformedFrame(f"not a frame: {error}") from None
    if frame.format > FORMAT:
        raise UnsupportedFrame(f"frame {entry.id} has format {frame.format}; this version reads {FORMAT}: {_AMEND}")
    if frame.format != FORMAT:
        raise MalformedFrame(f"format is {frame.format}, not {FORMAT}")


def _known(entry: Entry, kinds: bytes, known: bytes) -> None:
    unknown = kinds.translate(None, known)
    if not unknown:
        return
    if unknown.strip(b"\0"):
        raise UnsupportedFrame(f"frame {entry.id} holds kind {max(unknown)}, unknown to this version: {_AMEND}")
    raise MalformedFrame("kinds holds 0")


def _check_rows(frame: CommandFrame, orders: int, amends: int) -> None:
    """The rows for what is rare, each list in the order of what it belongs to."""
    if frame.terms:
        _check_order("terms", [row.order_index for row in frame.terms], orders)
    if frame.amend_terms:
        _check_order("amend_terms", [row.amend_index for row in frame.amend_terms], amends)
    if frame.expected_versions:
        _check_order("expected_versions", [row.command_index for row in frame.expected_versions], len(frame.kinds))
    for name in ("mass_cancels", "trading_states"):
        if any(row.symbol > len(frame.symbols) for row in getattr(frame, name)):
            raise MalformedFrame(f"{name} names a symbol outside of symbols")
    if amends and max(frame.amend_symbol) > len(frame.symbols):
        raise MalformedFrame("amend_symbol names a symbol outside of symbols")


def _check_order(name: str, indexes: list[int], count: int) -> None:
    if indexes[-1] >= count or any(after <= before for before, after in pairwise(indexes)):
        raise MalformedFrame(f"{name} is not in rising order, or points outside of the frame")


def _uneven(names: str, lengths: tuple[int, ...], expected: tuple[int, ...]) -> MalformedFrame:
    """The first column that has another length than it must have."""
    for name, length, wanted in zip(names.split(), lengths, expected, strict=True):
        if length != wanted:
            return MalformedFrame(f"{name} has length {length} instead of {wanted}")
    raise AssertionError("all columns are even")
