from __future__ import annotations

import pytest

from gateway.errors import CursorInvalid
from gateway.feed import parse_start
from gateway.streams import Cursor, LogId
from ordergate.v1 import event_pb2


def _after(*cursors: str) -> event_pb2.StreamStart:
    return event_pb2.StreamStart(after=event_pb2.Cursors(cursors=cursors))


@pytest.mark.parametrize("start", [None, event_pb2.StreamStart(), event_pb2.StreamStart(live=event_pb2.Live())])
def test_nothing_said_is_live(start: event_pb2.StreamStart | None) -> None:
    assert parse_start(start, 2) == ({}, False, False)


def test_cursors_are_kept_by_shard_and_the_rest_is_live() -> None:
    assert parse_start(_after("1:7-2:3"), 3) == ({1: Cursor(1, LogId(7, 2), 3)}, False, False)


def test_beginning() -> None:
    assert parse_start(event_pb2.StreamStart(beginning=event_pb2.Beginning()), 1) == ({}, True, False)


def test_snapshot_is_live_after_the_open_orders() -> None:
    start = parse_start(event_pb2.StreamStart(snapshot=event_pb2.Snapshot()), 1, "hello.start")
    assert (start.cursors, start.oldest, start.snapshot) == ({}, False, True)


@pytest.mark.parametrize(
    "cursors",
    [
        [],
        [""],
        ["0"],
        ["0:1-1"],
        ["0:1-1:x"],
        ["0:1-1:-1"],
        ["-1:1-1:0"],
        ["0:11:0"],
        ["1:1-1:0"],
        ["0:1-1:0", "0:1-2:0"],
        [f"0:{2**64}-0:0"],
        [f"0:1-0:{2**64}"],
        ["0:1-1:0" + "0" * 80],
    ],
)
def test_cursors_that_are_not_ours_are_refused(cursors: list[str]) -> None:
    with pytest.raises(CursorInvalid) as caught:
        parse_start(_after(*cursors), 1)
    assert caught.value.field == "start.after.cursors"
