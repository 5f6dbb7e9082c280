from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway import client as sdk
from gateway.client import (
    AckLevel,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    amend_order,
    cancel_order,
    mass_cancel,
    new_command_id,
    new_order,
)
from gateway.client.commands import AmendTerms, CancelTerms, MassCancelTerms, OrderTerms
from ordergate.v1 import command_pb2, event_pb2, failure_pb2, limits_pb2, order_pb2

TERMS: dict[str, Any] = {"symbol": "X", "side": Side.BUY, "quantity": 1, "price": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.50", "0.50"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("12.30"), "12.30"),
        (7, "7"),
        ("not checked here", "not checked here"),
    ],
)
def test_prices_and_quantities_reach_the_wire_exactly(value: Any, text: str) -> None:
    order = new_order(symbol="X", side=Side.SELL, quantity=value, price=value).new_order
    assert (order.quantity, order.limit_price) == (text, text)


@pytest.mark.parametrize("field", ["quantity", "price"])
@pytest.mark.parametrize("value", [0.1, True, b"1", None])
def test_a_float_is_never_a_price_or_quantity(field: str, value: Any) -> None:
    if field == "price" and value is None:
        pytest.skip("no price is a market order")
    with pytest.raises(TypeError, match=field):
        new_order(**{**TERMS, field: value})


@pytest.mark.parametrize(
    ("given", "order_type", "time_in_force"),
    [
        ({"price": "1"}, OrderType.LIMIT, TimeInForce.GTC),
        ({"price": None}, OrderType.MARKET, TimeInForce.IOC),
        ({"price": "1", "time_in_force": TimeInForce.FOK}, OrderType.LIMIT, TimeInForce.FOK),
        ({"price": "1", "order_type": OrderType.MARKET}, OrderType.MARKET, TimeInForce.IOC),
        ({"stop_price": "1"}, OrderType.STOP, TimeInForce.GTC),
        ({"stop_price": "1", "price": "2"}, OrderType.STOP_LIMIT, TimeInForce.GTC),
        ({"price": "1", "expire_at": timedelta(hours=1)}, OrderType.LIMIT, TimeInForce.GTD),
        ({"price": "1", "time_in_force": TimeInForce.DAY}, OrderType.LIMIT, TimeInForce.DAY),
    ],
)
def test_type_and_time_in_force_follow_from_the_price(given: Any, order_type: int, time_in_force: int) -> None:
    order = new_order(symbol="X", side=Side.BUY, quantity=1, **given).new_order
    assert (order.order_type, order.time_in_force) == (order_type, time_in_force)


def test_every_term_reaches_the_wire() -> None:
    at = datetime(2026, 5, 2, 4, 36, tzinfo=UTC)
    command = new_order(
        **TERMS,
        post_only=True,
        stop_price=Decimal("1.50"),
        expire_at=at,
        display_quantity=2,
        self_trade_prevention=SelfTradePrevention.CANCEL_BOTH,
        stp_group="g",
        cancel_on_disconnect=True,
        tag="t",
        account="a",
        command_id="id",
        ack_level=AckLevel.ENGINE,
        valid_until=at,
    )
    assert (command.command_id, command.account, command.ack_level) == ("id", "a", command_pb2.ACK_LEVEL_ENGINE)
    assert command.valid_until.ToDatetime(UTC) == at
    order = command.new_order
    assert (order.symbol, order.side, order.post_only) == ("X", order_pb2.SIDE_BUY, True)
    assert (order.stop_price, order.display_quantity, order.expire_at.ToDatetime(UTC)) == ("1.50", "2", at)
    assert (order.self_trade_prevention, order.stp_group) == (order_pb2.SELF_TRADE_PREVENTION_CANCEL_BOTH, "g")
    assert (order.cancel_on_disconnect, order.tag) == (True, "t")
    assert {field.name for field in order.DESCRIPTOR.fields} == {field.name for field, _ in order.ListFields()}


def test_every_change_of_an_amend_reaches_the_wire() -> None:
    at = datetime(2026, 5, 2, 4, 36, tzinfo=UTC)
    command = amend_order(
        client_order_id="c",
        quantity=5,
        price="1.5",
        stop_price=Decimal(2),
        expire_at=at,
        expected_version=0,
        symbol="X",
        account="a",
    )
    amend = command.amend_order
    assert (amend.order.client_order_id, amend.quantity, amend.limit_price, amend.stop_price) == ("c", "5", "1.5", "2")
    assert (amend.expire_at.ToDatetime(UTC), amend.symbol, command.account) == (at, "X", "a")
    assert amend.HasField("expected_version")
    assert {field.name for field in amend.DESCRIPTOR.fields} == {field.name for field, _ in amend.ListFields()}


def test_what_an_amend_does_not_name_stays_as_it_is() -> None:
    amend = amend_order(order_id="o", quantity=5).amend_order
    assert [field.name for field, _ in amend.ListFields()] == ["order", "quantity"]
    with pytest.raises(TypeError, match="price"):
        amend_order(order_id="o", price=0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expire_at needs a time zone"):
        amend_order(order_id="o", expire_at=datetime(2026, 5, 2))  # noqa: DTZ001 - the point of the test


def test_every_criterion_of_a_mass_cancel_reaches_the_wire() -> None:
    command = mass_cancel(symbol="X", side=Side.SELL, tag="t", session_name="s", account="a", command_id="id")
    assert (command.command_id, command.account) == ("id", "a")
    assert command.mass_cancel == command_pb2.MassCancel(
        symbol="X", side=order_pb2.SIDE_SELL, tag="t", session_name="s"
    )
    assert mass_cancel().WhichOneof("body") == "mass_cancel"


def test_a_cancel_may_name_version_and_symbol() -> None:
    cancel = cancel_order(order_id="o", expected_version=7, symbol="X").cancel_order
    assert (cancel.expected_version, cancel.symbol) == (7, "X")
    assert not cancel_order(order_id="o").cancel_order.HasField("expected_version")


def test_valid_until_can_be_a_time_from_now_but_never_without_a_zone() -> None:
    before = datetime.now(UTC)
    command = new_order(**TERMS, valid_until=timedelta(seconds=5))
    assert timedelta(seconds=4) < command.valid_until.ToDatetime(UTC) - before < timedelta(seconds=6)
    with pytest.raises(ValueError, match="time zone"):
        new_order(**TERMS, valid_until=datetime(2026, 5, 2))  # noqa: DTZ001 - the point of the test


def test_ids_are_made_when_not_given() -> None:
    ids = {new_command_id() for _ in range(1000)} | {new_order(**TERMS).command_id}
    assert len(ids) == 1001
    assert all(len(i) == 32 and i.isalnum() for i in ids)


def test_a_cancel_names_its_order_by_exactly_one_id() -> None:
    assert cancel_order(order_id="o").cancel_order.order.order_id == "o"
    assert cancel_order(client_order_id="c").cancel_order.order.client_order_id == "c"
    for given in ({}, {"order_id": "o", "client_order_id": "c"}):
        with pytest.raises(ValueError, match="exactly one"):
            cancel_order(**given)


@pytest.mark.parametrize(
    ("terms", "function"),
    [
        (OrderTerms, new_order),
        (CancelTerms, cancel_order),
        (AmendTerms, amend_order),
        (MassCancelTerms, mass_cancel),
    ],
)
def test_keyword_arguments_of_the_client_are_those_of_the_builders(terms: Any, function: Any) -> None:
    assert set(terms.__annotations__) == set(function.__annotations__) - {"return"}


@pytest.mark.parametrize(
    ("mine", "wire"),
    [
        (sdk.AckLevel, command_pb2.AckLevel),
        (sdk.Cause, event_pb2.Cause),
        (sdk.Disposition, failure_pb2.Disposition),
        (sdk.EventKind, event_pb2.EventKind),
        (sdk.Liquidity, event_pb2.Liquidity),
        (sdk.OrderStatus, order_pb2.OrderStatus),
        (sdk.OrderType, order_pb2.OrderType),
        (sdk.Reason, failure_pb2.Reason),
        (sdk.SelfTradePrevention, order_pb2.SelfTradePrevention),
        (sdk.Side, order_pb2.Side),
        (sdk.TimeInForce, order_pb2.TimeInForce),
        (sdk.TradingState, limits_pb2.TradingState),
    ],
    ids=lambda kind: getattr(kind, "__name__", None),
)
def test_enumerations_equal_those_of_the_wire(mine: Any, wire: Any) -> None:
    (prefix,) = {name.removesuffix("UNSPECIFIED") for name, number in wire.items() if number == 0}
    assert {f"{prefix}{member.name}": member.value for member in mine} == dict(wire.items())


def test_a_number_of_a_newer_server_reads_unspecified() -> None:
    assert sdk.Reason(9999) is sdk.Reason.UNSPECIFIED
    with pytest.raises(ValueError, match="text"):
        sdk.Reason("text")
