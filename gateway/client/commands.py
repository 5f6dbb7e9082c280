"""Commands from human terms. Programs that send very many build `pb.Command` messages themselves and reuse them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Required, TypeAlias, TypedDict

from gateway.client.enums import AckLevel, OrderType, Side, TimeInForce
from ordergate.v1.command_pb2 import CancelOrder, Command, NewOrder
from ordergate.v1.order_pb2 import OrderKey

if TYPE_CHECKING:
    from typing import Any

Number: TypeAlias = str | Decimal | int
"""An exact decimal. Never a float: 0.1 is not a tenth."""

Deadline: TypeAlias = datetime | timedelta
"""An aware datetime, or a time from now."""

NO_PRICE = ""


class OrderTerms(TypedDict, total=False):
    """Keyword arguments of `new_order`, which tells their meaning."""

    symbol: Required[str]
    side: Required[Side]
    quantity: Required[Number]
    price: Number | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    post_only: bool
    account: str
    command_id: str | None
    ack_level: AckLevel
    valid_until: Deadline | None


class CancelTerms(TypedDict, total=False):
    """Keyword arguments of `cancel_order`, which tells their meaning."""

    order_id: str
    client_order_id: str
    account: str
    command_id: str | None
    ack_level: AckLevel
    valid_until: Deadline | None


def new_command_id() -> str:
    """A fresh id: 32 hexadecimal digits, random."""
    return uuid.uuid4().hex


def decimal_text(name: str, value: Number) -> str:
    """`value` as the wire wants it: digits and at most one point.

    Raises:
        TypeError: a float (0.1 is not a tenth) or another type.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"{name} must be str, Decimal or int, not {type(value).__name__}: {value!r} has no exact decimal")


def new_order(
    *,
    symbol: str,
    side: Side,
    quantity: Number,
    price: Number | None = None,
    order_type: OrderType | None = None,
    time_in_force: TimeInForce | None = None,
    post_only: bool = False,
    account: str = "",
    command_id: str | None = None,
    ack_level: AckLevel = AckLevel.UNSPECIFIED,
    valid_until: Deadline | None = None,
) -> Command:
    """A command that enters an order.

    Args:
        symbol: instrument, such as "BTC-USD".
        side: `Side.BUY` or `Side.SELL`.
        quantity: above 0, a multiple of the instrument's lot size. Never a float.
        price: limit price, a multiple of the price increment. None for a MARKET order. Never a float.
        order_type: default LIMIT with a price, MARKET without.
        time_in_force: default GTC for LIMIT, IOC for MARKET.
        post_only: refuse the order rather than let it trade at once.
        account: may be left out if the token holds exactly one.
        command_id: becomes the order's client_order_id; 1 to 64 printable ASCII characters, unique per account.
            Generated if None. Give your own, and store it first, if a restart of your program must be able to retry.
        ack_level: how far the command must have come before it is acknowledged; default QUEUED (durable).
        valid_until: after this the command is refused: an aware datetime, or a timedelta from now.

    Raises:
        TypeError: a float, or another type than said.
        ValueError: a datetime without a time zone.
    """
    if order_type is None:
        order_type = OrderType.MARKET if price is None else OrderType.LIMIT
    if time_in_force is None:
        time_in_force = TimeInForce.IOC if order_type == OrderType.MARKET else TimeInForce.GTC
    order = NewOrder(
        symbol=symbol,
        side=_number(side),
        order_type=_number(order_type),
        time_in_force=_number(time_in_force),
        quantity=decimal_text("quantity", quantity),
        limit_price=NO_PRICE if price is None else decimal_text("price", price),
        post_only=post_only,
    )
    command = _command(account, command_id, ack_level, valid_until)
    command.new_order.CopyFrom(order)
    return command


def cancel_order(
    *,
    order_id: str = "",
    client_order_id: str = "",
    account: str = "",
    command_id: str | None = None,
    ack_level: AckLevel = AckLevel.UNSPECIFIED,
    valid_until: Deadline | None = None,
) -> Command:
    """A command that cancels what is left of one order, named by one of its two ids.

    Args:
        order_id: the server's id, as in an Ack.
        client_order_id: the command_id of its new order.
        account: may be left out if the token holds exactly one.
        command_id: see `new_order`.
        ack_level: see `new_order`.
        valid_until: see `new_order`.

    Raises:
        ValueError: none or both of the ids are given, or a datetime without a time zone.
    """
    command = _command(account, command_id, ack_level, valid_until)
    command.cancel_order.CopyFrom(CancelOrder(order=order_key(order_id, client_order_id)))
    return command


def order_key(order_id: str, client_order_id: str) -> OrderKey:
    """Names one order.

    Raises:
        ValueError: none or both of the ids are given.
    """
    if bool(order_id) == bool(client_order_id):
        raise ValueError("give exactly one of order_id and client_order_id")
    return OrderKey(order_id=order_id) if order_id else OrderKey(client_order_id=client_order_id)


def _command(account: str, command_id: str | None, ack_level: AckLevel, valid_until: Deadline | None) -> Command:
    command = Command(
        command_id=new_command_id() if command_id is None else command_id,
        account=account,
        ack_level=_number(ack_level),
    )
    if valid_until is not None:
        command.valid_until.FromDatetime(_instant(valid_until))
    return command


def _instant(deadline: Deadline) -> datetime:
    if isinstance(deadline, timedelta):
        return datetime.now(UTC) + deadline
    if deadline.tzinfo is None:
        raise ValueError("valid_until needs a time zone: datetime.now(UTC) + timedelta(seconds=5)")
    return deadline.astimezone(UTC)


def _number(value: int) -> Any:
    """The SDK's enumerations are the wire's numbers; the generated stubs want their own type of them."""
    return int(value)
