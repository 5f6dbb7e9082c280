"""Validation of amends and mass cancels; see test_validation.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.ids import key_text, order_key
from gateway.rows import AMEND_ORDER, MASS_CANCEL, Amend, MassCancel
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2 as pb
from ordergate.v1 import failure_pb2, order_pb2

from .test_validation import NOW_NS, TWO, put, refusal

if TYPE_CHECKING:
    from gateway.validation import Validator
    from gateway.wire import Prepared

FAR = 2_000_000_000

# Each step mends what the step before was refused for.
AMENDS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "amend_order.order", "INVALID_FIELD"),
    ({"order.order_id": "x"}, "amend_order.order.order_id", "INVALID_FIELD"),
    ({"order.client_order_id": "a b"}, "amend_order.order.client_order_id", "INVALID_FIELD"),
    ({"order.client_order_id": "o", "symbol": "NOPE", "quantity": "-1"}, "amend_order.quantity", "INVALID_FIELD"),
    ({"quantity": "", "limit_price": "1e2"}, "amend_order.limit_price", "INVALID_FIELD"),
    ({"limit_price": "", "stop_price": "0.0"}, "amend_order.stop_price", "INVALID_FIELD"),
    ({"stop_price": "", "expire_at.seconds": -1}, "amend_order.expire_at", "INVALID_FIELD"),
    ({"expire_at.seconds": 1}, "amend_order.expire_at", "STALE"),
    ({"expire_at.seconds": FAR}, "amend_order.symbol", "UNKNOWN_SYMBOL"),
    ({"symbol": "BUND", "quantity": "x"}, "amend_order.quantity", "INVALID_FIELD"),
    ({"quantity": "0"}, "amend_order.quantity", "INVALID_FIELD"),
    ({"quantity": "1.5"}, "amend_order.quantity", "LOT_SIZE"),
    ({"quantity": "100001"}, "amend_order.quantity", "MAX_ORDER_QUANTITY"),
    ({"quantity": "7", "limit_price": "x"}, "amend_order.limit_price", "INVALID_FIELD"),
    ({"limit_price": "0"}, "amend_order.limit_price", "INVALID_FIELD"),
    ({"limit_price": "1.001"}, "amend_order.limit_price", "PRICE_INCREMENT"),
    ({"limit_price": "10000.005"}, "amend_order.limit_price", "PRICE_BAND"),
    ({"limit_price": "10", "stop_price": "x"}, "amend_order.stop_price", "INVALID_FIELD"),
    ({"stop_price": "1.001"}, "amend_order.stop_price", "PRICE_INCREMENT"),
    ({"stop_price": "10001"}, "amend_order.stop_price", "PRICE_BAND"),
]


def amend(**fields: Any) -> pb.Command:
    command = pb.Command(command_id="c", account="A")
    command.amend_order.order.client_order_id = "o"
    for path, value in fields.items():
        put(command, f"amend_order.{path}", value)
    return command


def prepare(validator: Validator, command: pb.Command) -> Prepared:
    return validator.prepare(command, TWO, NOW_NS, pb.ACK_LEVEL_QUEUED)


def test_each_mended_field_of_an_amend_uncovers_the_next_fault(validator: Validator) -> None:
    command = pb.Command(command_id="c", account="A")
    command.amend_order.SetInParent()
    for changes, field, reason in AMENDS:
        for path, value in changes.items():
            put(command, f"amend_order.{path}", value)
        error = refusal(validator, command)
        got = failure_pb2.Reason.Name(error.reason).removeprefix("REASON_")
        assert (error.field, got) == (field, reason), (changes, error.text)
    put(command, "amend_order.stop_price", "9.995")
    put(command, "amend_order.expected_version", 3)
    prepared = prepare(validator, command)
    target = order_key("A", "o")
    terms = log.AmendTerms(stop_price_ticks=1999, expire_at_ns=FAR * 10**9)
    assert prepared.kind == AMEND_ORDER
    assert prepared.order_id == key_text(target)
    assert prepared.body == Amend(target, "BUND", 2000, 7, terms)
    assert prepared.extra == 3


@pytest.mark.parametrize("symbol", ["", "BUND"])
def test_an_amend_that_changes_nothing_is_refused(validator: Validator, symbol: str) -> None:
    command = amend(symbol=symbol, expected_version=1)
    error = refusal(validator, command)
    assert (error.field, error.reason) == ("amend_order", failure_pb2.REASON_INVALID_FIELD)


def test_an_amend_of_the_usual_fields_needs_no_terms(validator: Validator) -> None:
    command = amend(symbol="BUND", quantity="5")
    assert prepare(validator, command).body == Amend(order_key("A", "o"), "BUND", 0, 5, None)


@pytest.mark.parametrize(
    ("text", "mantissa", "digits"),
    [
        ("7", 7, 0),
        ("7.0", 7, 0),
        ("1.50", 15, 1),
        ("001.005", 1005, 3),
        ("4611686018427387903", 2**62 - 1, 0),
        ("4.611686018427387903", 2**62 - 1, 18),
        ("0.000000000000000001", 1, 18),
        ("100", 100, 0),
    ],
)
def test_without_a_symbol_numbers_stay_decimals(validator: Validator, text: str, mantissa: int, digits: int) -> None:
    body = prepare(validator, amend(quantity=text, limit_price=text, stop_price=text)).body
    terms = log.AmendTerms(
        stop_price_ticks=mantissa,
        decimal=True,
        limit_price_digits=digits,
        quantity_digits=digits,
        stop_price_digits=digits,
    )
    assert body == Amend(order_key("A", "o"), "", mantissa, mantissa, terms)


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+1",
        "1e2",
        "1.",
        ".5",
        "NaN",
        "١",
        "1_0",
        "1.2.3",
        "0",
        "0.00",
        "9" * 41,
        "4611686018427387904",
        "1." + "0" * 18 + "1",
    ],
    ids=repr,
)
@pytest.mark.parametrize("field", ["quantity", "limit_price", "stop_price"])
def test_without_a_symbol_a_decimal_still_needs_its_form(validator: Validator, field: str, text: str) -> None:
    error = refusal(validator, amend(**{field: text}))
    assert (error.field, error.reason) == (f"amend_order.{field}", failure_pb2.REASON_INVALID_FIELD)


MASS: list[tuple[dict[str, Any], str, str]] = [
    ({"symbol": "NOPE", "side": 9, "tag": "\t", "session_name": "ä"}, "mass_cancel.symbol", "UNKNOWN_SYMBOL"),
    ({"symbol": "BUND"}, "mass_cancel.side", "INVALID_FIELD"),
    ({"side": order_pb2.SIDE_SELL}, "mass_cancel.tag", "INVALID_FIELD"),
    ({"tag": "t"}, "mass_cancel.session_name", "INVALID_FIELD"),
]


def test_each_mended_field_of_a_mass_cancel_uncovers_the_next_fault(validator: Validator) -> None:
    command = pb.Command(command_id="c", account="A")
    for changes, field, reason in MASS:
        for path, value in changes.items():
            put(command, f"mass_cancel.{path}", value)
        error = refusal(validator, command)
        got = failure_pb2.Reason.Name(error.reason).removeprefix("REASON_")
        assert (error.field, got) == (field, reason), (changes, error.text)
    put(command, "mass_cancel.session_name", "s" * 64)
    prepared = prepare(validator, command)
    assert (prepared.kind, prepared.order_id) == (MASS_CANCEL, "")
    assert prepared.body == MassCancel("BUND", 2, "t", "s" * 64)


def test_a_mass_cancel_without_criteria_is_one_of_all(validator: Validator) -> None:
    command = pb.Command(command_id="c", account="A", mass_cancel=pb.MassCancel())
    assert prepare(validator, command).body == MassCancel()
