"""Commands as the wire has them, built straight: the demo measures the gateway, not its own convenience."""

from __future__ import annotations

from ordergate.v1 import order_pb2
from ordergate.v1.command_pb2 import AmendOrder, CancelOrder, Command, NewOrder
from ordergate.v1.order_pb2 import OrderKey

_BUY, _SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
_LIMIT, _MARKET = order_pb2.ORDER_TYPE_LIMIT, order_pb2.ORDER_TYPE_MARKET
_GTC, _IOC = order_pb2.TIME_IN_FORCE_GTC, order_pb2.TIME_IN_FORCE_IOC


def order(
    command_id: str, account: str, symbol: str, *, buy: bool, price_ticks: int, quantity_lots: int, kind: str
) -> Command:
    """A new order; prices in 0.01, quantities in 1e-8; `kind` is GTC, POST, IOC or MARKET (IOC at any price)."""
    market = kind == "MARKET"
    return Command(
        command_id=command_id,
        account=account,
        new_order=NewOrder(
            symbol=symbol,
            side=_BUY if buy else _SELL,
            order_type=_MARKET if market else _LIMIT,
            time_in_force=_IOC if market or kind == "IOC" else _GTC,
            quantity=_quantity(quantity_lots),
            limit_price="" if market else f"{price_ticks // 100}.{price_ticks % 100:02d}",
            post_only=kind == "POST",
        ),
    )


def cancel(command_id: str, account: str, client_order_id: str) -> Command:
    """A cancel of an order by its client's id."""
    return Command(
        command_id=command_id,
        account=account,
        cancel_order=CancelOrder(order=OrderKey(client_order_id=client_order_id)),
    )


def amend(command_id: str, account: str, client_order_id: str, symbol: str, *, quantity_lots: int) -> Command:
    """Another total quantity for an order, in 1e-8."""
    return Command(
        command_id=command_id,
        account=account,
        amend_order=AmendOrder(
            order=OrderKey(client_order_id=client_order_id), symbol=symbol, quantity=_quantity(quantity_lots)
        ),
    )


def _quantity(lots: int) -> str:
    return f"{lots // 10**8}.{lots % 10**8:08d}"
