"""The native part against the Python that it stands in for: the same commands, the same frames, the same acks."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
from google.protobuf.message import DecodeError

from gateway import errors
from gateway.auth import Principal
from gateway.ids import key_text, order_key
from gateway.instruments import load_instruments
from gateway.plain import OFF, Plain, PlainCommands, find_library
from gateway.stack.services import ROOT
from gateway.validation import Validator
from gateway.wire import Prepared, command_frame, length_delimited, queued_acks
from ordergate.v1 import command_pb2, order_pb2
from ordergate.v1 import order_entry_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable

INSTRUMENTS = load_instruments(ROOT / "instruments.toml")
SYMBOLS = sorted(INSTRUMENTS.by_symbol)
VALIDATOR = Validator(INSTRUMENTS)
RECEIVED_NS = 1_763_766_546_123_456_000
QUEUED_NS = RECEIVED_NS + 1_234_567_000
MOST = 50
QUEUED = command_pb2.ACK_LEVEL_QUEUED

BUILT = ROOT / "build/engine/build.ninja"
pytestmark = pytest.mark.skipif(not BUILT.exists(), reason="nothing is built here: make engine")


def test_the_engines_build_makes_the_native_part() -> None:
    assert find_library() is not None


def principal(*accounts: str) -> Principal:
    return Principal("someone", frozenset(accounts), frozenset({"trade"}), time.time() + 1e6)


ONE, TWO = principal("desk-1"), principal("desk-1", "desk-2")


def in_python(raw: bytes, who: Principal) -> list[Prepared]:
    request = pb.SessionRequest.FromString(raw)
    return [VALIDATOR.prepare(command, who, RECEIVED_NS, QUEUED) for command in request.commands]


def native(raw: bytes, who: Principal) -> PlainCommands | None:
    reader = Plain(INSTRUMENTS).reader(who.accounts)
    assert reader is not None
    return reader.read(raw, MOST, RECEIVED_NS, lambda: in_python(raw, who))


def order(**changes: object) -> command_pb2.Command:
    fields = {"symbol": "ACME", "side": 1, "order_type": 1, "time_in_force": 1, "quantity": "5", "limit_price": "10.00"}
    return command_pb2.Command(command_id="c1", new_order=command_pb2.NewOrder(**fields | changes))  # type: ignore[arg-type]


def cancel(**key: str) -> command_pb2.Command:
    return command_pb2.Command(command_id="x1", cancel_order=command_pb2.CancelOrder(order=order_pb2.OrderKey(**key)))


def request(*commands: command_pb2.Command) -> bytes:
    return pb.SessionRequest(commands=commands).SerializeToString()


def with_id(command: command_pb2.Command, **changes: object) -> command_pb2.Command:
    command.MergeFrom(command_pb2.Command(**changes))  # type: ignore[arg-type]
    return command


PLAIN = {
    "limit": order(),
    "sell": order(side=2),
    "day": order(time_in_force=2),
    "immediate": order(time_in_force=4),
    "fill or kill": order(time_in_force=5),
    "market": order(order_type=2, time_in_force=4, limit_price=""),
    "post only": order(post_only=True),
    "whole price": order(limit_price="10"),
    "short price": order(limit_price="10.5"),
    "leading zeros": order(limit_price="0010.50"),
    "cancel by order_id": cancel(order_id=key_text(order_key("desk-1", "c1"))),
    "cancel in capitals": cancel(order_id=key_text(order_key("desk-1", "c1")).upper()),
    "cancel by client_order_id": cancel(client_order_id="c1"),
    "account": with_id(order(), account="desk-1"),
    "level": with_id(order(), ack_level=QUEUED),
    "longest id": with_id(order(), command_id="~" * 64),
}


@pytest.mark.parametrize("command", PLAIN.values(), ids=PLAIN)
def test_what_is_plain_is_read_natively(command: command_pb2.Command) -> None:
    raw = request(command)
    commands = native(raw, ONE)
    assert commands is not None
    same(commands, in_python(raw, ONE))


def same(commands: PlainCommands, expected: list[Prepared]) -> None:
    """Everything that is made of them is the same."""
    assert len(commands) == len(expected)
    assert commands.acks(b"0:17-3:", 95, QUEUED_NS) == queued_acks(expected, b"0:17-3:", 95, QUEUED_NS)
    assert PlainCommands.frame([commands], QUEUED_NS, b"worker") == command_frame(expected, QUEUED_NS, "worker")
    assert list(commands) == expected


CANCELLED = command_pb2.CancelOrder(order=order_pb2.OrderKey(client_order_id="c1"))
NOT_PLAIN: dict[str, bytes] = {
    "nothing": b"",
    "ping": pb.SessionRequest(ping=True, commands=[order()]).SerializeToString(),
    "hello": pb.SessionRequest(hello=pb.Hello(), commands=[order()]).SerializeToString(),
    "engine level": request(with_id(order(), ack_level=2)),
    "unknown level": request(with_id(order(), ack_level=9)),
    "another's account": request(with_id(order(), account="desk-9")),
    "no body": request(command_pb2.Command(command_id="c1")),
    "no id": request(command_pb2.Command(new_order=order().new_order)),
    "space in id": request(with_id(order(), command_id="a b")),
    "id too long": request(with_id(order(), command_id="x" * 65)),
    "id beyond ASCII": request(with_id(order(), command_id="ä")),
    "unknown symbol": request(order(symbol="NONE")),
    "no side": request(order(side=0)),
    "side 3": request(order(side=3)),
    "stop": request(order(order_type=3, stop_price="10.00", limit_price="")),
    "good till date": request(order(time_in_force=3)),
    "market that rests": request(order(order_type=2, limit_price="")),
    "market with price": request(order(order_type=2, time_in_force=4)),
    "limit without price": request(order(limit_price="")),
    "post only and immediate": request(order(post_only=True, time_in_force=4)),
    "price beside the increment": request(order(limit_price="10.001")),
    "price of zero": request(order(limit_price="0")),
    "price too high": request(order(limit_price="9" * 30)),
    "price with sign": request(order(limit_price="-1")),
    "price with point only": request(order(limit_price=".")),
    "price without whole": request(order(limit_price=".5")),
    "price without fraction": request(order(limit_price="5.")),
    "two points": request(order(limit_price="1.0.0")),
    "other digits": request(order(quantity="٥")),
    "no quantity": request(order(quantity="")),
    "quantity of zero": request(order(quantity="0")),
    "quantity too large": request(order(quantity="999999999999")),
    "iceberg": request(order(display_quantity="1")),
    "tag": request(order(tag="t")),
    "bad order_id": request(cancel(order_id="3413e19e-885f-81ac-86e8-27379b856f4")),
    "order_id without dashes": request(cancel(order_id="3413e19e885f81ac86e827379b856f4a0000")),
    "no key": request(cancel()),
    "bad client_order_id": request(cancel(client_order_id="a b")),
    "expected version": request(
        command_pb2.Command(
            command_id="x",
            cancel_order=command_pb2.CancelOrder(order=CANCELLED.order, expected_version=1),
        )
    ),
    "unknown symbol of a cancel": request(
        command_pb2.Command(command_id="x", cancel_order=command_pb2.CancelOrder(order=CANCELLED.order, symbol="NONE"))
    ),
    "amend": request(
        command_pb2.Command(command_id="x", amend_order=command_pb2.AmendOrder(order=CANCELLED.order, quantity="1"))
    ),
    "too many": request(*[order()] * (MOST + 1)),
    "second is not plain": request(order(), order(side=0)),
    "unknown field": request(order()) + b"\x78\x01",
    "cut off": request(order())[:-1],
    "field twice": length_delimited(2, order().SerializeToString() + b"\x0a\x02c2"),
}


@pytest.mark.parametrize("raw", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_all_else_is_left_to_python(raw: bytes) -> None:
    assert native(raw, ONE) is None


def test_an_account_is_needed_where_there_are_several() -> None:
    assert native(request(order()), TWO) is None
    assert native(request(with_id(order(), account="desk-2")), TWO) is not None


def test_without_the_native_part_all_is_left_to_python() -> None:
    assert Plain(INSTRUMENTS, OFF).reader(ONE.accounts) is None


def test_accounts_that_it_does_not_take_are_left_to_python() -> None:
    made = Plain(INSTRUMENTS)
    for accounts in ({f"desk-{n}" for n in range(65)}, {"x" * 65}, {"a\0b"}, {""}):
        assert made.reader(frozenset(accounts)) is None


def test_messages_of_several_principals_make_one_frame() -> None:
    raws = [
        (request(*[with_id(order(), command_id=f"c{n}{who.subject}") for n in range(3)]), who) for who in (ONE, ONE)
    ]
    raws.append((request(with_id(order(symbol=SYMBOLS[-1], quantity="1"), account="desk-2")), TWO))
    made = [native(raw, who) for raw, who in raws]
    assert all(made)
    expected = [command for raw, who in raws for command in in_python(raw, who)]
    frame = PlainCommands.frame([m for m in made if m is not None], QUEUED_NS, b"w")
    assert frame == command_frame(expected, QUEUED_NS, "w")


def test_ages_are_never_negative_and_never_too_large() -> None:
    raw = request(order())
    commands = native(raw, ONE)
    assert commands is not None
    for queued_ns in (RECEIVED_NS - 1_000_000, RECEIVED_NS, RECEIVED_NS + 5_000_000_000_000_000):
        expected = command_frame(in_python(raw, ONE), queued_ns, "w")
        assert PlainCommands.frame([commands], queued_ns, b"w") == expected


def _any_text(rng: random.Random) -> str:
    pieces = ("1", "0", "10", "9.99", ".", "100.50", "0.01", "00", " ", "-", "x", "123456789012345678901", "")
    return "".join(rng.choice(pieces) for _ in range(rng.randint(0, 2)))


def _any_command(rng: random.Random) -> command_pb2.Command:
    """Most are plain, and most of the others nearly so."""
    odd: Callable[[], bool] = lambda: rng.random() < 0.03  # noqa: E731
    command = command_pb2.Command(
        command_id="".join(rng.choices("abc-0~ ä" if odd() else "abc-0~", k=rng.randint(1, 64)))
    )
    command.account = rng.choice(["", "desk-1", "desk-2", "desk-3"]) if odd() else "desk-1"
    if odd():
        command.ack_level = rng.randint(0, 4)  # type: ignore[assignment]
    if odd():
        command.valid_until.FromNanoseconds(RECEIVED_NS + rng.randint(-5, 5))
    if rng.random() < 0.3:
        key = command.cancel_order.order
        if rng.random() < 0.5:
            key.client_order_id = "a b" if odd() else "c1"
        else:
            key.order_id = key_text(rng.randbytes(16))[odd() :]
        if rng.random() < 0.2:
            command.cancel_order.symbol = rng.choice([*SYMBOLS, "NONE"])
        if odd():
            command.cancel_order.expected_version = rng.randint(0, 2)
        return command
    new = command.new_order
    instrument = INSTRUMENTS.by_symbol[rng.choice(SYMBOLS)]
    new.symbol = "NONE" if odd() else instrument.symbol
    new.side = rng.randint(0, 3) if odd() else rng.randint(1, 2)  # type: ignore[assignment]
    new.order_type = rng.randint(0, 5) if odd() else rng.choice((1, 1, 1, 2))  # type: ignore[assignment]
    new.time_in_force = rng.randint(0, 6) if odd() else rng.choice((1, 1, 2, 4, 5))  # type: ignore[assignment]
    if new.order_type == 2 and not odd():
        new.time_in_force = 4  # type: ignore[assignment]
    lots = rng.choice((1, 2, instrument.max_quantity_lots, instrument.max_quantity_lots + 1 if odd() else 3))
    new.quantity = _any_text(rng) if odd() else instrument.quantity.format(lots)
    ticks = rng.choice((instrument.min_price_ticks, instrument.max_price_ticks, 1000, 0 if odd() else 1))
    if (new.order_type == 1) != odd():
        new.limit_price = _any_text(rng) if odd() else instrument.price.format(ticks)
    new.post_only = odd()
    if odd():
        new.tag = "t"
    return command


@pytest.mark.parametrize("seed", range(40))
def test_any_message_is_read_as_python_reads_it(seed: int) -> None:
    """Natively only if Python finds no fault, and then to the same end; and most of what Python takes."""
    rng = random.Random(seed)
    taken = plain_ones = 0
    for _ in range(150):
        raw = request(*(_any_command(rng) for _ in range(rng.randint(1, 4))))
        if rng.random() < 0.1:  # protobuf's own rules: what is cut, doubled or changed
            raw = bytearray(raw)
            raw[rng.randrange(len(raw))] = rng.randrange(256)
            raw = bytes(raw) * rng.randint(1, 2)
        who = rng.choice((ONE, TWO))
        commands = native(raw, who)
        try:
            expected: list[Prepared] | None = in_python(raw, who)
        except (errors.OrdergateError, DecodeError):
            expected = None
        if expected is None:
            assert commands is None, "Python finds a fault"
            continue
        taken += 1
        if commands is not None:
            plain_ones += 1
            same(commands, expected)
    assert plain_ones > 0.6 * taken
