"""Reading frames: the log's payload, opened no further than a reader needs."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.ids import key_text
from ordergate.log.v1 import command_frame_pb2 as commands
from ordergate.log.v1 import event_frame_pb2 as events
from ordergate.v1 import order_pb2

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from gateway.instruments import Instrument, Instruments

FORMAT = 1
KEY_BYTES = 16

_EVENTS_TAG = 2 << 3 | 2
"""Field 2, length-delimited: `events` of SessionResponse and FollowResponse."""


class FrameError(ValueError):
    """A frame in the log can't be read; the message says what is wrong with it."""


def read_event_frame(raw: bytes) -> events.EventFrame:
    """Opens an event frame.

    Raises:
        FrameError: it is none, or of another format.
    """
    try:
        frame = events.EventFrame.FromString(raw)
    except DecodeError as error:
        raise FrameError(f"not an event frame: {error}") from None
    if frame.format != FORMAT:
        raise FrameError(f"event frame of format {frame.format}; this server reads {FORMAT}")
    return frame


def read_command_frame(raw: bytes) -> commands.CommandFrame:
    """Opens a command frame.

    Raises:
        FrameError: it is none, of another format, or its columns disagree.
    """
    try:
        frame = commands.CommandFrame.FromString(raw)
    except DecodeError as error:
        raise FrameError(f"not a command frame: {error}") from None
    if frame.format != FORMAT:
        raise FrameError(f"command frame of format {frame.format}; this server reads {FORMAT}")
    if len(frame.keys) != KEY_BYTES * len(frame.kinds):
        raise FrameError(f"{len(frame.kinds)} kinds, but {len(frame.keys)} bytes of keys")
    return frame


def _item_end(blob: bytes, start: int) -> int:
    """End of the item that begins at `start`; a varint of more than five bytes can't be a length that fits."""
    if blob[start] != _EVENTS_TAG:
        raise FrameError(f"events: field tag {blob[start]} at byte {start}")
    length = shift = 0
    for at in range(start + 1, start + 6):
        byte = blob[at]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at + 1 + length
        shift += 7
    raise FrameError(f"events: length at byte {start} is too long")


def split_events(blob: bytes) -> list[bytes]:
    """The events of AccountEvents.events one by one, each still as on the wire (tag, length, OrderEvent).

    Raises:
        FrameError: the bytes are not a row of such items.
    """
    items = []
    start, end = 0, len(blob)
    try:
        while start < end:
            stop = _item_end(blob, start)
            items.append(blob[start:stop])
            start = stop
    except IndexError:
        start = -1
    if start != end:
        raise FrameError("events: cut off within an item")
    return items


def cut_events(blob: bytes, limit_bytes: int) -> int:
    """Where to cut `blob` so that the first part has at most `limit_bytes`, but at least one event.

    Raises:
        FrameError: the bytes are not a row of events.
    """
    try:
        cut = _item_end(blob, 0)
        while cut < len(blob) and (stop := _item_end(blob, cut)) <= limit_bytes:
            cut = stop
    except IndexError:
        raise FrameError("events: cut off within an item") from None
    if cut > len(blob):
        raise FrameError("events: cut off within an item")
    return cut


def parts_of(frame: events.EventFrame, accounts: Container[str]) -> list[events.AccountEvents]:
    """The parts of the frame that belong to `accounts`.

    Raises:
        FrameError: a part names an account that the frame has not.
    """
    names = frame.accounts
    try:
        return [part for part in frame.account_events if names[part.account_index] in accounts]
    except IndexError:
        raise FrameError("account_events: account_index out of range") from None


def merge_parts(frame: events.EventFrame, parts: Sequence[events.AccountEvents], after: int = -1) -> bytes:
    """Events of `parts` with an index above `after`, in the frame's order, as on the wire.

    The order across accounts matters: a cursor is the event's index in the frame, so what comes later in a stream
    must have the higher index. One part asked for in full is handed out as it is.

    Raises:
        FrameError: the parts and the columns of the frame disagree.
    """
    if after < 0 and len(parts) == 1:
        return parts[0].events
    rows = {part.account_index: iter(split_events(part.events)) for part in parts}
    merged = []
    try:
        for index, account in enumerate(frame.account_index):
            row = rows.get(account)
            if row is not None:
                item = next(row)
                if index > after:
                    merged.append(item)
    except StopIteration:
        raise FrameError("account_events has fewer events than account_index") from None
    if any(next(row, None) is not None for row in rows.values()):
        raise FrameError("account_events has more events than account_index")
    return b"".join(merged)


def find_key(keys: bytes | bytearray, key: bytes, *, last: bool = False, start: int = 0) -> int:
    """Index of the first (or last) `key` in a column of keys from index `start` on, or -1."""
    at = keys.rfind(key, KEY_BYTES * start) if last else keys.find(key, KEY_BYTES * start)
    while at >= 0 and at % KEY_BYTES:
        # A match across two keys: possible, if hardly likely.
        at = keys.rfind(key, KEY_BYTES * start, at + KEY_BYTES - 1) if last else keys.find(key, at + 1)
    return at // KEY_BYTES if at >= 0 else -1


def find_keys(keys: bytes | bytearray, key: bytes) -> Iterator[int]:
    """Indexes of all `key` in a column of keys."""
    index = find_key(keys, key)
    while index >= 0:
        yield index
        index = find_key(keys, key, start=index + 1)


def queued_order(
    frame: commands.CommandFrame, index: int, account: str, instruments: Instruments
) -> order_pb2.Order | None:
    """The order that command `index` of the frame enters, as long as the engine has not seen it.

    Returns:
        None if the command enters no order, or is another account's.

    Raises:
        FrameError: the frame's columns disagree, or its symbol is no instrument of this installation.
    """
    if frame.kinds[index] != commands.COMMAND_KIND_NEW_ORDER:
        return None
    row = frame.kinds.count(commands.COMMAND_KIND_NEW_ORDER, 0, index)
    try:
        if frame.accounts[frame.account_index[index]] != account:
            return None
        instrument = instruments.by_symbol[frame.symbols[frame.symbol_index[row]]]
        order = order_pb2.Order(
            order_id=key_text(frame.keys[KEY_BYTES * index : KEY_BYTES * (index + 1)]),
            client_order_id=frame.command_ids[index],
            account=account,
            symbol=instrument.symbol,
            side=frame.sides[row],  # type: ignore[arg-type]
            order_type=frame.order_types[row],  # type: ignore[arg-type]
            time_in_force=frame.times_in_force[row],  # type: ignore[arg-type]
            quantity=instrument.quantity.format(frame.quantity_lots[row]),
            post_only=bool(frame.flags[row] & commands.ORDER_FLAG_POST_ONLY),
            status=order_pb2.ORDER_STATUS_QUEUED,
            self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_NONE,
            executed_quantity=instrument.quantity.format(0),
            created_at=timestamp(frame.queued_at_ns - 1000 * frame.age_us[index]),
            queued_at=timestamp(frame.queued_at_ns),
            updated_at=timestamp(frame.queued_at_ns),
        )
        if frame.limit_price_ticks[row]:
            order.limit_price = instrument.price.format(frame.limit_price_ticks[row])
        _add_terms(order, frame, row, instrument)
    except (IndexError, KeyError) as error:
        raise FrameError(f"command {index}: {error!r}") from None
    order.leaves_quantity = order.quantity
    return order


def _add_terms(order: order_pb2.Order, frame: commands.CommandFrame, row: int, instrument: Instrument) -> None:
    """Adds the less usual terms of the frame's new order `row`, if it has any."""
    at = bisect_left(frame.terms, row, key=lambda terms: terms.order_index)
    if at == len(frame.terms) or frame.terms[at].order_index != row:
        return
    terms = frame.terms[at]
    if terms.stop_price_ticks:
        order.stop_price = instrument.price.format(terms.stop_price_ticks)
    if terms.display_lots:
        order.display_quantity = instrument.quantity.format(terms.display_lots)
    if terms.expire_at_ns:
        order.expire_at.CopyFrom(timestamp(terms.expire_at_ns))
    if terms.self_trade_prevention:
        order.self_trade_prevention = terms.self_trade_prevention  # type: ignore[assignment]
    order.stp_group = terms.stp_group
    order.tag = terms.tag
    order.session_name = terms.session
    order.cancel_on_disconnect = terms.cancel_on_disconnect


def timestamp(ns: int) -> Timestamp:
    """`ns` since 1970 as a message."""
    seconds, nanos = divmod(ns, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)
