"""Validation as a table: each row mends one more field, so the row's fault must be the first that is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.auth import Principal
from gateway.ids import key_text, order_key
from gateway.instruments import load_instruments
from gateway.validation import Validator
from gateway.wire import CANCEL_ORDER, NEW_ORDER
from ordergate.v1 import command_pb2 as pb
from ordergate.v1 import failure_pb2, order_pb2

INSTRUMENTS = """
[[instrument]]
symbol = "BTC-USD"
price_increment = "0.01"
lot_size = "0.00000001"
min_price = "0.10"
max_price = "1000000"
max_quantity = "100"

[[instrument]]
symbol = "BUND"
price_increment = "0.005"
lot_size = "1"
max_price = "10000"
max_quantity = "100000"
"""
NOW_NS = 1_763_766_546_123_456_000
TWO = Principal("t", frozenset({"A", "B"}), frozenset({"trade"}), time.time() + 1e6)
ONE = Principal("t", frozenset({"A"}), frozenset({"trade"}), time.time() + 1e6)


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Validator:
    path: Path = tmp_path_factory.mktemp("i") / "instruments.toml"
    path.write_text(INSTRUMENTS)
    return Validator(load_instruments(path))


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
    ({"new_order.order_type": order_pb2.ORDER_TYPE_STOP}, "new_order.order_type", "UNIMPLEMENTED"),
    ({"new_order.order_type": order_pb2.ORDER_TYPE_LIMIT}, "new_order.time_in_force", "INVALID_FIELD"),
    ({"new_order.time_in_force": order_pb2.TIME_IN_FORCE_DAY}, "new_order.time_in_force", "UNIMPLEMENTED"),
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
    ({"new_order.stop_price": "", "new_order.display_quantity": "1"}, "new_order.display_quantity", "UNIMPLEMENTED"),
    (
        {"new_order.display_quantity": "", "new_order.self_trade_prevention": 2},
        "new_order.self_trade_prevention",
        "UNIMPLEMENTED",
    ),
    (
        {"new_order.self_trade_prevention": 99},
        "new_order.self_trade_prevention",
        "INVALID_FIELD",
    ),
    ({"new_order.self_trade_prevention": 1, "new_order.stp_group": "g"}, "new_order.stp_group", "UNIMPLEMENTED"),
    (
        {"new_order.stp_group": "", "new_order.cancel_on_disconnect": True},
        "new_order.cancel_on_disconnect",
        "UNIMPLEMENTED",
    ),
    ({"new_order.cancel_on_disconnect": False, "new_order.tag": "x"}, "new_order.tag", "UNIMPLEMENTED"),
]


def put(command: pb.Command, path: str, value: Any) -> None:
    target: Any = command
    *parents, name = path.split(".")
    for parent in parents:
        target = getattr(target, parent)
    setattr(target, name, value)
    if parents == ["new_order"]:
        command.new_order.SetInParent()


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
    command.new_order.tag = ""
    prepared = validator.prepare(command, TWO, NOW_NS, pb.ACK_LEVEL_QUEUED)
    assert prepared.kind == NEW_ORDER
    assert prepared.body == ("BTC-USD", 1, 1, order_pb2.TIME_IN_FORCE_IOC, 0, 10010, 100_000_000)
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
    assert validator.prepare(command, TWO, NOW_NS, 1).body[5] == 0


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
        pb.CancelOrder(order=order_pb2.OrderKey(client_order_id="a"), expected_version=0),
        "cancel_order.expected_version",
        "UNIMPLEMENTED",
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


@pytest.mark.parametrize("kind", ["amend_order", "mass_cancel"])
def test_commands_that_are_not_built_are_refused_by_name(validator: Validator, kind: str) -> None:
    command = pb.Command(command_id="c", account="A")
    getattr(command, kind).SetInParent()
    error = refusal(validator, command)
    assert (error.field, error.reason) == (kind, failure_pb2.REASON_UNIMPLEMENTED)


def test_several_shards_need_the_symbol_of_a_cancel(tmp_path: Path) -> None:
    path = tmp_path / "i.toml"
    path.write_text(INSTRUMENTS)
    validator = Validator(load_instruments(path, 4), 4)
    cancel = pb.CancelOrder(order=order_pb2.OrderKey(client_order_id="a"))
    command = pb.Command(command_id="c", account="A", cancel_order=cancel)
    assert refusal(validator, command).field == "cancel_order.symbol"
    command.cancel_order.symbol = "BUND"
    order = limit("BUND", "1")
    assert validator.prepare(command, TWO, NOW_NS, 1).shard == validator.prepare(order, TWO, NOW_NS, 1).shard
