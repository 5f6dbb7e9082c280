"""Orders and fills of an account, newest first, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from gateway.client.commands import order_key
from gateway.client.enums import OrderStatus, Side
from gateway.client.views import FillRecord, Order, fill_record_view, order_view
from ordergate.v1.order_query_service_pb2 import ListFillsRequest, ListOrdersRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

OPEN_STATUSES = (OrderStatus.QUEUED, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNTRIGGERED)
"""States of orders that have not ended."""

PAGE_SIZE = 500


class OrderQuery(TypedDict, total=False):
    """Which orders."""

    account: str
    """May be empty if the token holds exactly one."""
    statuses: Sequence[OrderStatus]
    """Only these, as they are now; `OPEN_STATUSES` for those that have not ended. Empty: all."""
    symbol: str
    """Only this instrument."""
    side: Side
    """Only this side."""
    since: datetime
    """Only orders created at or after this time."""


class FillQuery(TypedDict, total=False):
    """Which fills."""

    account: str
    """May be empty if the token holds exactly one."""
    order_id: str
    """Only of this order; or name it by `client_order_id`."""
    client_order_id: str
    """Only of this order."""
    symbol: str
    """Only this instrument."""
    side: Side
    """Only orders of this side."""
    since: datetime
    """Only fills at or after this time."""


async def list_orders(call: Callable[[Any], Awaitable[Any]], query: OrderQuery) -> AsyncIterator[Order]:
    """Orders of all pages; `call` asks for one."""
    request = ListOrdersRequest(
        account=query.get("account", ""),
        statuses=[int(status) for status in query.get("statuses", ())],  # type: ignore[misc]
        symbol=query.get("symbol", ""),
        side=int(query.get("side", 0)),  # type: ignore[arg-type]
        page_size=PAGE_SIZE,
    )
    if "since" in query:
        request.since.FromDatetime(query["since"])
    while True:
        page = await call(request)
        for order in page.orders:
            yield order_view(order)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def list_fills(call: Callable[[Any], Awaitable[Any]], query: FillQuery) -> AsyncIterator[FillRecord]:
    """Fills of all pages; `call` asks for one."""
    request = ListFillsRequest(
        account=query.get("account", ""),
        symbol=query.get("symbol", ""),
        side=int(query.get("side", 0)),  # type: ignore[arg-type]
        page_size=PAGE_SIZE,
    )
    if query.get("order_id") or query.get("client_order_id"):
        request.order.CopyFrom(order_key(query.get("order_id", ""), query.get("client_order_id", "")))
    if "since" in query:
        request.since.FromDatetime(query["since"])
    while True:
        page = await call(request)
        for fill in page.fills:
            yield fill_record_view(fill)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
