"""Reads what COPY takes in its binary format, and what Postgres makes of the rows that Python builds."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_EPOCH_US = 946_684_800_000_000
_INTEGERS = {"smallint": ">h", "integer": ">i", "bigint": ">q"}

_STATE = "smallint smallint smallint bigint bigint text integer bigint bigint bigint bigint"
_TERMS = "bytes text text text smallint smallint smallint smallint bigint bigint bigint bigint integer bigint bigint"
TYPES = {
    "orders": "bytes smallint text text text smallint smallint smallint smallint bigint bigint bigint bigint integer "
    "time time time smallint smallint smallint bigint bigint numeric integer bigint bigint bigint",
    "full_orders": f"{_TERMS} {_STATE} bigint bigint bigint smallint text text text boolean bigint",
    "updates": f"bytes {_STATE}",
    "full_updates": f"bytes {_STATE} bigint bigint bigint bigint bigint",
    "executions": "smallint bigint text bigint bigint smallint bytes bytes text text bigint bigint bigint bigint time",
    "account_events": "smallint text bigint bigint bigint bigint bytes",
    "frames": "smallint bigint bigint bytes bigint",
    "times": "bigint bigint bigint",
}
"""Types of the columns that COPY takes; times are microseconds since 1970."""


def read_copy(table: str, data: bytes) -> list[tuple[Any, ...]]:
    """Rows of one table."""
    assert data.startswith(_HEADER)
    types, at, rows = TYPES[table].split(), len(_HEADER), []
    while (columns := struct.unpack_from(">h", data, at)[0]) != -1:
        assert columns == len(types)
        at += 2
        row = []
        for kind in types:
            (size,) = struct.unpack_from(">i", data, at)
            at += 4
            row.append(None if size < 0 else _value(kind, data[at : at + size]))
            at += max(size, 0)
        rows.append(tuple(row))
    assert at + 2 == len(data)
    return rows


def _value(kind: str, raw: bytes) -> Any:
    if kind in _INTEGERS:
        return struct.unpack(_INTEGERS[kind], raw)[0]
    if kind == "time":
        return struct.unpack(">q", raw)[0] + _EPOCH_US
    if kind == "numeric":
        return _numeric(raw)
    if kind == "boolean":
        return raw == b"\1"
    return raw.decode() if kind == "text" else raw


def _numeric(raw: bytes) -> int:
    count, weight, sign, scale = struct.unpack_from(">hhhh", raw)
    groups = struct.unpack_from(f">{count}h", raw, 8)
    assert len(raw) == 8 + 2 * count
    assert (sign, scale) == (0, 0)
    assert all(0 <= group < 10_000 for group in groups)
    assert not groups or (groups[0] and groups[-1]), "zeros at an end"
    return sum(group * 10_000 ** (weight - place) for place, group in enumerate(groups))


def expected(shard: int, table: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows of `persistence.rows.Rows` as their COPY holds them."""
    for row in rows:
        if table == "orders":
            queued, age, notional, engine = row[13], row[14], row[20], row[25]
            times = (queued - age, queued, queued if engine is None else engine)
            state = (*row[15:20], int(notional or "0"), *row[21:25])
            yield (row[0], shard, *row[1:9], row[9] or None, *row[10:13], *times, *state)
        elif table in {"executions", "account_events", "frames"}:
            yield (shard, *row)
        else:
            yield row
