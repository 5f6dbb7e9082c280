"""Views: every field of an order and of an event is there as a Python value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from gateway.client import (
    EventKind,
    Limits,
    MassCancelResult,
    Order,
    OrderEvent,
    SelfTradePrevention,
    TradingState,
    TradingStateChange,
)
from gateway.client.views import event_view, order_view
from ordergate.v1 import event_pb2, limits_pb2, order_pb2

AT = datetime(2026, 5, 2, 4, 36, tzinfo=UTC)


def test_an_order_shows_every_field_of_the_wire() -> None:
    assert set(Order.__dataclass_fields__) == set(order_pb2.Order.DESCRIPTOR.fields_by_name)
    assert set(OrderEvent.__dataclass_fields__) == set(event_pb2.OrderEvent.DESCRIPTOR.fields_by_name)
    assert set(Limits.__dataclass_fields__) == set(limits_pb2.Limits.DESCRIPTOR.fields_by_name)
    assert set(MassCancelResult.__dataclass_fields__) == set(event_pb2.MassCancelResult.DESCRIPTOR.fields_by_name)
    assert set(TradingStateChange.__dataclass_fields__) == set(event_pb2.TradingStateChange.DESCRIPTOR.fields_by_name)


def test_the_less_usual_terms_of_an_order() -> None:
    wire = order_pb2.Order(
        quantity="3",
        stop_price="1.50",
        display_quantity="1",
        self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_DECREMENT,
        stp_group="g",
        tag="t",
        session_name="s",
        cancel_on_disconnect=True,
    )
    wire.expire_at.FromDatetime(AT)
    order = order_view(wire)
    assert (order.stop_price, order.display_quantity, order.expire_at) == (Decimal("1.50"), Decimal(1), AT)
    assert order.self_trade_prevention is SelfTradePrevention.DECREMENT
    assert (order.stp_group, order.tag, order.session_name, order.cancel_on_disconnect) == ("g", "t", "s", True)
    plain = order_view(order_pb2.Order(quantity="3"))
    assert (plain.stop_price, plain.display_quantity, plain.expire_at, plain.limit_price) == (None, None, None, None)


def test_what_only_some_events_tell() -> None:
    kept = event_view(event_pb2.OrderEvent(kind=event_pb2.EVENT_KIND_AMENDED, priority_kept=False))
    assert (kept.kind, kept.priority_kept, kept.mass_cancel) == (EventKind.AMENDED, False, None)
    done = event_view(event_pb2.OrderEvent(mass_cancel=event_pb2.MassCancelResult(matched=3, canceled=2, too_late=1)))
    assert (done.priority_kept, done.mass_cancel) == (None, MassCancelResult(3, 2, 1))
    change = event_pb2.TradingStateChange(account="a", symbol="X", state=limits_pb2.TRADING_STATE_BLOCKED)
    assert event_view(event_pb2.OrderEvent(trading_state=change)).trading_state == TradingStateChange(
        "a", "X", TradingState.BLOCKED
    )
    limits = event_view(event_pb2.OrderEvent(limits=limits_pb2.Limits(max_open_orders=5, price_band="0.05"))).limits
    assert limits == Limits(None, None, 5, None, None, Decimal("0.05"))
