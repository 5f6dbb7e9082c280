"""Frames that can't be read, and how that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ordergate.log.v1 import command_frame_pb2 as commands_pb
from ordergate.v1 import event_pb2
from persistence.errors import MalformedFrame, UnsupportedFrame
from persistence.frames import CHANGING_KINDS, read_commands, read_events
from persistence.streams import Entry, LogId
from tests.unit.persistence.frames import ACCEPTED, FILL, Commands, Events

if TYPE_CHECKING:
    from collections.abc import Callable

ID = LogId(7, 3)


def one_command() -> Commands:
    made = Commands()
    target = made.new("alice", "a1")
    made.cancel("alice", "c1", target)
    return made


def one_trade() -> Events:
    made = Events()
    maker = made.add(FILL, "alice", b"m" * 16, 1)
    taker = made.add(FILL, "bob", b"t" * 16, 1)
    made.trade(1, maker, taker)
    return made


def test_whole_frames_are_read() -> None:
    assert len(read_commands(one_command().entry(*ID)).kinds) == 2
    assert len(read_events(one_trade().entry(*ID)).trade_numbers) == 1


@pytest.mark.parametrize(
    "column",
    [
        *("keys", "command_ids", "account_index", "age_us", "symbol_index", "sides", "order_types"),
        *("times_in_force", "flags", "limit_price_ticks", "quantity_lots", "targets"),
    ],
)
def test_command_frame_with_a_column_of_wrong_length_is_malformed(column: str) -> None:
    made = one_command()
    shorten(made.frame, column)
    with pytest.raises(MalformedFrame, match=f"^{column} has length"):
        read_commands(made.entry(*ID))


@pytest.mark.parametrize(
    "column",
    [
        *("command_index", "account_index", "seqs", "order_ids", "statuses", "reasons", "causes", "executed_lots"),
        *("leaves_lots", "versions", "executed_notionals", "trade_symbol_index", "trade_price_ticks"),
        *("trade_quantity_lots", "trade_taker_sides", "trade_maker_event", "trade_taker_event"),
    ],
)
def test_event_frame_with_a_column_of_wrong_length_is_malformed(column: str) -> None:
    made = one_trade()
    shorten(made.frame, column)
    with pytest.raises(MalformedFrame, match=f"^{column} has length"):
        read_events(made.entry(*ID))


@pytest.mark.parametrize("read", [read_commands, read_events])
@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "no field f"),
        (b"\xff\xff", "not a frame"),
        (b"", "format is 0"),
        (b"\x0a\x02hi", "not a frame|format is 0"),
    ],
)
def test_what_is_no_frame_is_malformed(read: Callable[[Entry], object], payload: bytes | None, says: str) -> None:
    with pytest.raises(MalformedFrame, match=says):
        read(Entry(ID, payload, 1))


def test_a_frame_of_a_newer_format_is_refused_and_not_dead_lettered() -> None:
    made = one_command()
    made.frame.format = 2
    with pytest.raises(UnsupportedFrame, match="7-3 has format 2"):
        read_commands(made.entry(*ID))


def test_a_kind_of_a_newer_version_is_refused_and_not_dead_lettered() -> None:
    made = Events()
    made.add(200, "alice", b"m" * 16, 1)
    with pytest.raises(UnsupportedFrame, match="kind 200"):
        read_events(made.entry(*ID))


def test_kind_zero_is_malformed() -> None:
    made = Events()
    made.add(0, "alice", b"m" * 16, 1)
    with pytest.raises(MalformedFrame, match="kinds holds 0"):
        read_events(made.entry(*ID))


def test_every_kind_of_the_contract_is_known() -> None:
    for kind in event_pb2.EventKind.values():
        if kind:
            made = Events()
            made.add(kind, "alice", b"m" * 16, 1)
            read_events(made.entry(*ID))
    assert [v for v in commands_pb.CommandKind.values() if v] == [1, 2]


def test_kinds_that_change_an_order() -> None:
    unchanged = {
        "CANCEL_REJECTED",
        "AMEND_REJECTED",
        "MASS_CANCEL_DONE",
        "TRADING_STATE",
        "DUPLICATE",
        "COMMAND_REJECTED",
    }
    changing = {k.removeprefix("EVENT_KIND_") for k, v in event_pb2.EventKind.items() if v in CHANGING_KINDS}
    assert changing | unchanged | {"UNSPECIFIED"} == {k.removeprefix("EVENT_KIND_") for k in event_pb2.EventKind.keys()}  # noqa: SIM118
    assert not changing & unchanged
    assert ACCEPTED in CHANGING_KINDS


def shorten(frame: object, column: str) -> None:
    value = getattr(frame, column)
    if isinstance(value, bytes):
        setattr(frame, column, value[:-1])
    else:
        del value[-1]
