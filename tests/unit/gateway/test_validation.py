"""Validation as a table: each row mends one more field, so the row's fault must be the first that is left."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.auth import Principal
from gateway.ids import key_text, order_key
from gateway.instruments import load_instruments
from gateway.rows import CANCEL_ORDER, NEW_ORDER
from gateway.validation import Validator
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2 as pb
from ordergate.v1 import failure_pb2, order_pb2

from .conftest import INSTRUMENTS

NOW_NS = 1_763_766_546_123_456_000
TWO = Principal("t", frozenset({"A", "B"}), frozenset({"trade"}), time.time() + 1e6)
ONE = Principal("t", frozenset({"A"}), frozenset({"trade"}), time.time() + 1e6)


def refusal(validator: Validator, command: pb.Command, principal: Principal = TWO) -> errors.OrdergateError:
    with pytest.raises(errors.OrdergateError) as caught:
        validator.prepare(command, principal, NOW_NS, pb.ACK_LEVEL_QUEUED)
    return caught.value


# Each step mends what the step before was refused for.
LADDER: list[tuple[dict[str, Any], str, str]] = [
    ({}, "command_id", "INVALID_FIELD"),
    ({"command_id": "c1"}, "account", "INVALID_FIELD"),
    ({"account": "C"}, "account", "PERMISSION"),
    ({"account": "A", "ack_level": 9}, "ack_level", "INVALID_FIELD"),
    ({"ack_level": 0, "valid_until.seconds": -1}, "valid_until", "INVALID_FIELD"),
    ({"valid_until.seconds": 1}, "valid_until", "STALE"),
    ({"valid_until.seconds": 2_000_000_000}, "body", "INVALID_FIELD"),
    ({"new_order.symbol": ""}, "new_order.symbol", "INVALID_FIELD"),
    ({"new_order.symbol": "NOPE"}, "new_order.symbol", "UNKNOWN_SYMBOL"),
    ({"new_order.symbol": "BTC-USD"}, "new_order.side", "INVALID_FIELD"),
    ({"new_order.side": 7}, "new_order.side", "INVALID_FIELD"),
    ({"new_order.side": order_pb2.SIDE_BUY}, "new_order.order_type", "INVALID_FIELD"),
    ({"new_order.order_type": 99}, "new_order.order_type", "INVALID_FIELD"),
    ({"new_order.order_type": order_pb2.ORDER_TYPE_LIMIT}, "new_order.time_in_force", "INVALID_FIELD"),
    ({"new_order.time_in_force": 6}, "new_order.time_in_force", "INVALID_FIELD"),
    ({"new_order.time_in_force": order_pb2.TIME_IN_FORCE_IOC}, "new_order.quantity", "INVALID_FIELD"),
    ({"new_order.quantity": "0.000000001"}, "new_order.quantity", "LOT_SIZE"),
    ({"new_order.quantity": "100.00000001"}, "new_order.quantity", "MAX_ORDER_QUANTITY"),
    ({"new_order.quantity": "99999999999999999999999"}, "new_order.quantity", "MAX_ORDER_QUANTITY"),
    ({"new_order.quantity": "0"}, "new_order.quantity", "INVALID_FIELD"),
    ({"new_order.quantity": "1"}, "new_order.limit_price", "INVALID_FIELD"),
    ({"new_order.limit_price": "1.001"}, "new_order.limit_price", "PRICE_INCREMENT"),
    ({"new_order.limit_price": "0"}, "new_order.limit_price", "INVALID_FIELD"),
    ({"new_order.limit_price": "0.09"}, "new_order.limit_price", "PRICE_BAND"),
    ({"new_order.limit_price": "1000000.01"}, "new_order.limit_price", "PRICE_BAND"),
    ({"new_order.limit_price": "100.10", "new_order.post_only": True}, "new_order.post_only", "INVALID_FIELD"),
    ({"new_order.post_only": False, "new_order.stop_price": "1"}, "new_order.stop_price", "INVALID_FIELD"),
    (
        {"new_order.order_type": order_pb2.ORDER_TYPE_STOP_LIMIT, "new_order.stop_price": ""},
        "new_order.stop_price",
        "INVALID_FIELD",
    ),
    ({"new_order.stop_price": "0.105"}, "new_order.stop_price", "PRICE_INCREMENT"),
    ({"new_order.stop_price": "0"}, "new_order.stop_price", "INVALID_FIELD"),
    ({"new_order.stop_price": "0.05"}, "new_order.stop_price", "PRICE_BAND"),
    (
        {"new_order.stop_price": "90", "new_order.expire_at.seconds": 2_000_000_000},
        "new_order.expire_at",
        "INVALID_FIELD",
    ),
    (
        {"new_order.time_in_force": order_pb2.TIME_IN_FORCE_GTD, "new_order.expire_at.seconds": 1},
        "new_order.expire_at",
        "STALE",
    ),
    ({"new_order.expire_at.nanos": -1}, "new_order.expire_at", "INVALID_FIELD"),
    (
        {
            "new_order.expire_at.nanos": 1999,
            "new_order.expire_at.seconds": 2_000_000_000,
            "new_order.display_quantity": "x",
        },
        "new_order.display_quantity",
        "INVALID_FIELD",
    ),
    ({"new_order.display_quantity": "0"}, "new_order.display_quantity", "INVALID_FIELD"),
    ({"new_order.display_quantity": "0.000000001"}, "new_order.display_quantity", "LOT_SIZE"),
    ({"new_order.display_quantity": "1.1"}, "new_order.display_quantity", "INVALID_FIELD"),
    (
        {"new_order.display_quantity": "0.5", "new_order.self_trade_prevention": 99},
        "new_order.self_trade_prevention",
        "INVALID_FIELD",
    ),
    ({"new_order.self_trade_prevention": 5, "new_order.stp_group": "ä"}, "new_order.stp_group", "INVALID_FIELD"),
    ({"new_order.stp_group": "g" * 65}, "new_order.stp_group", "INVALID_FIELD"),
    ({"new_order.stp_group": "a b"}, "new_order.stp_group", "INVALID_FIELD"),
    (
        {"new_order.stp_group": "g", "new_order.cancel_on_disconnect": True},
        "new_order.cancel_on_disconnect",
        "INVALID_FIELD",
    ),
    ({"new_order.cancel_on_disconnect": False, "new_order.tag": "a\nb"}, "new_order.tag", "INVALID_FIELD"),
    (
        {
            "new_order.tag": "~",
            "new_order.order_type": order_pb2.ORDER_TYPE_MARKET,
            "new_order.limit_price": "",
            "new_order.stop_price": "",
            "new_order.display_quantity": "",
        },
        "new_order.time_in_force",
        "INVALID_FIELD",
    ),
]


def put(command: pb.Command, path: str, value: Any) -> None:
    target: Any = command
    *parents, name = path.split(".")
    for parent in parents:
        target = getattr(target, parent)
    setattr(target, name, value)
    if parents and hasattr(target, "SetInParent"):
        target.SetInParent()


def test_each_mended_field_uncovers_the_next_fault(validator: Validator) -> None:
    command = pb.Command()
    for changes, field, reason in LADDER:
        for path, value in changes.items():
            put(command, path, value)
        error = refusal(validator, command)
        got = failure_pb2.Reason.Name(error.reason).removeprefix("REASON_")
        assert (error.field, got) == (field, reason), (changes, error.text)
        assert error.disposition == failure_pb2.DISPOSITION_NOT_APPLIED
        assert error.text
    put(command, "new_order.order_type", order_pb2.ORDER_TYPE_STOP_LIMIT)
    put(command, "new_order.limit_price", "100.10")
    put(command, "new_order.stop_price", "90")
    put(command, "new_order.display_quantity", "0.5")
    prepared = validator.prepare(command, TWO, NOW_NS, pb.ACK_LEVEL_QUEUED)
    assert prepared.kind == NEW_ORDER
    assert prepared.body == ("BTC-USD", 1, 4, order_pb2.TIME_IN_FORCE_GTD, 0, 10010, 100_000_000)
    assert prepared.extra == log.OrderTerms(
        stop_price_ticks=9000,
        display_lots=50_000_000,
        expire_at_ns=2_000_000_000_000_001_000,
        self_trade_prevention=5,
        stp_group="g",
        tag="~",
    )
    assert prepared.order_id == key_text(order_key("A", "c1"))
    assert prepared.valid_until_ns == 2_000_000_000 * 10**9


@pytest.mark.parametrize(
    "bad", ["", "x" * 65, "a b", "a\tb", "ä", "a\x00", "\u202e", "a\n", "\x7f", "\U0001f4a5"], ids=repr
)
def test_command_id_must_be_printable_ascii(validator: Validator, bad: str) -> None:
    assert refusal(validator, pb.Command(command_id=bad, account="A")).field == "command_id"


@pytest.mark.parametrize("good", ["x", "x" * 64, "!~", "a-b_c:d/e", "0"])
def test_command_id_takes_all_printable_ascii(validator: Validator, good: str) -> None:
    assert refusal(validator, pb.Command(command_id=good, account="A")).field == "body"


@pytest.mark.parametrize(
    "text",
    ["-1", "+1", "1e2", "1,5", " 1", "1 ", "1.", ".5", "", "NaN", "inf", "0x1", "١", "1_0", "1.2.3", "1\x00", "9" * 41],
    ids=repr,
)
@pytest.mark.parametrize("field", ["quantity", "limit_price"])
def test_a_decimal_is_digits_and_one_point(validator: Validator, field: str, text: str) -> None:
    command = limit()
    setattr(command.new_order, field, text)
    error = refusal(validator, command)
    assert (error.field, error.reason) == (f"new_order.{field}", failure_pb2.REASON_INVALID_FIELD)


@pytest.mark.parametrize(("text", "ticks"), [("100", 20000), ("100.005", 20001), ("0100.0100", 20002), ("0.005", 1)])
def test_prices_become_ticks_exactly(validator: Validator, text: str, ticks: int) -> None:
    command = limit(symbol="BUND", price=text)
    body = validator.prepare(command, TWO, NOW_NS, 1).body
    assert body[5] == ticks


def test_the_only_account_of_a_token_need_not_be_named(validator: Validator) -> None:
    command = limit()
    command.account = ""
    assert validator.prepare(command, ONE, NOW_NS, 1).account == "A"


def limit(symbol: str = "BTC-USD", price: str = "100") -> pb.Command:
    order = pb.NewOrder(symbol=symbol, side=1, order_type=1, time_in_force=1, quantity="1", limit_price=price)
    return pb.Command(command_id="c", account="A", new_order=order)


def test_market_orders_have_no_price_and_never_rest(validator: Validator) -> None:
    command = limit()
    command.new_order.order_type = order_pb2.ORDER_TYPE_MARKET
    assert refusal(validator, command).field == "new_order.limit_price"
    command.new_order.limit_price = ""
    assert refusal(validator, command).field == "new_order.time_in_force"
    command.new_order.time_in_force = order_pb2.TIME_IN_FORCE_FOK
    prepared = validator.prepare(command, TWO, NOW_NS, 1)
    assert prepared.body[5] == 0
    assert prepared.extra is None


TYPES = {name.removeprefix("ORDER_TYPE_"): number for name, number in order_pb2.OrderType.items()}
TIMES = {name.removeprefix("TIME_IN_FORCE_"): number for name, number in order_pb2.TimeInForce.items()}
GIVEN = {"limit_price": "100", "stop_price": "90", "display_quantity": "0.5"}


@pytest.mark.parametrize("time_in_force", ["GTC", "DAY", "GTD", "IOC", "FOK"])
@pytest.mark.parametrize(
    ("order_type", "needs"),
    [
        ("LIMIT", {"limit_price"}),
        ("MARKET", set()),
        ("STOP", {"stop_price"}),
        ("STOP_LIMIT", set(GIVEN) - {"display_quantity"}),
    ],
)
def test_every_combination_is_taken_or_refused_as_the_rules_say(
    validator: Validator, order_type: str, needs: set[str], time_in_force: str
) -> None:
    """RULES.md, NewOrder, INVALID_FIELD, over every subset of the fields."""
    rests = time_in_force in {"GTC", "DAY", "GTD"}
    for post_only, expires, *given in itertools.product([False, True], repeat=2 + len(GIVEN)):
        texts = {name: text for (name, text), is_given in zip(GIVEN.items(), given, strict=True) if is_given}
        command = limit()
        command.new_order.CopyFrom(
            pb.NewOrder(
                symbol="BTC-USD",
                side=order_pb2.SIDE_SELL,
                order_type=TYPES[order_type],
                time_in_force=TIMES[time_in_force],
                quantity="1",
                post_only=post_only,
                **texts,
            )
        )
        if expires:
            command.new_order.expire_at.seconds = 2_000_000_000
        good = (
            texts.keys() - {"display_quantity"} == needs
            and ("display_quantity" not in texts or (rests and "limit_price" in needs))
            and not (order_type == "MARKET" and rests)
            and expires == (time_in_force == "GTD")
            and not (post_only and not (order_type == "LIMIT" and rests))
        )
        if good:
            validator.prepare(command, TWO, NOW_NS, 1)
        else:
            assert refusal(validator, command).reason == failure_pb2.REASON_INVALID_FIELD, command


def test_a_plain_order_has_no_terms_also_where_it_says_so_itself(validator: Validator) -> None:
    command = limit()
    command.new_order.self_trade_prevention = order_pb2.SELF_TRADE_PREVENTION_NONE
    assert validator.prepare(command, TWO, NOW_NS, 1).extra is None


def test_orders_of_a_named_session_carry_its_name(validator: Validator) -> None:
    command = limit()
    assert validator.prepare(command, TWO, NOW_NS, 1, "desk-1").extra == log.OrderTerms(session="desk-1")
    command.new_order.cancel_on_disconnect = True
    terms = validator.prepare(command, TWO, NOW_NS, 1, "desk-1").extra
    assert terms == log.OrderTerms(session="desk-1", cancel_on_disconnect=True)


CANCELS = [
    (pb.CancelOrder(), "cancel_order.order", "INVALID_FIELD"),
    (pb.CancelOrder(order=order_pb2.OrderKey(order_id="x")), "cancel_order.order.order_id", "INVALID_FIELD"),
    (
        pb.CancelOrder(order=order_pb2.OrderKey(order_id="zzzzzzzz-0000-8000-8000-000000000000")),
        "cancel_order.order.order_id",
        "INVALID_FIELD",
    ),
    (
        pb.CancelOrder(order=order_pb2.OrderKey(client_order_id="a b")),
        "cancel_order.order.client_order_id",
        "INVALID_FIELD",
    ),
    (
        pb.CancelOrder(order=order_pb2.OrderKey(client_order_id="a"), symbol="NOPE"),
        "cancel_order.symbol",
        "UNKNOWN_SYMBOL",
    ),
]


@pytest.mark.parametrize(("cancel", "field", "reason"), CANCELS)
def test_cancels_are_refused_by_field(validator: Validator, cancel: pb.CancelOrder, field: str, reason: str) -> None:
    error = refusal(validator, pb.Command(command_id="c", account="A", cancel_order=cancel))
    assert (error.field, failure_pb2.Reason.Name(error.reason)) == (field, f"REASON_{reason}")


def test_cancel_by_either_id_names_the_same_order(validator: Validator) -> None:
    text = key_text(order_key("A", "o1"))
    keys = [order_pb2.OrderKey(order_id=text), order_pb2.OrderKey(client_order_id="o1")]
    done = [
        validator.prepare(pb.Command(command_id="x", account="A", cancel_order=pb.CancelOrder(order=k)), TWO, NOW_NS, 1)
        for k in keys
    ]
    assert done[0] == done[1]
    assert done[0].kind == CANCEL_ORDER
    assert done[0].order_id == text


def test_a_cancel_may_name_the_version(validator: Validator) -> None:
    cancel = pb.CancelOrder(order=order_pb2.OrderKey(client_order_id="a"), expected_version=0)
    command = pb.Command(command_id="c", account="A", cancel_order=cancel)
    assert validator.prepare(command, TWO, NOW_NS, 1).extra == 0
    command.cancel_order.expected_version = 2**64 - 1
    assert validator.prepare(command, TWO, NOW_NS, 1).extra == 2**64 - 1
    command.cancel_order.ClearField("expected_version")
    assert validator.prepare(command, TWO, NOW_NS, 1).extra is None


def test_several_shards_need_the_symbol_of_what_names_an_order(tmp_path: Path) -> None:
    path = tmp_path / "i.toml"
    path.write_text(INSTRUMENTS)
    validator = Validator(load_instruments(path, 4), 4)
    order = order_pb2.OrderKey(client_order_id="a")
    for kind, body in {
        "cancel_order": pb.CancelOrder(order=order),
        "amend_order": pb.AmendOrder(order=order, quantity="1"),
        "mass_cancel": pb.MassCancel(),
    }.items():
        command = pb.Command(command_id="c", account="A", **{kind: body})
        error = refusal(validator, command)
        assert (error.field, error.reason) == (f"{kind}.symbol", failure_pb2.REASON_INVALID_FIELD)
        put(command, f"{kind}.symbol", "BUND")
        entered = validator.prepare(limit("BUND", "1"), TWO, NOW_NS, 1)
        assert validator.prepare(command, TWO, NOW_NS, 1).shard == entered.shard
