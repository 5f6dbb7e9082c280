"""Commands from human terms. Programs that send very many build `pb.Command` messages themselves and reuse them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Required, TypeAlias, TypedDict

from gateway.client.enums import AckLevel, OrderType, SelfTradePrevention, Side, TimeInForce
from ordergate.v1.command_pb2 import AmendOrder, CancelOrder, Command, MassCancel, NewOrder
from ordergate.v1.order_pb2 import OrderKey

if TYPE_CHECKING:
    from typing import Any

    from google.protobuf.timestamp_pb2 import Timestamp

Number: TypeAlias = str | Decimal | int
"""An exact decimal. Never a float: 0.1 is not a tenth."""

Deadline: TypeAlias = datetime | timedelta
"""An aware datetime, or a time from now."""


class OrderTerms(TypedDict, total=False):
    """Keyword arguments of `new_order`, which tells their meaning."""

    symbol: Required[str]
    side: Required[Side]
    quantity: Required[Number]
    price: Number | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    post_only: bool
    stop_price: Number | None
    expire_at: Deadline | None
    display_quantity: Number | None
    self_trade_prevention: SelfTradePrevention
    stp_group: str
    cancel_on_disconnect: bool
    tag: str
    account: str
    command_id: str | None
    ack_level: AckLevel
    valid_until: Deadline | None


class CancelTerms(TypedDict, total=False):
    """Keyword arguments of `cancel_order`, which tells their meaning."""

    order_id: str
    client_order_id: str
    expected_version: int | None
    symbol: str
    account: str
    command_id: str | None
    ack_level: AckLevel
    valid_until: Deadline | None


class AmendTerms(TypedDict, total=False):
    """Keyword arguments of `amend_order`, which tells their meaning."""

    order_id: str
    client_order_id: str
    quantity: Number | None
    price: Number | None
    stop_price: Number | None
    expire_at: Deadline | None
    expected_version: int | None
    symbol: str
    account: str
    command_id: str | None
    ack_level: AckLevel
    valid_until: Deadline | None


class MassCancelTerms(TypedDict, total=False):
    """Keyword arguments of `mass_cancel`, which tells their meaning."""

    symbol: str
    side: Side
    tag: str
    session_name: str
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
    stop_price: Number | None = None,
    expire_at: Deadline | None = None,
    display_quantity: Number | None = None,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.UNSPECIFIED,
    stp_group: str = "",
    cancel_on_disconnect: bool = False,
    tag: str = "",
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
        price: limit price, a multiple of the price increment. None for a MARKET or STOP order. Never a float.
        order_type: default LIMIT with a price, MARKET without; with a stop_price STOP_LIMIT and STOP.
        time_in_force: default GTD with expire_at, IOC for MARKET, otherwise GTC.
        post_only: refuse the order rather than let it trade at once.
        stop_price: trigger of a STOP or STOP_LIMIT: a trade at this price or beyond (BUY: above, SELL: below).
        expire_at: end of a GTD order: an aware datetime, or a timedelta from now.
        display_quantity: visible part of an iceberg, a multiple of the lot size.
        self_trade_prevention: what to do instead of trading with oneself; default: let it trade.
        stp_group: accounts with the same group count as one for self-trade prevention.
        cancel_on_disconnect: cancel it when the session is lost; only in a session with a `session_name`.
        tag: label for `mass_cancel`, up to 64 printable ASCII characters without spaces.
        account: may be left out if the token holds exactly one.
        command_id: becomes the order's client_order_id; 1 to 64 printable ASCII characters, unique per account.
            Generated if None. Give your own, and store it first, if a restart of your program must be able to retry.
        ack_level: how far the command must have come before it is acknowledged; default QUEUED (durable).
        valid_until: after this the command is refused: an aware datetime, or a timedelta from now.

    Raises:
        TypeError: a float, or another type than said.
        ValueError: a datetime without a time zone.
    """
    order_type = _order_type(price, stop_price) if order_type is None else order_type
    time_in_force = _time_in_force(order_type, expire_at) if time_in_force is None else time_in_force
    order = NewOrder(
        symbol=symbol,
        side=_number(side),
        order_type=_number(order_type),
        time_in_force=_number(time_in_force),
        quantity=decimal_text("quantity", quantity),
        limit_price=_optional("price", price),
        post_only=post_only,
    )
    if stop_price is not None or display_quantity is not None or expire_at is not None:
        order.stop_price = _optional("stop_price", stop_price)
        order.display_quantity = _optional("display_quantity", display_quantity)
        _set_instant(order.expire_at, "expire_at", expire_at)
    if self_trade_prevention or stp_group or cancel_on_disconnect or tag:
        order.self_trade_prevention, order.stp_group = _number(self_trade_prevention), stp_group
        order.cancel_on_disconnect, order.tag = cancel_on_disconnect, tag
    command = _command(account, command_id, ack_level, valid_until)
    command.new_order.CopyFrom(order)
    return command


def cancel_order(
    *,
    order_id: str = "",
    client_order_id: str = "",
    expected_version: int | None = None,
    symbol: str = "",
    account: str = "",
    command_id: str | None = None,
    ack_level: AckLevel = AckLevel.UNSPECIFIED,
    valid_until: Deadline | None = None,
) -> Command:
    """A command that cancels what is left of one order, named by one of its two ids.

    Args:
        order_id: the server's id, as in an Ack.
        client_order_id: the command_id of its new order.
        expected_version: cancel only if the order has this version.
        symbol: the order's instrument; needed where the installation has several shards.
        account: may be left out if the token holds exactly one.
        command_id: see `new_order`.
        ack_level: see `new_order`.
        valid_until: see `new_order`.

    Raises:
        ValueError: none or both of the ids are given, or a datetime without a time zone.
    """
    command = _command(account, command_id, ack_level, valid_until)
    cancel = CancelOrder(order=order_key(order_id, client_order_id), symbol=symbol, expected_version=expected_version)
    command.cancel_order.CopyFrom(cancel)
    return command


def amend_order(
    *,
    order_id: str = "",
    client_order_id: str = "",
    quantity: Number | None = None,
    price: Number | None = None,
    stop_price: Number | None = None,
    expire_at: Deadline | None = None,
    expected_version: int | None = None,
    symbol: str = "",
    account: str = "",
    command_id: str | None = None,
    ack_level: AckLevel = AckLevel.UNSPECIFIED,
    valid_until: Deadline | None = None,
) -> Command:
    """A command that changes an open order, named by one of its two ids. What is None stays as it is.

    A lower quantity at the same price keeps the order's place in the queue; any other change of price or quantity loses
    it, and the order trades at once if it now crosses.

    Args:
        order_id: the server's id, as in an Ack.
        client_order_id: the command_id of its new order.
        quantity: new total, what has traded included; at or below that it cancels the rest. Never a float.
        price: new limit price. Never a float.
        stop_price: new trigger price. Never a float.
        expire_at: new end of a GTD order: an aware datetime, or a timedelta from now.
        expected_version: amend only if the order has this version.
        symbol: the order's instrument: faults of prices and quantity are then told at once, not by the engine. Needed
            where the installation has several shards.
        account: may be left out if the token holds exactly one.
        command_id: see `new_order`.
        ack_level: see `new_order`.
        valid_until: see `new_order`.

    Raises:
        TypeError: a float, or another type than said.
        ValueError: none or both of the ids are given, or a datetime without a time zone.
    """
    amend = AmendOrder(
        order=order_key(order_id, client_order_id),
        quantity=_optional("quantity", quantity),
        limit_price=_optional("price", price),
        stop_price=_optional("stop_price", stop_price),
        expected_version=expected_version,
        symbol=symbol,
    )
    _set_instant(amend.expire_at, "expire_at", expire_at)
    command = _command(account, command_id, ack_level, valid_until)
    command.amend_order.CopyFrom(amend)
    return command


def mass_cancel(
    *,
    symbol: str = "",
    side: Side = Side.UNSPECIFIED,
    tag: str = "",
    session_name: str = "",
    account: str = "",
    command_id: str | None = None,
    ack_level: AckLevel = AckLevel.UNSPECIFIED,
    valid_until: Deadline | None = None,
) -> Command:
    """A command that cancels every open order of the account that matches all that is given; nothing given: all.

    Args:
        symbol: only this instrument; needed where the installation has several shards.
        side: only this side.
        tag: only orders with this label.
        session_name: only orders of the session with this name.
        account: may be left out if the token holds exactly one.
        command_id: see `new_order`.
        ack_level: see `new_order`.
        valid_until: see `new_order`.

    Raises:
        ValueError: a datetime without a time zone.
    """
    command = _command(account, command_id, ack_level, valid_until)
    criteria = MassCancel(symbol=symbol, side=_number(side), tag=tag, session_name=session_name)
    command.mass_cancel.CopyFrom(criteria)
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
        _set_instant(command.valid_until, "valid_until", valid_until)
    return command


def _order_type(price: Number | None, stop_price: Number | None) -> OrderType:
    if stop_price is None:
        return OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderType.STOP if price is None else OrderType.STOP_LIMIT


def _time_in_force(order_type: OrderType, expire_at: Deadline | None) -> TimeInForce:
    if expire_at is not None:
        return TimeInForce.GTD
    return TimeInForce.IOC if order_type == OrderType.MARKET else TimeInForce.GTC


def _optional(name: str, value: Number | None) -> str:
    return "" if value is None else decimal_text(name, value)


def _set_instant(stamp: Timestamp, name: str, deadline: Deadline | None) -> None:
    if deadline is None:
        return
    if isinstance(deadline, timedelta):
        deadline = datetime.now(UTC) + deadline
    if deadline.tzinfo is None:
        raise ValueError(f"{name} needs a time zone: datetime.now(UTC) + timedelta(seconds=5)")
    stamp.FromDatetime(deadline.astimezone(UTC))


def _number(value: int) -> Any:
    """The SDK's enumerations are the wire's numbers; the generated stubs want their own type of them."""
    return int(value)
