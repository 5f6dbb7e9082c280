"""Reading frames of the log: bytes to checked columns. Pure."""

from __future__ import annotations

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
_COMMAND_KINDS = bytes([NEW_ORDER, CANCEL_ORDER])

COMMAND_REJECTED = 14
CHANGING_KINDS = bytes([1, 2, 3, 4, 6, 7, 9, 10])
"""EventKinds that change their order: ACCEPTED, REJECTED, FILL, CANCELED, EXPIRED, AMENDED, TRIGGERED, RESTATED.
The others tell of a command that left its order as it was, or of no order at all."""
_EVENT_KINDS = bytes(range(1, 15))

_AMEND = "start a persister that knows it; nothing was lost, the log is kept until it was written"


def read_commands(entry: Entry) -> CommandFrame:
    """The command frame of an entry, every column of the length that it must have.

    Raises:
        MalformedFrame: it is not a frame, or its columns disagree.
        UnsupportedFrame: a newer version wrote it.
    """
    frame = CommandFrame()
    _parse(entry, frame)
    _known(entry, frame.kinds, _COMMAND_KINDS)
    n, orders = len(frame.kinds), frame.kinds.count(NEW_ORDER)
    _lengths(n, keys=len(frame.keys) / 16, command_ids=len(frame.command_ids))
    _lengths(n, account_index=len(frame.account_index), age_us=len(frame.age_us))
    _lengths(orders, symbol_index=len(frame.symbol_index), sides=len(frame.sides), order_types=len(frame.order_types))
    _lengths(orders, times_in_force=len(frame.times_in_force), flags=len(frame.flags))
    _lengths(orders, limit_price_ticks=len(frame.limit_price_ticks), quantity_lots=len(frame.quantity_lots))
    _lengths(n - orders, targets=len(frame.targets) / 16)
    _indexes(frame.account_index, len(frame.accounts), "account_index")
    _indexes(frame.symbol_index, len(frame.symbols), "symbol_index")
    return frame


def read_events(entry: Entry) -> EventFrame:
    """The event frame of an entry, every column of the length that it must have.

    Raises:
        MalformedFrame: it is not a frame, or its columns disagree.
        UnsupportedFrame: a newer version wrote it.
    """
    frame = EventFrame()
    _parse(entry, frame)
    _known(entry, frame.kinds, _EVENT_KINDS)
    n, trades = len(frame.kinds), len(frame.trade_numbers)
    _lengths(n, command_index=len(frame.command_index), account_index=len(frame.account_index), seqs=len(frame.seqs))
    _lengths(n, order_ids=len(frame.order_ids) / 16, statuses=len(frame.statuses), reasons=len(frame.reasons))
    _lengths(n, causes=len(frame.causes), executed_lots=len(frame.executed_lots), leaves_lots=len(frame.leaves_lots))
    _lengths(n, versions=len(frame.versions), executed_notionals=len(frame.executed_notionals))
    _lengths(trades, trade_symbol_index=len(frame.trade_symbol_index), trade_price_ticks=len(frame.trade_price_ticks))
    _lengths(trades, trade_quantity_lots=len(frame.trade_quantity_lots), sides=len(frame.trade_taker_sides))
    _lengths(trades, maker_event=len(frame.trade_maker_event), taker_event=len(frame.trade_taker_event))
    _indexes(frame.account_index, len(frame.accounts), "account_index")
    if trades:
        _indexes(frame.trade_symbol_index, len(frame.symbols), "trade_symbol_index")
        _indexes(frame.trade_maker_event, n, "trade_maker_event")
        _indexes(frame.trade_taker_event, n, "trade_taker_event")
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
    if unknown.strip(b"\0"):
        raise UnsupportedFrame(f"frame {entry.id} holds kind {max(unknown)}, unknown to this version: {_AMEND}")
    if unknown:
        raise MalformedFrame("kinds holds 0")


def _lengths(expected: int, **columns: float) -> None:
    for name, length in columns.items():
        if length != expected:
            raise MalformedFrame(f"{name} has {length:g} values instead of {expected}")


def _indexes(column: object, count: int, name: str) -> None:
    values: list[int] = list(column)  # type: ignore[call-overload]
    if values and max(values) >= count:
        raise MalformedFrame(f"{name} points at {max(values)} of {count}")
