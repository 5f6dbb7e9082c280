"""What the server answered, as frozen Python values: enumerations, Decimals and aware datetimes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from gateway.client.enums import (
    AckLevel,
    Cause,
    Disposition,
    EventKind,
    Liquidity,
    OrderStatus,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from gateway.client.errors import error_of

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from ordergate.v1 import command_pb2, event_pb2, failure_pb2, limits_pb2, order_pb2, order_query_service_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was refused, and what became of it."""

    reason: Reason
    """Machine-readable cause."""
    disposition: Disposition
    """What became of the command."""
    field: str
    """Path of the offending field; empty if none is at fault."""
    text: str
    """One sentence for people."""


@dataclass(frozen=True, slots=True)
class Order:
    """The whole of an order at one moment."""

    order_id: str
    """The server's id; for life, also through amends."""
    client_order_id: str
    """The command_id that entered it."""
    account: str
    """Owner."""
    symbol: str
    """Instrument."""
    side: Side
    """Buy or sell."""
    order_type: OrderType
    """How it is priced."""
    time_in_force: TimeInForce
    """How long it stays."""
    quantity: Decimal
    """Total quantity: executed + leaves + canceled."""
    limit_price: Decimal | None
    """Limit price; None for MARKET and STOP."""
    post_only: bool
    """True if it was only to be accepted without trading at once."""
    status: OrderStatus
    """State."""
    executed_quantity: Decimal
    """Sum of the fills."""
    leaves_quantity: Decimal
    """What may still trade; 0 once final."""
    average_price: Decimal | None
    """Quantity-weighted mean price of the fills; None before the first."""
    version: int
    """Grows by one with each change; 1 when accepted, 0 while QUEUED."""
    created_at: datetime
    """When the gateway received it."""
    queued_at: datetime
    """When it was handed to the queue."""
    updated_at: datetime
    """Engine time of the last change; `queued_at` while QUEUED."""
    last_event_seq: int
    """Sequence of the account's last event about it; 0 while QUEUED."""
    reject_reason: Reason
    """Why it was refused; UNSPECIFIED unless REJECTED."""
    stop_price: Decimal | None
    """Trigger price; None unless STOP or STOP_LIMIT."""
    display_quantity: Decimal | None
    """Visible part of an iceberg; None if all is visible."""
    expire_at: datetime | None
    """When it expires; only GTD and DAY."""
    self_trade_prevention: SelfTradePrevention
    """What it does instead of trading with itself."""
    stp_group: str
    """Group for self-trade prevention."""
    tag: str
    """The client's label."""
    session_name: str
    """Name of the session that sent it; empty if that had none."""
    cancel_on_disconnect: bool
    """True if it is canceled when its session is lost."""

    @property
    def is_final(self) -> bool:
        """True if the order can't change any more."""
        return self.status in _FINAL


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to one command."""

    command_id: str
    """The command's id."""
    account: str
    """Account acted for."""
    order_id: str
    """The order that the command is about; empty for a mass cancel, and if the command was malformed."""
    level: AckLevel
    """Level reached; UNSPECIFIED if nothing was stored."""
    position: str
    """Place in the command log; for support and audit."""
    received_at: datetime | None
    """When the gateway received the command."""
    queued_at: datetime | None
    """When it was durably queued; None if it was not."""
    engine_at: datetime | None
    """Engine time of the decision; from level ENGINE on."""
    duplicate: bool
    """True if the engine had seen this command before; known from level ENGINE on."""
    failure: Failure | None
    """Why the command was refused, or the level not reached; None if all went well."""
    order: Order | None
    """The order after the engine's decision; from level ENGINE on."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a trade."""

    trade_id: str
    """The same on both sides, unique."""
    quantity: Decimal
    """Traded quantity."""
    price: Decimal
    """Traded price: the maker's."""
    liquidity: Liquidity
    """Maker or taker."""


@dataclass(frozen=True, slots=True)
class MassCancelResult:
    """What a mass cancel did."""

    matched: int
    """Open orders that matched."""
    canceled: int
    """Of these, canceled."""
    too_late: int
    """Of these, not canceled because they ended first."""


@dataclass(frozen=True, slots=True)
class TradingStateChange:
    """A trading state that was set."""

    account: str
    """Only this account; empty: all."""
    symbol: str
    """Only this instrument; empty: all."""
    state: TradingState
    """The state."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an account may do; None: no limit. They hold per shard."""

    max_order_quantity: Decimal | None
    """Largest quantity of one order."""
    max_order_notional: Decimal | None
    """Largest notional (price times quantity) of one order."""
    max_open_orders: int | None
    """Most open orders."""
    max_open_notional: Decimal | None
    """Largest notional of all open orders."""
    max_position: Decimal | None
    """Largest net position in one instrument, either side, if all open orders of that side were filled."""
    price_band: Decimal | None
    """Largest distance of a limit price from the last trade, as a part of it: 0.05 is 5 %."""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One event of one account. An account's events have a dense sequence per shard, counted from 1."""

    seq: int
    """Account's event sequence."""
    kind: EventKind
    """What happened."""
    command_id: str
    """The command that the event answers; empty if another's command made it happen (the maker side of a trade, a
    triggered stop), or the time."""
    order: Order | None
    """The order after the event; None if there is none."""
    fill: Fill | None
    """The trade; only for FILL."""
    failure: Failure | None
    """Why a command was refused."""
    cause: Cause
    """Why the order was canceled."""
    engine_at: datetime
    """Engine time."""
    cursor: str
    """Opaque. Give it as `after` to go on right after this event, also after a restart of your program."""
    shard: int
    """Shard whose sequence this is."""
    priority_kept: bool | None
    """Whether an amended order kept its place in the queue; only for AMENDED."""
    mass_cancel: MassCancelResult | None
    """What the mass cancel did; only for MASS_CANCEL_DONE."""
    trading_state: TradingStateChange | None
    """The trading state; only for TRADING_STATE."""
    limits: Limits | None
    """The limits; only for LIMITS."""


@dataclass(frozen=True, slots=True)
class FillRecord:
    """A fill with what it belongs to."""

    trade_id: str
    """Id of the trade, the same on both sides."""
    order_id: str
    """The account's order."""
    symbol: str
    """Instrument."""
    side: Side
    """Side of the account's order."""
    quantity: Decimal
    """Traded quantity."""
    price: Decimal
    """Traded price."""
    maker: bool
    """True if the account's order rested in the book."""
    executed_at: datetime
    """Engine time."""


def ack_view(ack: command_pb2.Ack) -> Ack:
    """The answer to one command, as Python values."""
    return Ack(
        command_id=ack.command_id,
        account=ack.account,
        order_id=ack.order_id,
        level=AckLevel(ack.level),
        position=ack.position,
        received_at=_instant(ack.received_at) if ack.HasField("received_at") else None,
        queued_at=_instant(ack.queued_at) if ack.HasField("queued_at") else None,
        engine_at=_instant(ack.engine_at) if ack.HasField("engine_at") else None,
        duplicate=ack.duplicate,
        failure=_failure_view(ack.failure) if ack.HasField("failure") else None,
        order=order_view(ack.order) if ack.HasField("order") else None,
    )


def accepted(ack: command_pb2.Ack) -> Ack:
    """The answer to one command that was not refused.

    Raises:
        OrdergateError: it was refused, or the awaited level was not reached.
    """
    if ack.HasField("failure"):
        raise error_of(ack.failure, ack.command_id)
    return ack_view(ack)


def order_view(order: order_pb2.Order) -> Order:
    """An order, as Python values."""
    return Order(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account=order.account,
        symbol=order.symbol,
        side=Side(order.side),
        order_type=OrderType(order.order_type),
        time_in_force=TimeInForce(order.time_in_force),
        quantity=Decimal(order.quantity or 0),
        limit_price=_decimal(order.limit_price),
        post_only=order.post_only,
        status=OrderStatus(order.status),
        executed_quantity=Decimal(order.executed_quantity or 0),
        leaves_quantity=Decimal(order.leaves_quantity or 0),
        average_price=_decimal(order.average_price),
        version=order.version,
        created_at=_instant(order.created_at),
        queued_at=_instant(order.queued_at),
        updated_at=_instant(order.updated_at),
        last_event_seq=order.last_event_seq,
        reject_reason=Reason(order.reject_reason),
        stop_price=_decimal(order.stop_price),
        display_quantity=_decimal(order.display_quantity),
        expire_at=_instant(order.expire_at) if order.HasField("expire_at") else None,
        self_trade_prevention=SelfTradePrevention(order.self_trade_prevention),
        stp_group=order.stp_group,
        tag=order.tag,
        session_name=order.session_name,
        cancel_on_disconnect=order.cancel_on_disconnect,
    )


def event_view(event: event_pb2.OrderEvent) -> OrderEvent:
    """An event, as Python values."""
    return OrderEvent(
        seq=event.seq,
        kind=EventKind(event.kind),
        command_id=event.command_id,
        order=order_view(event.order) if event.HasField("order") else None,
        fill=_fill_view(event.fill) if event.HasField("fill") else None,
        failure=_failure_view(event.failure) if event.HasField("failure") else None,
        cause=Cause(event.cause),
        engine_at=_instant(event.engine_at),
        cursor=event.cursor,
        shard=event.shard,
        priority_kept=event.priority_kept if event.HasField("priority_kept") else None,
        mass_cancel=_mass_cancel_view(event.mass_cancel) if event.HasField("mass_cancel") else None,
        trading_state=_trading_state_view(event.trading_state) if event.HasField("trading_state") else None,
        limits=_limits_view(event.limits) if event.HasField("limits") else None,
    )


def fill_record_view(fill: order_query_service_pb2.FillRecord) -> FillRecord:
    """A fill of a list, as Python values."""
    return FillRecord(
        fill.trade_id,
        fill.order_id,
        fill.symbol,
        Side(fill.side),
        Decimal(fill.quantity),
        Decimal(fill.price),
        fill.maker,
        _instant(fill.executed_at),
    )


def _fill_view(fill: event_pb2.Fill) -> Fill:
    return Fill(fill.trade_id, Decimal(fill.quantity), Decimal(fill.price), Liquidity(fill.liquidity))


def _mass_cancel_view(result: event_pb2.MassCancelResult) -> MassCancelResult:
    return MassCancelResult(result.matched, result.canceled, result.too_late)


def _trading_state_view(change: event_pb2.TradingStateChange) -> TradingStateChange:
    return TradingStateChange(change.account, change.symbol, TradingState(change.state))


def _limits_view(limits: limits_pb2.Limits) -> Limits:
    return Limits(
        max_order_quantity=_decimal(limits.max_order_quantity),
        max_order_notional=_decimal(limits.max_order_notional),
        max_open_orders=limits.max_open_orders or None,
        max_open_notional=_decimal(limits.max_open_notional),
        max_position=_decimal(limits.max_position),
        price_band=_decimal(limits.price_band),
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _failure_view(failure: failure_pb2.Failure) -> Failure:
    return Failure(Reason(failure.reason), Disposition(failure.disposition), failure.field, failure.text)


def _instant(stamp: Timestamp) -> datetime:
    """To the microsecond; the wire's nanoseconds do not fit a datetime."""
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
