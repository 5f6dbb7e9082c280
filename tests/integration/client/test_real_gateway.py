"""The SDK against the real stack."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from gateway.client import (
    AckLevel,
    EventKind,
    Liquidity,
    NotFound,
    OrderClient,
    OrderStatus,
    PermissionDenied,
    Reason,
    Rejected,
    SessionOptions,
    Side,
    TimeInForce,
    Unauthenticated,
    new_order,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.client import OrderEvent
    from ordergate.v1.command_pb2 import Command
    from tests.support.stack import RunningStack

pytestmark = pytest.mark.e2e


@pytest.fixture
async def client(stack: RunningStack) -> AsyncIterator[OrderClient]:
    async with OrderClient(stack.address, token=stack.token("sdk-1", "sdk-2")) as opened:
        yield opened


def bids(account: str, count: int, tag: str) -> list[Command]:
    return [
        new_order(symbol="ACME", side=Side.BUY, quantity=1, price=1, account=account, command_id=f"{tag}-{i}")
        for i in range(count)
    ]


async def take(events: AsyncIterator[OrderEvent], count: int) -> list[OrderEvent]:
    return [await anext(events) for _ in range(count)]


async def test_an_order_s_life_as_values(client: OrderClient) -> None:
    bid = {"symbol": "BUND", "side": Side.BUY, "quantity": 10, "price": Decimal("100.005"), "account": "sdk-1"}
    async with client.session() as session, aclosing(session.events()) as events:
        ack = await session.submit(**bid, ack_level=AckLevel.ENGINE)
        assert ack.order is not None
        assert (ack.order.status, ack.order.leaves_quantity) == (OrderStatus.OPEN, 10)
        await session.submit(
            symbol="BUND", side=Side.SELL, quantity="4", price="100", account="sdk-2", time_in_force=TimeInForce.IOC
        )
        await session.cancel(order_id=ack.order_id, account="sdk-1", ack_level=AckLevel.PERSISTED)
        told = await take(events, 5)
    fills = [event.fill for event in told if event.fill]
    assert sorted(event.kind.name for event in told) == ["ACCEPTED", "ACCEPTED", "CANCELED", "FILL", "FILL"]
    assert {(fill.price, fill.quantity) for fill in fills} == {(Decimal("100.005"), 4)}
    assert {fill.liquidity for fill in fills} == {Liquidity.MAKER, Liquidity.TAKER}
    order = await client.get_order(order_id=ack.order_id, account="sdk-1")
    assert (order.status, order.executed_quantity, order.average_price) == (
        OrderStatus.CANCELED,
        4,
        Decimal("100.005"),
    )


async def test_unary_calls(client: OrderClient) -> None:
    terms = {"symbol": "ACME", "side": Side.BUY, "quantity": 1, "price": "1.5", "account": "sdk-1"}
    checked = await client.check(**terms)
    assert checked.level == AckLevel.UNSPECIFIED
    first = await client.submit(**terms, command_id="sdk-unary")
    again = await client.submit(**terms, command_id="sdk-unary", ack_level=AckLevel.ENGINE)
    assert (first.order_id, again.duplicate) == (again.order_id, True)
    good, bad = await client.submit_batch([*bids("sdk-1", 1, "sdk-batch"), new_order(**{**terms, "quantity": 0})])
    assert good.failure is None
    assert bad.failure is not None
    assert bad.failure.field == "new_order.quantity"


async def test_refusals_are_typed(client: OrderClient, stack: RunningStack) -> None:
    terms = {"symbol": "ACME", "side": Side.BUY, "quantity": 1, "price": "1.5", "account": "sdk-1"}
    with pytest.raises(Rejected) as caught:
        await client.submit(**{**terms, "price": "1.001"})
    assert (caught.value.reason, caught.value.field) == (Reason.PRICE_INCREMENT, "new_order.limit_price")
    with pytest.raises(PermissionDenied):
        await client.submit(**{**terms, "account": "somebody"})
    with pytest.raises(NotFound):
        await client.get_order(client_order_id="never", account="sdk-1")
    async with OrderClient(stack.address, token="x.y.z") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.submit(**terms)
        with pytest.raises(Unauthenticated):
            async with stranger.session():
                pass


async def test_follow_and_session_resume_after_any_cursor(client: OrderClient, stack: RunningStack) -> None:
    async with OrderClient(stack.address, token=stack.token("sdk-3")) as own:
        async with own.session() as session, aclosing(session.events()) as events:
            await session.send_many(bids("sdk-3", 300, "sdk-resume"))
            told = await take(events, 300)
        assert [event.seq for event in told] == list(range(1, 301))
        async with aclosing(own.events(after=told[122].cursor)) as events:
            assert [event.seq for event in await take(events, 177)] == list(range(124, 301))
        options = SessionOptions(after=told[297].cursor)
        async with own.session(options) as session, aclosing(session.events()) as events:
            assert [event.seq for event in await take(events, 2)] == [299, 300]
            assert {event.kind for event in told} == {EventKind.ACCEPTED}


async def test_a_session_and_a_follower_outlive_the_gateway(stack_factory: Callable[..., RunningStack]) -> None:
    running = stack_factory("--account", "demo")
    async with OrderClient(running.address, token=running.token()) as client:
        follower = asyncio.ensure_future(_seqs(client, 4000))
        async with client.session(SessionOptions(window=500)) as session, aclosing(session.events()) as events:
            batches = [session.send_many(bids("", 1000, f"k{first}")) for first in range(2)]
            await batches[0]
            running.kill("gateway")
            batches += [session.send_many(bids("", 1000, f"k{first}")) for first in range(2, 4)]
            for batch in batches:
                assert all(ack.level == AckLevel.QUEUED for ack in await batch)
            assert session.reconnects >= 1
            told = await take(events, 4000)
        order_of = [event.command_id for event in told if event.kind == EventKind.ACCEPTED]
        assert order_of[:4000] == [f"k{batch}-{i}" for batch in range(4) for i in range(1000)][: len(order_of)]
        assert [event.seq for event in told] == list(range(1, 4001))
        assert await follower == list(range(1, 4001))


async def _seqs(client: OrderClient, count: int) -> list[int]:
    async with aclosing(client.events(beginning=True)) as events:
        return [event.seq for event in await take(events, count)]
