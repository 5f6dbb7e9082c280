"""The bytes that the hot path writes itself: acks of level QUEUED and command frames.

A protobuf message is the concatenation of its fields, and a repeated field may be given in pieces. So an ack is put
together from parts that were made once (per command, per message, per frame), and what waits for a stream is joined
into one response without parsing it again. `tests/unit/test_wire.py` compares every byte with protobuf's own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from gateway.rows import CANCEL_ORDER, put_rows, target
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.rows import Body, Extra, OrderColumns

_QUEUED = b"\x20" + bytes([pb.ACK_LEVEL_QUEUED])
_NS = 1_000_000_000


def varint(value: int) -> bytes:
    """Base-128 varint of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_LENGTH = tuple(varint(n) for n in range(1024))
"""Varints of the lengths that occur in an ack: at most 64 + 64 + 36 + 40 + 2 * 18 bytes and their tags."""

_AGE_US_MAX = 4_294_967_295
"""A clock that jumps must not break the frame: the age is a uint32."""

_INDEX = tuple(str(n).encode() for n in range(10_000))
"""Decimal texts of the indexes in a frame."""


def timestamp(tag: int, ns: int) -> bytes:
    """A google.protobuf.Timestamp field."""
    seconds, nanos = divmod(ns, _NS)
    body = b"\x08" + varint(seconds) + (b"\x10" + varint(nanos) if nanos else b"")
    return bytes((tag << 3 | 2, len(body))) + body


def now_ns() -> int:
    """Now, ns since 1970, in whole microseconds: what Postgres keeps, so that all views of an order agree."""
    return time.time_ns() // 1000 * 1000


def length_delimited(tag: int, body: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return varint(tag << 3 | 2) + varint(len(body)) + body


def text_field(tag: int, text: str) -> bytes:
    """A text field of at most 127 bytes."""
    raw = text.encode()
    return bytes((tag << 3 | 2, len(raw))) + raw


class Prepared(NamedTuple):
    """One validated command, as the log and its ack need it."""

    kind: int
    key: bytes
    command_id: str
    account: str
    received_ns: int
    level: int
    valid_until_ns: int
    """0: none."""
    shard: int
    order_id: str
    """Order that the command is about; empty if it is about none."""
    body: Body
    extra: Extra = None


def queued_acks(commands: Sequence[Prepared], place: bytes, first: int, queued_ns: int) -> bytes:
    """Field 1 (`acks`) of a SessionResponse, once per command, all of level QUEUED.

    Args:
        commands: stored commands, in order; all received at the same time, each about one order.
        place: position of their frame, `shard:ms-seq:`.
        first: index of the first in the frame.
        queued_ns: when the frame was handed to Redis.
    """
    tail = timestamp(6, commands[0].received_ns) + timestamp(7, queued_ns)
    fixed = len(tail) + 2 + 38 + 2 + len(place) + 4  # level, order_id, and the tags of position, command_id, account
    parts: list[bytes] = []
    for n, c in enumerate(commands, first):
        index = _INDEX[n]
        cid, account = c.command_id.encode(), c.account.encode()
        parts += (
            b"\n",
            _LENGTH[fixed + len(cid) + len(account) + len(index)],
            b"\n",
            _LENGTH[len(cid)],
            cid,
            b"\x12",
            _LENGTH[len(account)],
            account,
            b"\x1a$",
            c.order_id.encode(),
            _QUEUED,
            b"*",
            _LENGTH[len(place) + len(index)],
            place,
            index,
            tail,
        )
    return b"".join(parts)


def command_frame(commands: Sequence[Prepared], queued_ns: int, origin: str) -> bytes:
    """Payload of one entry of the stream `commands`; see ordergate/log/v1/command_frame.proto."""
    kinds, keys, ids, accounts, received, _, deadlines, _, _, bodies, extras = zip(*commands, strict=True)
    account_at: dict[str, int] = {}
    symbol_at: dict[str, int] = {}
    frame = log.CommandFrame(
        format=1,
        queued_at_ns=queued_ns,
        origin=origin,
        kinds=bytes(kinds),
        keys=b"".join(keys),
        command_ids=ids,
        account_index=[account_at.setdefault(a, len(account_at)) for a in accounts],
        age_us=[min(max(0, queued_ns - ns) // 1000, _AGE_US_MAX) for ns in received],
    )
    frame.accounts.extend(account_at)
    _put_orders(frame, [b for b in bodies if type(b) is tuple], symbol_at)
    if max(kinds) <= CANCEL_ORDER:
        frame.targets = b"".join([b for b in bodies if type(b) is bytes])
        rare = extras.count(None) < len(extras)
    else:
        frame.targets = b"".join(filter(None, map(target, bodies)))
        rare = True
    if rare:
        put_rows(frame, commands, symbol_at)
    frame.symbols.extend(symbol_at)
    if any(deadlines):
        for n, ns in enumerate(deadlines):
            if ns:
                frame.deadlines.add(command_index=n, valid_until_ns=ns)
    return frame.SerializeToString()


def _put_orders(frame: log.CommandFrame, orders: Sequence[OrderColumns], symbol_at: dict[str, int]) -> None:
    if not orders:
        return
    symbols, sides, types, times_in_force, flags, prices, quantities = zip(*orders, strict=True)
    frame.symbol_index.extend([symbol_at.setdefault(s, len(symbol_at)) for s in symbols])
    frame.sides = bytes(sides)
    frame.order_types = bytes(types)
    frame.times_in_force = bytes(times_in_force)
    frame.flags = bytes(flags)
    frame.limit_price_ticks.extend(prices)
    frame.quantity_lots.extend(quantities)
