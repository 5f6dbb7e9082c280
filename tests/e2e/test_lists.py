"""ListOrders, ListFills, the snapshot, and resume where Redis is trimmed: over the whole stack."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.client import OPEN_STATUSES, OrderClient, OrderStatus, Side
from ordergate.v1 import command_pb2, event_pb2, order_pb2
from ordergate.v1 import order_events_service_pb2 as ev

from ..support.stack import RunningStack
from ..support.wire import Wire, cancel_order, connect, limit_order, new_account, refused
from .probe import open_session

ENGINE, PERSISTED = command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED
BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL


async def _pages(call: Any, size: int, **request: Any) -> list[Any]:
    """All pages of a list."""
    items: list[Any] = []
    token = ""
    while True:
        page = await call(page_size=size, page_token=token, **request)
        found = list(page.orders if hasattr(page, "orders") else page.fills)
        assert len(found) <= size
        items += found
        token = page.next_page_token
        if not token:
            return items


async def test_orders_and_fills_are_listed_as_soon_as_they_are_acknowledged(
    wire: Wire, other: Wire, symbol: str
) -> None:
    sent: list[str] = []
    for number in range(12):
        level = PERSISTED if number in {3, 7} else ENGINE
        ack = await wire.submit(limit_order(symbol=symbol, quantity="2", limit_price=f"{10 + number}", ack_level=level))
        sent.insert(0, ack.order_id)
        for size in (5, 100):
            listed = await _pages(wire.list_orders, size)
            assert [order.order_id for order in listed] == sent
    top, second = (await wire.list_orders(page_size=2)).orders
    # The best two trade, the first in full.
    trade = await other.submit(limit_order(symbol=symbol, side=SELL, quantity="3", limit_price="10", ack_level=ENGINE))
    await wire.submit(cancel_order(sent[-1], ack_level=ENGINE))
    for _ in range(2):
        opened = await _pages(wire.list_orders, 4, statuses=[1, 2, 3, 8])
        assert [order.order_id for order in opened] == sent[1:-1]
        assert opened[0].status == order_pb2.ORDER_STATUS_PARTIALLY_FILLED
        gone = await _pages(wire.list_orders, 1, statuses=[4, 5])
        assert [(o.order_id, o.status) for o in gone] == [(top.order_id, 4), (sent[-1], 5)]
        assert await _pages(wire.list_orders, 10, side=SELL) == []
        fills = await _pages(wire.list_fills, 1)
        assert [(f.order_id, f.quantity, f.maker, f.side) for f in fills] == [
            (second.order_id, "1", True, BUY),
            (top.order_id, "2", True, BUY),
        ]
        of_one = await wire.list_fills(order=order_pb2.OrderKey(order_id=top.order_id))
        assert [f.trade_id for f in of_one.fills] == [fills[1].trade_id]
        theirs = await _pages(other.list_fills, 5)
        assert [(f.order_id, f.maker, f.trade_id) for f in theirs] == [
            (trade.order_id, False, f.trade_id) for f in fills
        ]
        assert (await refused(other.list_fills(order=order_pb2.OrderKey(order_id=top.order_id)))).reason == "NOT_FOUND"
        # Once more when all of it is in Postgres.
        await wire.submit(cancel_order(sent[-1], ack_level=PERSISTED))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"statuses": [0]}, "statuses"),
        ({"side": 9}, "side"),
        ({"symbol": "NONE"}, "symbol"),
        ({"account": "others"}, "account"),
    ],
)
async def test_a_list_refuses(wire: Wire, request_: dict[str, Any], field: str) -> None:
    assert (await refused(wire.list_orders(**request_))).field == field


async def test_a_snapshot_has_the_open_orders_and_then_what_comes(wire: Wire, symbol: str) -> None:
    acks = [await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE)) for _ in range(3)]
    await wire.submit(cancel_order(acks[0].order_id, ack_level=ENGINE))
    start = event_pb2.StreamStart(snapshot=event_pb2.Snapshot())
    stream = wire.follow(ev.FollowRequest(start=start))
    assert (await stream.read()).HasField("opened")
    assert [order.order_id for order in (await stream.read()).orders] == [acks[2].order_id, acks[1].order_id]
    async with open_session(wire, start=start) as session:
        await wire.submit(cancel_order(acks[1].order_id, ack_level=ENGINE))
        async with asyncio.timeout(30):
            while not (events := (await stream.read()).events):
                pass
        assert [(e.kind, e.order.order_id) for e in events] == [(event_pb2.EVENT_KIND_CANCELED, acks[1].order_id)]
        del session
    stream.cancel()


async def test_the_sdk_lists_through_all_pages(stack: RunningStack, symbol: str) -> None:
    async with OrderClient(stack.address, token=stack.token(new_account())) as client:
        async with client.session() as session:
            for _ in range(3):
                await session.submit(symbol=symbol, side=Side.BUY, quantity="1", price="10")
        listed = [order async for order in client.list_orders(statuses=OPEN_STATUSES, symbol=symbol)]
        assert len(listed) == 3
        assert {order.status for order in listed} <= {OrderStatus.QUEUED, OrderStatus.OPEN}
        assert [fill async for fill in client.list_fills()] == []


async def test_events_that_redis_has_no_more_come_from_postgres(stack: RunningStack, symbol: str) -> None:
    account = new_account()
    async with connect(stack.address, stack.token(account)) as wire:
        commands = [limit_order(symbol=symbol, ack_level=ENGINE) for _ in range(30)]
        for command in commands:
            await wire.submit(command)
        await wire.submit(limit_order(symbol=symbol, ack_level=PERSISTED))
    await stack.trim_events()
    async with OrderClient(stack.address, token=stack.token(account)) as client:
        events = client.events(beginning=True)
        seen = [await anext(events) for _ in range(31)]
        assert [event.seq for event in seen] == list(range(1, 32))
        await events.aclose()  # type: ignore[attr-defined]
        for place in (0, 13, 30):
            rest = client.events(after=seen[place].cursor)
            assert [await anext(rest) for _ in range(30 - place)] == seen[place + 1 :]
            await client.submit(symbol=symbol, side=Side.BUY, quantity="1", price="10")
            assert (await anext(rest)).seq >= 32
            await rest.aclose()  # type: ignore[attr-defined]
