"""Validation of commands: everything is checked before anything is touched.

Order of precedence (the first fault is the one reported): command_id, account, ack_level, valid_until, body, then the
body's fields as they are declared, then what holds between them. `tests/unit/test_validation.py` mends one more field
with each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import errors
from gateway.ids import is_client_id, key_text, order_key, text_key
from gateway.wire import CANCEL_ORDER, NEW_ORDER, Prepared
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2, order_pb2

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from gateway.auth import Principal
    from gateway.instruments import Instrument, Instruments

_SIDES = frozenset({order_pb2.SIDE_BUY, order_pb2.SIDE_SELL})
_LIMIT, _MARKET = order_pb2.ORDER_TYPE_LIMIT, order_pb2.ORDER_TYPE_MARKET
_GTC, _IOC, _FOK = order_pb2.TIME_IN_FORCE_GTC, order_pb2.TIME_IN_FORCE_IOC, order_pb2.TIME_IN_FORCE_FOK
_TYPES_BUILT = frozenset({_LIMIT, _MARKET})
_TIMES_BUILT = frozenset({_GTC, _IOC, _FOK})
_STP_BUILT = frozenset(
    {order_pb2.SELF_TRADE_PREVENTION_UNSPECIFIED, order_pb2.SELF_TRADE_PREVENTION_NONE},
)
_LEVELS = frozenset(
    {command_pb2.ACK_LEVEL_QUEUED, command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED},
)
_TIMESTAMP_SECONDS_MAX = 9_223_372_036
"""Largest whole second of which the nanoseconds since 1970 fit 63 bits (year 2262)."""


class Validator:
    """Turns commands of clients into commands of the log. Holds no state but the instruments."""

    def __init__(self, instruments: Instruments, shards: int = 1) -> None:
        self._by_symbol = instruments.by_symbol
        self._shards = shards

    def prepare(
        self, command: command_pb2.Command, principal: Principal, received_ns: int, default_level: int
    ) -> Prepared:
        """The command, checked and converted.

        Args:
            command: what the client sent.
            principal: who sent it.
            received_ns: when it was received, ns since 1970.
            default_level: ack level of a command that names none.

        Raises:
            OrdergateError: the first fault; nothing was stored.
        """
        command_id = command.command_id
        if not is_client_id(command_id):
            raise errors.InvalidField("command_id", "command_id must be 1 to 64 printable ASCII characters, no spaces")
        account = command.account or principal.sole_account
        if account not in principal.accounts:
            raise _account_error(account)
        level = command.ack_level or default_level
        if level not in _LEVELS:
            raise errors.InvalidField("ack_level", f"ack_level {level} is not one of QUEUED, ENGINE, PERSISTED")
        deadline = _deadline(command.valid_until, received_ns) if command.HasField("valid_until") else 0
        kind = command.WhichOneof("body")
        key = order_key(account, command_id)
        if kind == "new_order":
            body, shard = self._new_order(command.new_order)
            return Prepared(
                NEW_ORDER, key, command_id, account, received_ns, level, deadline, shard, key_text(key), body
            )
        if kind == "cancel_order":
            target, shard = self._cancel_order(command.cancel_order, account)
            return Prepared(
                CANCEL_ORDER, key, command_id, account, received_ns, level, deadline, shard, key_text(target), target
            )
        if kind is None:
            raise errors.InvalidField("body", "a command needs one of new_order, cancel_order")
        raise errors.Unimplemented(kind)

    def _new_order(self, order: command_pb2.NewOrder) -> tuple[tuple[str, int, int, int, int, int, int], int]:
        instrument = self._by_symbol.get(order.symbol)
        if instrument is None:
            raise _symbol_error("new_order.symbol", order.symbol)
        side, order_type, time_in_force = order.side, order.order_type, order.time_in_force
        if side not in _SIDES:
            raise errors.InvalidField("new_order.side", "side must be BUY or SELL")
        if order_type not in _TYPES_BUILT:
            raise _enum_error("new_order.order_type", order_type, order_pb2.OrderType, "LIMIT or MARKET")
        if time_in_force not in _TIMES_BUILT:
            raise _enum_error("new_order.time_in_force", time_in_force, order_pb2.TimeInForce, "GTC, IOC or FOK")
        lots = instrument.quantity.parse(order.quantity)
        if lots <= 0 or lots > instrument.max_quantity_lots:
            raise _quantity_error(order.quantity, lots, instrument)
        ticks = self._limit_price(order, instrument)
        flags = 0
        if order.post_only:
            if order_type != _LIMIT or time_in_force != _GTC:
                raise errors.InvalidField("new_order.post_only", "post_only needs a LIMIT order that is GTC")
            flags = log.ORDER_FLAG_POST_ONLY
        _refuse_unbuilt(order)
        if order_type == _MARKET and time_in_force == _GTC:
            raise errors.InvalidField("new_order.time_in_force", "a MARKET order takes IOC or FOK")
        return (order.symbol, side, order_type, time_in_force, flags, ticks, lots), instrument.shard

    @staticmethod
    def _limit_price(order: command_pb2.NewOrder, instrument: Instrument) -> int:
        text = order.limit_price
        if order.order_type == _MARKET:
            if text:
                raise errors.InvalidField("new_order.limit_price", "a MARKET order has no limit_price")
            return 0
        ticks = instrument.price.parse(text)
        if ticks < instrument.min_price_ticks or ticks > instrument.max_price_ticks:
            raise _price_error(text, ticks, instrument)
        return ticks

    def _cancel_order(self, cancel: command_pb2.CancelOrder, account: str) -> tuple[bytes, int]:
        kind = cancel.order.WhichOneof("key")
        if kind == "order_id":
            target = text_key(cancel.order.order_id)
            if target is None:
                raise errors.InvalidField("cancel_order.order.order_id", "order_id must be UUID text, as in an ack")
        elif kind == "client_order_id":
            client_order_id = cancel.order.client_order_id
            if not is_client_id(client_order_id):
                field = "cancel_order.order.client_order_id"
                raise errors.InvalidField(field, "client_order_id must be 1 to 64 printable ASCII characters")
            target = order_key(account, client_order_id)
        else:
            raise errors.InvalidField("cancel_order.order", "order_id or client_order_id is needed")
        if cancel.HasField("expected_version"):
            raise errors.Unimplemented("cancel_order.expected_version")
        return target, self._shard("cancel_order.symbol", cancel.symbol)

    def _shard(self, field: str, symbol: str) -> int:
        """Shard of a command that names an order: only its symbol tells, if there are several."""
        if symbol:
            instrument = self._by_symbol.get(symbol)
            if instrument is None:
                raise _symbol_error(field, symbol)
            return instrument.shard
        if self._shards > 1:
            raise errors.InvalidField(field, "symbol is needed: this installation has several shards")
        return 0


def _account_error(account: str) -> errors.OrdergateError:
    if not account:
        return errors.InvalidField("account", "account is needed: the token holds several")
    return errors.PermissionDenied(f"the token does not cover account {account[:64]!r}", field="account")


def _deadline(valid_until: Timestamp, now_ns: int) -> int:
    seconds, nanos = valid_until.seconds, valid_until.nanos
    if not (0 <= seconds < _TIMESTAMP_SECONDS_MAX and 0 <= nanos < 1_000_000_000):
        raise errors.InvalidField("valid_until", "valid_until is not a time between 1970 and 2262")
    ns = seconds * 1_000_000_000 + nanos
    if ns <= now_ns:
        raise errors.Stale("valid_until has passed", field="valid_until")
    return ns


def _symbol_error(field: str, symbol: str) -> errors.OrdergateError:
    if not symbol:
        return errors.InvalidField(field, "symbol is needed")
    return errors.UnknownSymbol(field, f"no instrument {symbol[:64]!r}; ListInstruments names them")


def _enum_error(field: str, value: int, kind: object, built: str) -> errors.OrdergateError:
    known: dict[int, str] = {n: name for name, n in kind.items()}  # type: ignore[attr-defined]
    if value and value in known:
        return errors.Unimplemented(field, f"{known[value]} is not built yet; use {built}")
    return errors.InvalidField(field, f"{field.rpartition('.')[2]} must be {built}")


_DECIMAL = "a decimal such as 1.5: digits, at most one point, no sign, no exponent"


def _quantity_error(text: str, lots: int, instrument: Instrument) -> errors.OrdergateError:
    field = "new_order.quantity"
    if lots == -2:
        return errors.OffLot(field, f"quantity must be a multiple of {instrument.quantity.text}")
    if lots == -3 or lots > instrument.max_quantity_lots:
        most = instrument.quantity.format(instrument.max_quantity_lots)
        return errors.OverQuantity(field, f"quantity is above {most}, the most that one order may have")
    if lots == 0:
        return errors.InvalidField(field, "quantity must be above 0")
    return errors.InvalidField(field, f"quantity must be {_DECIMAL}" if text else "quantity is needed")


def _price_error(text: str, ticks: int, instrument: Instrument) -> errors.OrdergateError:
    field = "new_order.limit_price"
    if ticks == -1:
        return errors.InvalidField(field, f"limit_price must be {_DECIMAL}" if text else "limit_price is needed")
    if ticks == -2:
        return errors.OffIncrement(field, f"limit_price must be a multiple of {instrument.price.text}")
    if ticks == 0:
        return errors.InvalidField(field, "limit_price must be above 0")
    low, high = (instrument.price.format(t) for t in (instrument.min_price_ticks, instrument.max_price_ticks))
    return errors.OutsideBand(field, f"limit_price must be {low} to {high}")


def _refuse_unbuilt(order: command_pb2.NewOrder) -> None:
    """Refuses, by name, every option that would change the order's meaning and is not built."""
    if order.stop_price:
        raise errors.InvalidField("new_order.stop_price", "stop_price goes with STOP and STOP_LIMIT only")
    if order.HasField("expire_at"):
        raise errors.InvalidField("new_order.expire_at", "expire_at goes with GTD only")
    if order.display_quantity:
        raise errors.Unimplemented("new_order.display_quantity")
    if order.self_trade_prevention not in _STP_BUILT:
        field = "new_order.self_trade_prevention"
        raise _enum_error(field, order.self_trade_prevention, order_pb2.SelfTradePrevention, "NONE")
    if order.stp_group:
        raise errors.Unimplemented("new_order.stp_group")
    if order.cancel_on_disconnect:
        raise errors.Unimplemented("new_order.cancel_on_disconnect")
    if order.tag:
        raise errors.Unimplemented("new_order.tag")
