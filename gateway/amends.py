"""Validation of an AmendOrder.

With a symbol, prices and quantity are checked in full and become ticks and lots. Without one nobody knows the order's
steps before the engine has found the order: they stay decimals, and only their form is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import errors, fields
from gateway.rows import Amend
from ordergate.log.v1 import command_frame_pb2 as log

if TYPE_CHECKING:
    from gateway.instruments import Instrument
    from ordergate.v1 import command_pb2

_DIGITS_MAX = 18
_MANTISSA_MAX = 2**62


def amend_order(amend: command_pb2.AmendOrder, target: bytes, instrument: Instrument | None, received_ns: int) -> Amend:
    """The body of an amend.

    Args:
        amend: what the client sent.
        target: key of the order that it names.
        instrument: the one that it names; None: it names none of ours.
        received_ns: when it was received, ns since 1970.

    Raises:
        OrdergateError: the first fault of quantity, limit_price, stop_price and expire_at.
    """
    if instrument is None:
        return _in_decimals(amend, target, received_ns)
    quantity = fields.quantity(_QUANTITY, amend.quantity, instrument) if amend.quantity else 0
    limit_price = fields.price(_LIMIT_PRICE, amend.limit_price, instrument) if amend.limit_price else 0
    stop_price = fields.price(_STOP_PRICE, amend.stop_price, instrument) if amend.stop_price else 0
    expire_at = _expire_at(amend, received_ns)
    terms = None
    if stop_price or expire_at:
        terms = log.AmendTerms(stop_price_ticks=stop_price, expire_at_ns=expire_at)
    return Amend(target, instrument.symbol, limit_price, quantity, terms)


def require_change(amend: command_pb2.AmendOrder) -> None:
    """Refuses an amend that changes nothing.

    Raises:
        InvalidField: it gives none of the four fields.
    """
    if not (amend.quantity or amend.limit_price or amend.stop_price or amend.HasField("expire_at")):
        raise errors.InvalidField(
            "amend_order", "an amend needs at least one of quantity, limit_price, stop_price, expire_at"
        )


_QUANTITY, _LIMIT_PRICE, _STOP_PRICE = (f"amend_order.{name}" for name in ("quantity", "limit_price", "stop_price"))


def _in_decimals(amend: command_pb2.AmendOrder, target: bytes, received_ns: int) -> Amend:
    quantity, quantity_digits = _decimal(_QUANTITY, amend.quantity)
    limit_price, limit_price_digits = _decimal(_LIMIT_PRICE, amend.limit_price)
    stop_price, stop_price_digits = _decimal(_STOP_PRICE, amend.stop_price)
    terms = log.AmendTerms(
        stop_price_ticks=stop_price,
        expire_at_ns=_expire_at(amend, received_ns),
        decimal=True,
        limit_price_digits=limit_price_digits,
        quantity_digits=quantity_digits,
        stop_price_digits=stop_price_digits,
    )
    return Amend(target, "", limit_price, quantity, terms)


def _decimal(field: str, text: str) -> tuple[int, int]:
    """Mantissa and fraction digits of `text`, without the zeros at its end; (0, 0) if it is empty."""
    if not text:
        return 0, 0
    whole, point, fraction = text.partition(".")
    if not _are_digits(whole) or (point and not _are_digits(fraction)) or len(text) > 40:
        raise errors.InvalidField(field, f"{fields.name_of(field)} must be {fields.DECIMAL}")
    fraction = fraction.rstrip("0")
    mantissa = int(whole + fraction)
    if not mantissa:
        raise errors.InvalidField(field, f"{fields.name_of(field)} must be above 0")
    if mantissa >= _MANTISSA_MAX or len(fraction) > _DIGITS_MAX:
        raise errors.InvalidField(field, f"{fields.name_of(field)} has more than {_DIGITS_MAX} digits; give the symbol")
    return mantissa, len(fraction)


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _expire_at(amend: command_pb2.AmendOrder, received_ns: int) -> int:
    if not amend.HasField("expire_at"):
        return 0
    return fields.expiry("amend_order.expire_at", amend.expire_at, received_ns)
