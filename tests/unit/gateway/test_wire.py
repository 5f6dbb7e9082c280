"""The bytes that the hot path writes itself equal those that protobuf writes."""

from __future__ import annotations

import random

import pytest

from gateway import outcome
from gateway.ids import key_text, order_key
from gateway.rows import (
    AMEND_ORDER,
    CANCEL_ORDER,
    FENCE,
    MASS_CANCEL,
    NEW_ORDER,
    SET_LIMITS,
    SET_TRADING_STATE,
    TICK,
    Amend,
    Body,
    Extra,
    MassCancel,
    TradingState,
    target,
)
from gateway.streams import LogId
from gateway.wire import Prepared, command_frame, queued_acks, timestamp, varint
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2
from ordergate.v1 import order_entry_service_pb2 as pb

QUEUED_NS = 1_763_766_546_123_456_000


def new_order(
    n: int, account: str = "A", command_id: str | None = None, received_ns: int = QUEUED_NS - 5000
) -> Prepared:
    command_id = command_id or f"c{n}"
    key = order_key(account, command_id)
    body = ("BTC-USD", 1 + n % 2, 1, 1, n % 2, 1000 + n, 5 + n)
    return Prepared(NEW_ORDER, key, command_id, account, received_ns, 1, 0, 0, key_text(key), body)


def cancel(n: int, account: str, deadline: int = 0) -> Prepared:
    target = order_key(account, f"c{n}")
    key = order_key(account, f"x{n}")
    return Prepared(CANCEL_ORDER, key, f"x{n}", account, QUEUED_NS - 9000, 1, deadline, 0, key_text(target), target)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32 - 1, 2**63 - 1])
def test_varint_is_protobufs(value: int) -> None:
    assert log.Deadline(command_index=0, valid_until_ns=0).SerializeToString() == b""
    encoded = pb.Welcome(max_message_bytes=value).SerializeToString() if value < 2**32 else None
    if encoded:
        assert encoded[1:] == varint(value)
    assert varint(2**63 - 1) == b"\xff" * 8 + b"\x7f"


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 10**9, QUEUED_NS, QUEUED_NS + 1])
def test_timestamp_is_protobufs(ns: int) -> None:
    ack = command_pb2.Ack()
    ack.received_at.FromNanoseconds(ns)
    expected = ack.SerializeToString()
    assert command_pb2.Ack.FromString(timestamp(6, ns)) == command_pb2.Ack.FromString(expected)
    if ns >= 10**9:
        assert timestamp(6, ns) == expected


@pytest.mark.parametrize("seed", range(20))
def test_acks_are_byte_equal_to_protobuf(seed: int) -> None:
    rng = random.Random(seed)
    received = QUEUED_NS - rng.randrange(10**10)
    commands = [
        new_order(n, "a" * rng.randint(1, 64), "i" * rng.randint(1, 60) + str(n), received)
        for n in range(rng.randint(1, 50))
    ]
    place, first = LogId(1_763_766_546_123, rng.randrange(5)), rng.randrange(1000)
    got = queued_acks(commands, f"0:{place}:".encode(), first, QUEUED_NS)
    acks = [outcome.queued_ack(c, place, first + n, QUEUED_NS) for n, c in enumerate(commands)]
    assert got == pb.SessionResponse(acks=acks).SerializeToString()
    alone = queued_acks(commands[:1], f"0:{place}:".encode(), first, QUEUED_NS)
    assert alone == pb.SubmitResponse(ack=acks[0]).SerializeToString()


def test_frame_columns_hold_every_command_in_order() -> None:
    commands = [new_order(0, "A"), cancel(0, "B", 77), new_order(1, "B"), new_order(2, "A"), cancel(1, "A")]
    frame = log.CommandFrame.FromString(command_frame(commands, QUEUED_NS, "w0"))
    assert frame.format == 1
    assert frame.origin == "w0"
    assert list(frame.kinds) == [1, 2, 1, 1, 2]
    assert [frame.keys[16 * n : 16 * n + 16] for n in range(5)] == [c.key for c in commands]
    assert list(frame.command_ids) == [c.command_id for c in commands]
    assert [frame.accounts[i] for i in frame.account_index] == [c.account for c in commands]
    assert list(frame.age_us) == [5, 9, 5, 5, 9]
    assert [frame.symbols[i] for i in frame.symbol_index] == ["BTC-USD"] * 3
    assert list(frame.sides) == [1, 2, 1]
    assert list(frame.flags) == [0, 1, 0]
    assert list(frame.limit_price_ticks) == [1000, 1001, 1002]
    assert list(frame.quantity_lots) == [5, 6, 7]
    assert frame.targets == commands[1].body + commands[4].body  # type: ignore[operator]
    assert [(d.command_index, d.valid_until_ns) for d in frame.deadlines] == [(1, 77)]


def test_a_frame_of_cancels_only_has_no_order_columns() -> None:
    frame = log.CommandFrame.FromString(command_frame([cancel(0, "B")], QUEUED_NS, "w0"))
    assert not frame.symbols
    assert not frame.sides


@pytest.mark.parametrize("jump_ns", [-(10**18), 10**18])
def test_a_clock_that_jumps_does_not_break_the_frame(jump_ns: int) -> None:
    frame = log.CommandFrame.FromString(command_frame([new_order(0, received_ns=QUEUED_NS + jump_ns)], QUEUED_NS, "w0"))
    assert 0 <= frame.age_us[0] < 2**32


def prepared(kind: int, n: int, body: Body, extra: Extra = None, account: str = "A") -> Prepared:
    about = target(body)
    order_id = key_text(about) if about else ""
    key = order_key(account, f"r{n}")
    return Prepared(kind, key, f"r{n}", account, QUEUED_NS, 1, 0, 0, order_id, body, extra)


def test_a_frame_of_every_kind_has_its_rows_in_order() -> None:
    amended = order_key("A", "o")
    terms = log.OrderTerms(stop_price_ticks=9, tag="t")
    commands = [
        new_order(0),
        new_order(1)._replace(extra=terms),
        cancel(0, "A"),
        prepared(AMEND_ORDER, 0, Amend(amended, "NEW", 11, 12, log.AmendTerms(stop_price_ticks=13)), 4),
        cancel(1, "A")._replace(extra=0),
        prepared(MASS_CANCEL, 1, MassCancel("BTC-USD", 2, "t", "s", disconnected=True)),
        prepared(AMEND_ORDER, 2, Amend(amended, "", 0, 5, None)),
        prepared(MASS_CANCEL, 3, MassCancel()),
        prepared(SET_TRADING_STATE, 4, TradingState("", "STATE", 3, cancel_open_orders=True)),
        prepared(SET_LIMITS, 5, log.LimitsRow(account="A", max_open_orders=7)),
        new_order(2)._replace(extra=log.OrderTerms(session="s")),
        prepared(TICK, 6, None),
        prepared(FENCE, 8, None),
        prepared(AMEND_ORDER, 7, Amend(amended, "NEW", 1, 0, log.AmendTerms(expire_at_ns=77))),
    ]
    frame = log.CommandFrame.FromString(command_frame(commands, QUEUED_NS, "w0"))
    assert list(frame.kinds) == [1, 1, 2, 3, 2, 4, 3, 4, 5, 6, 1, 7, 8, 3]
    assert list(frame.symbols) == ["BTC-USD", "NEW", "STATE"]
    assert list(frame.symbol_index) == [0, 0, 0]
    assert frame.targets == b"".join(target(c.body) for c in commands if c.kind in {CANCEL_ORDER, AMEND_ORDER})
    assert len(frame.targets) == 5 * 16
    assert list(frame.amend_limit_price_ticks) == [11, 0, 1]
    assert list(frame.amend_quantity_lots) == [12, 5, 0]
    assert list(frame.amend_symbol) == [2, 0, 2]
    expected = log.CommandFrame(
        terms=[
            log.OrderTerms(order_index=1, stop_price_ticks=9, tag="t"),
            log.OrderTerms(order_index=2, session="s"),
        ],
        amend_terms=[
            log.AmendTerms(amend_index=0, stop_price_ticks=13),
            log.AmendTerms(amend_index=2, expire_at_ns=77),
        ],
        expected_versions=[
            log.ExpectedVersion(command_index=3, version=4),
            log.ExpectedVersion(command_index=4, version=0),
        ],
        mass_cancels=[
            log.MassCancelRow(symbol=1, side=2, tag="t", session="s", disconnected=True),
            log.MassCancelRow(),
        ],
        trading_states=[log.TradingStateRow(symbol=3, state=3, cancel_open_orders=True)],
        limits=[log.LimitsRow(account="A", max_open_orders=7)],
    )
    for field in ("terms", "amend_terms", "expected_versions", "mass_cancels", "trading_states", "limits"):
        assert list(getattr(frame, field)) == list(getattr(expected, field)), field
    assert terms.order_index == 0  # what a client may send again is not changed


def test_symbols_that_only_rows_name_are_in_the_frame() -> None:
    frame = log.CommandFrame.FromString(
        command_frame([prepared(MASS_CANCEL, 0, MassCancel(symbol="ONLY"))], QUEUED_NS, "w0")
    )
    assert (list(frame.symbols), frame.mass_cancels[0].symbol) == (["ONLY"], 1)


def test_an_ack_about_no_order_has_no_order_id() -> None:
    ack = outcome.queued_ack(prepared(MASS_CANCEL, 0, MassCancel()), LogId(5, 0), 0, QUEUED_NS)
    assert ack.order_id == ""
