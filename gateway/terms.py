"""Validation of a NewOrder: its fields as they are declared, each beside those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import errors, fields
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import order_pb2

if TYPE_CHECKING:
    from gateway.instruments import Instrument
    from gateway.rows import OrderColumns
    from ordergate.v1 import command_pb2

_SIDES = frozenset({order_pb2.SIDE_BUY, order_pb2.SIDE_SELL})
_LIMIT, _MARKET = order_pb2.ORDER_TYPE_LIMIT, order_pb2.ORDER_TYPE_MARKET
_STOP, _STOP_LIMIT = order_pb2.ORDER_TYPE_STOP, order_pb2.ORDER_TYPE_STOP_LIMIT
_GTC, _DAY, _GTD = order_pb2.TIME_IN_FORCE_GTC, order_pb2.TIME_IN_FORCE_DAY, order_pb2.TIME_IN_FORCE_GTD
_IOC, _FOK = order_pb2.TIME_IN_FORCE_IOC, order_pb2.TIME_IN_FORCE_FOK
_TYPES = frozenset({_LIMIT, _MARKET, _STOP, _STOP_LIMIT})
_PRICED = frozenset({_LIMIT, _STOP_LIMIT})
_STOPS = frozenset({_STOP, _STOP_LIMIT})
_TIMES = frozenset({_GTC, _DAY, _GTD, _IOC, _FOK})
_RESTING = frozenset({_GTC, _DAY, _GTD})
_NO_PREVENTION = frozenset(
    {order_pb2.SELF_TRADE_PREVENTION_UNSPECIFIED, order_pb2.SELF_TRADE_PREVENTION_NONE},
)
_PREVENTIONS = frozenset(order_pb2.SelfTradePrevention.values())


def new_order(
    order: command_pb2.NewOrder, instrument: Instrument, received_ns: int, session_name: str
) -> tuple[OrderColumns, log.OrderTerms | None]:
    """The order's columns, and its less usual terms if it has any.

    Args:
        order: what the client sent.
        instrument: the one that it names.
        received_ns: when it was received, ns since 1970.
        session_name: name of the session that sent it; empty: of none.

    Raises:
        OrdergateError: the first fault.
    """
    side, order_type, time_in_force = order.side, order.order_type, order.time_in_force
    if side not in _SIDES:
        raise errors.InvalidField("new_order.side", "side must be BUY or SELL")
    if order_type not in _TYPES:
        raise errors.InvalidField("new_order.order_type", "order_type must be LIMIT, MARKET, STOP or STOP_LIMIT")
    if time_in_force not in _TIMES:
        raise errors.InvalidField("new_order.time_in_force", "time_in_force must be GTC, DAY, GTD, IOC or FOK")
    lots = instrument.quantity.parse(order.quantity)
    if lots <= 0 or lots > instrument.max_quantity_lots:
        raise fields.quantity_error("new_order.quantity", order.quantity, lots, instrument)
    text = order.limit_price
    if order_type in _PRICED:
        ticks = instrument.price.parse(text)
        if ticks < instrument.min_price_ticks or ticks > instrument.max_price_ticks:
            raise fields.price_error("new_order.limit_price", text, ticks, instrument)
    elif text:
        raise errors.InvalidField("new_order.limit_price", "limit_price goes with LIMIT and STOP_LIMIT only")
    else:
        ticks = 0
    flags = 0
    if order.post_only:
        if order_type != _LIMIT or time_in_force not in _RESTING:
            raise errors.InvalidField("new_order.post_only", "post_only needs a LIMIT order that is GTC, DAY or GTD")
        flags = log.ORDER_FLAG_POST_ONLY
    terms = None
    if session_name or order_type in _STOPS or time_in_force == _GTD or _has_terms(order):
        terms = _order_terms(order, instrument, lots, received_ns, session_name)
    if order_type == _MARKET and time_in_force in _RESTING:
        raise errors.InvalidField("new_order.time_in_force", "a MARKET order takes IOC or FOK")
    return (order.symbol, side, order_type, time_in_force, flags, ticks, lots), terms


def _has_terms(order: command_pb2.NewOrder) -> bool:
    """Whether it gives any field that most orders do not."""
    return bool(
        order.stop_price
        or order.HasField("expire_at")
        or order.display_quantity
        or order.self_trade_prevention not in _NO_PREVENTION
        or order.stp_group
        or order.cancel_on_disconnect
        or order.tag
    )


def _order_terms(
    order: command_pb2.NewOrder, instrument: Instrument, lots: int, received_ns: int, session_name: str
) -> log.OrderTerms:
    prevention = order.self_trade_prevention
    terms = log.OrderTerms(
        stop_price_ticks=_stop_price(order, instrument),
        expire_at_ns=_expire_at(order, received_ns),
        display_lots=_display(order, instrument, lots),
        session=session_name,
    )
    if prevention not in _PREVENTIONS:
        raise errors.InvalidField("new_order.self_trade_prevention", f"no such self_trade_prevention: {prevention}")
    terms.self_trade_prevention = 0 if prevention in _NO_PREVENTION else prevention
    terms.stp_group = fields.label("new_order.stp_group", order.stp_group)
    if order.cancel_on_disconnect and not session_name:
        raise errors.InvalidField(
            "new_order.cancel_on_disconnect", "cancel_on_disconnect needs a Session whose hello gives a session_name"
        )
    terms.cancel_on_disconnect = order.cancel_on_disconnect
    terms.tag = fields.label("new_order.tag", order.tag)
    return terms


def _stop_price(order: command_pb2.NewOrder, instrument: Instrument) -> int:
    if order.order_type in _STOPS:
        return fields.price("new_order.stop_price", order.stop_price, instrument)
    if order.stop_price:
        raise errors.InvalidField("new_order.stop_price", "stop_price goes with STOP and STOP_LIMIT only")
    return 0


def _expire_at(order: command_pb2.NewOrder, received_ns: int) -> int:
    given = order.HasField("expire_at")
    if order.time_in_force == _GTD:
        if not given:
            raise errors.InvalidField("new_order.expire_at", "expire_at is needed: the order is GTD")
        return fields.expiry("new_order.expire_at", order.expire_at, received_ns)
    if given:
        raise errors.InvalidField("new_order.expire_at", "expire_at goes with GTD only")
    return 0


def _display(order: command_pb2.NewOrder, instrument: Instrument, lots: int) -> int:
    field, text = "new_order.display_quantity", order.display_quantity
    if not text:
        return 0
    if order.order_type not in _PRICED or order.time_in_force not in _RESTING:
        raise errors.InvalidField(field, "display_quantity needs a LIMIT or STOP_LIMIT order that is GTC, DAY or GTD")
    shown = fields.quantity(field, text, instrument)
    if shown > lots:
        raise errors.InvalidField(field, "display_quantity must not be above quantity")
    return shown
