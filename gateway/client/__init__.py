"""Python SDK of Ordergate.

    async with OrderClient("127.0.0.1:50051", token=token) as client:
        ack = await client.submit(symbol="BTC-USD", side=Side.BUY, quantity="0.5", price="101.25")
        order = await client.get_order(order_id=ack.order_id)

        async with client.session() as session:
            await session.submit(symbol="BTC-USD", side=Side.SELL, quantity="0.5", price="101.25")
            async for event in session.events():
                print(event.kind.name, event.order)

Errors are drawn as a tree in `gateway.client.errors`.
"""

from gateway.client.client import OrderClient
from gateway.client.commands import Deadline, Number, amend_order, cancel_order, mass_cancel, new_command_id, new_order
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
from gateway.client.errors import (
    AckTimeout,
    CursorExpired,
    NotFound,
    OrdergateError,
    OutcomeUnknown,
    PermissionDenied,
    QueueFull,
    Rejected,
    ServerError,
    SessionClosed,
    Unauthenticated,
    Unavailable,
)
from gateway.client.lists import OPEN_STATUSES, FillQuery, OrderQuery
from gateway.client.outbox import AckBatch
from gateway.client.resolution import Outcome, Resolution
from gateway.client.session import Session, SessionOptions
from gateway.client.views import (
    Ack,
    Failure,
    Fill,
    FillRecord,
    Limits,
    MassCancelResult,
    Order,
    OrderEvent,
    TradingStateChange,
)

__all__ = [
    "OPEN_STATUSES",
    "Ack",
    "AckBatch",
    "AckLevel",
    "AckTimeout",
    "Cause",
    "CursorExpired",
    "Deadline",
    "Disposition",
    "EventKind",
    "Failure",
    "Fill",
    "FillQuery",
    "FillRecord",
    "Limits",
    "Liquidity",
    "MassCancelResult",
    "NotFound",
    "Number",
    "Order",
    "OrderClient",
    "OrderEvent",
    "OrderQuery",
    "OrderStatus",
    "OrderType",
    "OrdergateError",
    "Outcome",
    "OutcomeUnknown",
    "PermissionDenied",
    "QueueFull",
    "Reason",
    "Rejected",
    "Resolution",
    "SelfTradePrevention",
    "ServerError",
    "Session",
    "SessionClosed",
    "SessionOptions",
    "Side",
    "TimeInForce",
    "TradingState",
    "TradingStateChange",
    "Unauthenticated",
    "Unavailable",
    "amend_order",
    "cancel_order",
    "mass_cancel",
    "new_command_id",
    "new_order",
]
