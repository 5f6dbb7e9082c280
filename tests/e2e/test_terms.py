"""Every term of an order through the whole way, with the SDK: what the engine makes of it, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway.client import (
    AckLevel,
    Cause,
    EventKind,
    Order,
    OrderClient,
    OrderEvent,
    OrderStatus,
    OrderType,
    Reason,
    Rejected,
    SelfTradePrevention,
    Session,
    SessionOptions,
    Side,
    TimeInForce,
)

from ..support.stack import RunningStack
from ..support.wire import new_account

BUY, SELL = Side.BUY, Side.SELL
WAIT_S = 30.0
FAR = datetime(2040, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Desk:
    """One account: its session, and all of its events."""

    def __init__(self, client: OrderClient, session: Session, account: str, symbol: str) -> None:
        self.client = client
        self.session = session
        self.account = account
        self.symbol = symbol
        self.events: list[OrderEvent] = []
        self._more = asyncio.Condition()
        self.reader = asyncio.create_task(self._read())

    async def place(self, side: Side, quantity: int, price: object = None, **terms: Any) -> Order:
        """Enters an order; the order after the engine's decision."""
        terms = {"account": self.account, "ack_level": AckLevel.ENGINE} | terms
        if price is not None:
            terms["price"] = str(price)
        ack = await self.session.submit(symbol=self.symbol, side=side, quantity=quantity, **terms)
        assert ack.order is not None
        return ack.order

    async def now(self, order: Order) -> Order:
        """The order as it is."""
        return await self.client.get_order(order_id=order.order_id, account=order.account)

    async def told(self, order: Order, *kinds: EventKind) -> list[OrderEvent]:
        """All events about the order, as soon as they end with `kinds`."""

        def about() -> list[OrderEvent]:
            return [e for e in self.events if e.order is not None and e.order.order_id == order.order_id]

        await self.until(lambda: [e.kind for e in about()[-len(kinds) :]] == list(kinds))
        return about()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for what events bring."""
        async with asyncio.timeout(WAIT_S), self._more:
            await self._more.wait_for(condition)

    async def _read(self) -> None:
        async for event in self.session.events():
            async with self._more:
                self.events.append(event)
                self._more.notify_all()


@pytest.fixture
async def desk(stack: RunningStack, account: str, symbol: str) -> AsyncIterator[Desk]:
    async with (
        OrderClient(stack.address, token=stack.token(account)) as client,
        client.session(SessionOptions(session_name="desk-1")) as session,
    ):
        yield Desk(client, session, account, symbol)


@pytest.fixture
async def rival(stack: RunningStack, symbol: str) -> AsyncIterator[Desk]:
    account = new_account()
    async with OrderClient(stack.address, token=stack.token(account)) as client, client.session() as session:
        yield Desk(client, session, account, symbol)


RESTING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"price": 10}, {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "stop_price": None}),
    "stop": (
        {"stop_price": 11},
        {
            "order_type": OrderType.STOP,
            "status": OrderStatus.UNTRIGGERED,
            "stop_price": Decimal(11),
            "limit_price": None,
        },
    ),
    "stop_limit": (
        {"stop_price": 11, "price": 12},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": Decimal(11), "limit_price": Decimal(12)},
    ),
    "gtd": ({"price": 10, "expire_at": FAR}, {"time_in_force": TimeInForce.GTD, "expire_at": FAR}),
    "iceberg": ({"price": 10, "display_quantity": 2}, {"display_quantity": Decimal(2), "leaves_quantity": Decimal(5)}),
    "self-trade prevention": (
        {"price": 10, "self_trade_prevention": SelfTradePrevention.DECREMENT, "stp_group": "g-h"},
        {"self_trade_prevention": SelfTradePrevention.DECREMENT, "stp_group": "g-h"},
    ),
    "tag": ({"price": 10, "tag": "grid-7"}, {"tag": "grid-7"}),
    "cancel_on_disconnect": ({"price": 10, "cancel_on_disconnect": True}, {"cancel_on_disconnect": True}),
    "post_only GTD": (
        {"price": 10, "post_only": True, "expire_at": FAR},
        {"post_only": True, "time_in_force": TimeInForce.GTD},
    ),
}


@pytest.mark.parametrize("name", RESTING)
async def test_an_order_shows_its_terms_everywhere(name: str, desk: Desk) -> None:
    terms, shown = RESTING[name]
    order = await desk.place(BUY, 5, **terms, ack_level=AckLevel.PERSISTED)
    assert {field: getattr(order, field) for field in shown} == shown
    assert (order.session_name, order.version) == ("desk-1", 1)
    assert await desk.now(order) == order
    (accepted,) = await desk.told(order, EventKind.ACCEPTED)
    assert accepted.order == order


async def test_a_day_order_tells_when_its_day_ends(desk: Desk) -> None:
    order = await desk.place(BUY, 5, 10, time_in_force=TimeInForce.DAY, ack_level=AckLevel.PERSISTED)
    assert order.expire_at is not None
    assert order.updated_at < order.expire_at <= order.updated_at + timedelta(days=1)
    assert order.expire_at.strftime("%H:%M:%S.%f") == "00:00:00.000000"
    assert await desk.now(order) == order


async def test_a_gtd_order_expires_without_any_other_command(desk: Desk) -> None:
    order = await desk.place(BUY, 5, 10, expire_at=timedelta(seconds=1))
    *_, expired = await desk.told(order, EventKind.ACCEPTED, EventKind.EXPIRED)
    assert expired.order is not None
    assert (expired.order.status, expired.command_id) == (OrderStatus.EXPIRED, "")
    assert order.expire_at is not None
    assert expired.engine_at >= order.expire_at


async def test_a_stop_is_triggered_by_a_trade_and_trades(desk: Desk, rival: Desk) -> None:
    stop = await desk.place(SELL, 3, stop_price=10)
    stop_limit = await desk.place(SELL, 2, 9, stop_price=10)
    await rival.place(BUY, 1, 10)
    await rival.place(BUY, 9, 9)
    await rival.place(SELL, 1, 10)
    for order in (stop, stop_limit):
        events = await desk.told(order, EventKind.ACCEPTED, EventKind.TRIGGERED, EventKind.FILL)
        last = events[-1]
        assert last.fill is not None
        assert (last.fill.price, last.command_id) == (Decimal(9), "")
        assert last.order is not None
        assert last.order.status == OrderStatus.FILLED
        assert await desk.now(order) == last.order


async def test_an_iceberg_shows_its_next_part_at_the_back(desk: Desk, rival: Desk) -> None:
    iceberg = await desk.place(SELL, 5, 10, display_quantity=2)
    behind = await desk.place(SELL, 1, 10)
    await rival.place(BUY, 3, 10)
    *_, restated = await desk.told(iceberg, EventKind.FILL, EventKind.RESTATED)
    assert restated.order is not None
    assert (restated.order.executed_quantity, restated.order.leaves_quantity) == (Decimal(2), Decimal(3))
    await desk.told(behind, EventKind.FILL)


MODES = {
    SelfTradePrevention.NONE: ("FILLED", "FILLED", Cause.UNSPECIFIED),
    SelfTradePrevention.CANCEL_TAKER: ("OPEN", "CANCELED", Cause.SELF_TRADE_PREVENTION),
    SelfTradePrevention.CANCEL_MAKER: ("CANCELED", "OPEN", Cause.SELF_TRADE_PREVENTION),
    SelfTradePrevention.CANCEL_BOTH: ("CANCELED", "CANCELED", Cause.SELF_TRADE_PREVENTION),
    SelfTradePrevention.DECREMENT: ("CANCELED", "CANCELED", Cause.SELF_TRADE_PREVENTION),
}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
async def test_the_takers_mode_of_self_trade_prevention_rules(mode: SelfTradePrevention, desk: Desk) -> None:
    maker = await desk.place(SELL, 2, 10)
    taker = await desk.place(BUY, 2, 10, self_trade_prevention=mode)
    *ends, cause = MODES[mode]
    assert [(await desk.now(order)).status.name for order in (maker, taker)] == ends
    await desk.place(SELL, 1, 99)
    causes = {e.cause for e in desk.events if e.kind == EventKind.CANCELED}
    assert causes == ({cause} if cause else set())


async def test_accounts_of_a_group_count_as_one(desk: Desk, rival: Desk) -> None:
    group = f"group-of-{desk.account}"
    maker = await rival.place(SELL, 2, 10, stp_group=group)
    mode = SelfTradePrevention.CANCEL_TAKER
    taker = await desk.place(BUY, 2, 10, stp_group=group, self_trade_prevention=mode)
    assert taker.status == OrderStatus.CANCELED
    assert await rival.now(maker) == maker


async def test_an_order_that_only_the_engine_can_refuse(desk: Desk, rival: Desk) -> None:
    await rival.place(SELL, 1, 10)
    with pytest.raises(Rejected) as caught:
        await desk.place(BUY, 1, 10, post_only=True, tag="t")
    assert caught.value.reason == Reason.WOULD_CROSS
