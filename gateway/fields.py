"""Checks of single fields, as every kind of command needs them; each fault is an error that names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import errors
from gateway.ids import is_client_id, order_key, text_key

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from gateway.instruments import Instrument
    from ordergate.v1 import order_pb2

_TIMESTAMP_SECONDS_MAX = 9_223_372_036
"""Largest whole second of which the nanoseconds since 1970 fit 63 bits (year 2262)."""

DECIMAL = "a decimal such as 1.5: digits, at most one point, no sign, no exponent"


def name_of(field: str) -> str:
    """Last part of a field's path."""
    return field.rpartition(".")[2]


def quantity(field: str, text: str, instrument: Instrument) -> int:
    """Lots in `text`.

    Raises:
        InvalidField: no decimal above 0, no multiple of the lot size, or more than one order may have.
    """
    lots = instrument.quantity.parse(text)
    if lots <= 0 or lots > instrument.max_quantity_lots:
        raise quantity_error(field, text, lots, instrument)
    return lots


def price(field: str, text: str, instrument: Instrument) -> int:
    """Ticks in `text`.

    Raises:
        InvalidField: no decimal, no multiple of the price increment, or outside of the instrument's prices.
    """
    ticks = instrument.price.parse(text)
    if ticks < instrument.min_price_ticks or ticks > instrument.max_price_ticks:
        raise price_error(field, text, ticks, instrument)
    return ticks


def instant(field: str, stamp: Timestamp, now_ns: int) -> int:
    """`stamp` in ns since 1970, which must be in the future.

    Raises:
        InvalidField: it is no time that we can tell.
        Stale: it has passed.
    """
    ns = nanoseconds(field, stamp)
    if ns <= now_ns:
        raise errors.Stale(f"{name_of(field)} has passed", field=field)
    return ns


def nanoseconds(field: str, stamp: Timestamp) -> int:
    """`stamp` in ns since 1970.

    Raises:
        InvalidField: it is no time that we can tell.
    """
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (0 <= seconds < _TIMESTAMP_SECONDS_MAX and 0 <= nanos < 1_000_000_000):
        raise errors.InvalidField(field, f"{name_of(field)} is not a time between 1970 and 2262")
    return seconds * 1_000_000_000 + nanos


def expiry(field: str, stamp: Timestamp, now_ns: int) -> int:
    """As `instant`, in whole microseconds: what Postgres keeps, so that all views of an order agree."""
    return instant(field, stamp, now_ns) // 1000 * 1000


def label(field: str, text: str) -> str:
    """`text`, if it may be a tag, a group or the name of a session, or is empty.

    Raises:
        InvalidField: it may not.
    """
    if text and not is_client_id(text):
        raise errors.InvalidField(field, f"{name_of(field)} must be up to 64 printable ASCII characters, no spaces")
    return text


def order_of(field: str, key: order_pb2.OrderKey, account: str) -> bytes:
    """Key of the order that a command names.

    Raises:
        InvalidField: neither or no well-formed id; `field` is the path of the OrderKey.
    """
    kind = key.WhichOneof("key")
    if kind == "order_id":
        target = text_key(key.order_id)
        if target is None:
            raise errors.InvalidField(f"{field}.order_id", "order_id must be UUID text, as in an ack")
        return target
    if kind == "client_order_id":
        client_order_id = key.client_order_id
        if not is_client_id(client_order_id):
            raise errors.InvalidField(
                f"{field}.client_order_id", "client_order_id must be 1 to 64 printable ASCII characters"
            )
        return order_key(account, client_order_id)
    raise errors.InvalidField(field, "order_id or client_order_id is needed")


def symbol_error(field: str, symbol: str) -> errors.OrdergateError:
    """Why `symbol` names no instrument."""
    if not symbol:
        return errors.InvalidField(field, "symbol is needed")
    return errors.UnknownSymbol(field, f"no instrument {symbol[:64]!r}; ListInstruments names them")


def quantity_error(field: str, text: str, lots: int, instrument: Instrument) -> errors.OrdergateError:
    """Why `text` can't be the quantity of an order; `lots` is what parsing it told."""
    name = name_of(field)
    if lots == -2:
        return errors.OffLot(field, f"{name} must be a multiple of {instrument.quantity.text}")
    if lots == -3 or lots > instrument.max_quantity_lots:
        most = instrument.quantity.format(instrument.max_quantity_lots)
        return errors.OverQuantity(field, f"{name} is above {most}, the most that one order may have")
    if lots == 0:
        return errors.InvalidField(field, f"{name} must be above 0")
    return errors.InvalidField(field, f"{name} must be {DECIMAL}" if text else f"{name} is needed")


def price_error(field: str, text: str, ticks: int, instrument: Instrument) -> errors.OrdergateError:
    """Why `text` can't be a price of an order; `ticks` is what parsing it told."""
    name = name_of(field)
    if ticks == -1:
        return errors.InvalidField(field, f"{name} must be {DECIMAL}" if text else f"{name} is needed")
    if ticks == -2:
        return errors.OffIncrement(field, f"{name} must be a multiple of {instrument.price.text}")
    if ticks == 0:
        return errors.InvalidField(field, f"{name} must be above 0")
    low, high = (instrument.price.format(t) for t in (instrument.min_price_ticks, instrument.max_price_ticks))
    return errors.OutsideBand(field, f"{name} must be {low} to {high}")
