"""Where a stream of events starts, as a client asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import CursorInvalid
from gateway.streams import Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordergate.v1 import event_pb2

_ID_PART_MAX = 2**64 - 1
"""Redis refuses larger numbers in an id."""


class Start(NamedTuple):
    """Where a feed starts, by shard."""

    cursors: Mapping[int, Cursor]
    """Right after these events; a shard that is not named: live."""
    oldest: bool = False
    """Every shard from the oldest event that is kept; then there are no cursors."""
    snapshot: bool = False
    """Live, after the open orders; then there are no cursors."""


LIVE = Start({})


def parse_start(start: event_pb2.StreamStart | None, shards: int, path: str = "start") -> Start:
    """Reads where a client wants its events to start.

    Args:
        start: as sent; None or empty is live.
        shards: number of shards of the installation.
        path: path of the field in the request, for errors.

    Raises:
        CursorInvalid: a cursor is malformed, or names a shard that is not there or is named twice.
    """
    choice = start.WhichOneof("start") if start is not None else None
    if start is None or choice in (None, "live"):
        return LIVE
    if choice == "snapshot":
        return Start({}, snapshot=True)
    if choice == "beginning":
        return Start({}, oldest=True)
    field = f"{path}.after.cursors"
    cursors: dict[int, Cursor] = {}
    for text in start.after.cursors:
        try:
            cursor = Cursor.parse(text)
        except ValueError:
            raise CursorInvalid(field, f"not a cursor of this server: {text[:80]!r}") from None
        if cursor.shard >= shards or cursor.shard in cursors or max(*cursor.id, cursor.index) > _ID_PART_MAX:
            raise CursorInvalid(field, f"no such shard, or one that is named twice: {text!r}")
        cursors[cursor.shard] = cursor
    if not cursors:
        raise CursorInvalid(field, "after needs a cursor; use live to start with what happens from now on")
    return Start(cursors)
