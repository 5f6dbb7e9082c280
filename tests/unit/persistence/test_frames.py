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


def every_kind() -> Commands:
    made = one_command()
    made.new("alice", "a2", order_type=3, stop_price_ticks=900, tag="t")
    made.new("alice", "a3", tag="u")
    made.amend("alice", "m1", bytes(16), quantity=5)
    made.amend("alice", "m2", bytes(16), price=5)
    made.frame.amend_terms.add(amend_index=0, decimal=True)
    made.frame.amend_terms.add(amend_index=1, stop_price_ticks=3)
    made.frame.expected_versions.add(command_index=1, version=3)
    made.frame.expected_versions.add(command_index=4, version=4)
    made.mass_cancel("alice", "k1", symbol="ACME", side=1)
    made.trading_state("_ordergate", "s1", 3, symbol="BUND", cancel_open_orders=True)
    made.limits("alice", "l1", max_open_orders=7)
    made.tick()
    made.fence("alice", "f1")
    return made


def one_trade() -> Events:
    made = Events()
    maker = made.add(FILL, "alice", b"m" * 16, 1)
    taker = made.add(FILL, "bob", b"t" * 16, 1)
    made.trade(1, maker, taker)
    return made


def test_whole_frames_are_read() -> None:
    assert len(read_commands(one_command().entry(*ID)).kinds) == 2
    assert len(read_commands(every_kind().entry(*ID)).kinds) == 11
    assert len(read_events(one_trade().entry(*ID)).trade_numbers) == 1


@pytest.mark.parametrize(
    "column",
    [
        *("keys", "command_ids", "account_index", "age_us", "symbol_index", "sides", "order_types"),
        *("times_in_force", "flags", "limit_price_ticks", "quantity_lots", "targets", "amend_limit_price_ticks"),
        *("amend_quantity_lots", "amend_symbol", "mass_cancels", "trading_states", "limits"),
    ],
)
def test_command_frame_with_a_column_of_wrong_length_is_malformed(column: str) -> None:
    made = every_kind()
    shorten(made.frame, column)
    with pytest.raises(MalformedFrame, match=f"^{column} has length"):
        read_commands(made.entry(*ID))


@pytest.mark.parametrize(
    "column",
    [
        *("command_index", "account_index", "seqs", "order_ids", "statuses", "reasons", "causes", "executed_lots"),
        *("leaves_lots", "versions", "executed_notionals", "trade_symbol_index", "trade_price_ticks"),
        *("trade_quantity_lots", "trade_taker_sides", "trade_maker_event", "trade_taker_event", "answers"),
    ],
)
def test_event_frame_with_a_column_of_wrong_length_is_malformed(column: str) -> None:
    made = one_trade()
    made.frame.answers = b"\0\1"
    shorten(made.frame, column)
    with pytest.raises(MalformedFrame, match=f"^{column} has length"):
        read_events(made.entry(*ID))


def test_frames_of_the_first_engines_have_no_answers() -> None:
    made = one_trade()
    assert made.frame.answers == b""
    assert read_events(made.entry(*ID)).answers == b""


@pytest.mark.parametrize(
    ("rows", "name", "indexes"),
    [
        ("terms", "order_index", (1, 3)),
        ("terms", "order_index", (2, 1)),
        ("terms", "order_index", (1, 1)),
        ("amend_terms", "amend_index", (0, 2)),
        ("expected_versions", "command_index", (1, 11)),
    ],
)
def test_rows_that_belong_to_nothing_or_not_in_order_are_malformed(
    rows: str, name: str, indexes: tuple[int, int]
) -> None:
    made = every_kind()
    for row, index in zip(getattr(made.frame, rows), indexes, strict=True):
        setattr(row, name, index)
    with pytest.raises(MalformedFrame, match=f"^{rows} is not in rising order, or points outside"):
        read_commands(made.entry(*ID))


@pytest.mark.parametrize("rows", ["amend_symbol", "mass_cancels", "trading_states"])
def test_rows_with_a_symbol_outside_of_its_table_are_malformed(rows: str) -> None:
    made = every_kind()
    count = len(made.frame.symbols)
    for symbol, refused in ((count, False), (count + 1, True)):
        if rows == "amend_symbol":
            made.frame.amend_symbol[1] = symbol
        else:
            getattr(made.frame, rows)[0].symbol = symbol
        if refused:
            with pytest.raises(MalformedFrame, match=f"{rows} names a symbol outside of symbols"):
                read_commands(made.entry(*ID))
        else:
            read_commands(made.entry(*ID))


@pytest.mark.parametrize("indexes", [(0, 2), (1, 0), (1, 1)])
def test_terms_of_events_that_are_not_there_or_not_in_order_are_malformed(indexes: tuple[int, int]) -> None:
    made = one_trade()
    for index in indexes:
        made.frame.terms.add(event_index=index, quantity_lots=1)
    with pytest.raises(MalformedFrame, match=r"^terms is not in rising order, or points outside"):
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


def test_a_command_of_a_newer_version_is_refused_and_not_dead_lettered() -> None:
    made = one_command()
    made.frame.kinds = bytes([1, 9])
    with pytest.raises(UnsupportedFrame, match="kind 9"):
        read_commands(made.entry(*ID))


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
    known = set(read_commands(every_kind().entry(*ID)).kinds)
    assert known == {v for v in commands_pb.CommandKind.values() if v}


def test_kinds_that_change_an_order() -> None:
    unchanged = {
        "CANCEL_REJECTED",
        "AMEND_REJECTED",
        "MASS_CANCEL_DONE",
        "TRADING_STATE",
        "DUPLICATE",
        "COMMAND_REJECTED",
        "LIMITS",
        "TICK",
        "FENCED",
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
