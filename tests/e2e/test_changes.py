"""Amends, mass cancels and lost sessions through the whole way, with the SDK."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gateway.client import (
    AckLevel,
    Cause,
    EventKind,
    MassCancelResult,
    OrderClient,
    OrderEvent,
    OrderStatus,
    Reason,
    Rejected,
    SessionOptions,
    Side,
    amend_order,
    mass_cancel,
)

from ..support.stack import RunningStack
from .test_terms import BUY, FAR, SELL, Desk, desk, rival

__all__ = ["desk", "rival"]

ENGINE = AckLevel.ENGINE


def last_of(desk: Desk, kind: EventKind) -> OrderEvent:
    return next(event for event in reversed(desk.events) if event.kind == kind)


@pytest.mark.parametrize("with_symbol", [True, False])
async def test_less_at_the_same_price_keeps_its_place(with_symbol: bool, desk: Desk, rival: Desk) -> None:
    symbol = desk.symbol if with_symbol else ""
    first = await desk.place(SELL, 5, 10)
    second = await desk.place(SELL, 5, 10)
    ack = await desk.session.amend(order_id=first.order_id, quantity=3, symbol=symbol, ack_level=AckLevel.PERSISTED)
    assert ack.order is not None
    assert (ack.order_id, ack.order.quantity, ack.order.version) == (first.order_id, Decimal(3), 2)
    assert await desk.now(first) == ack.order
    *_, amended = await desk.told(first, EventKind.AMENDED)
    assert (amended.priority_kept, amended.command_id, amended.order) == (True, ack.command_id, ack.order)
    await rival.place(BUY, 3, 10)
    assert (await desk.now(first)).status == OrderStatus.FILLED
    assert (await desk.now(second)).executed_quantity == 0


@pytest.mark.parametrize("with_symbol", [True, False])
async def test_more_or_another_price_loses_its_place_and_may_trade(with_symbol: bool, desk: Desk, rival: Desk) -> None:
    symbol = desk.symbol if with_symbol else ""
    order = await desk.place(SELL, 5, 10)
    offer = await rival.place(BUY, 4, "9.50")
    ack = await desk.session.amend(
        client_order_id=order.client_order_id, price="9.5", quantity=6, symbol=symbol, ack_level=ENGINE
    )
    assert ack.order is not None
    assert (ack.order.limit_price, ack.order.quantity, ack.order.leaves_quantity) == (
        Decimal("9.5"),
        Decimal(6),
        Decimal(2),
    )
    events = await desk.told(order, EventKind.ACCEPTED, EventKind.AMENDED, EventKind.FILL)
    assert events[1].priority_kept is False
    await rival.told(offer, EventKind.FILL)


async def test_stop_price_and_expiry_can_be_amended(desk: Desk) -> None:
    later = datetime(2041, 1, 1, tzinfo=UTC)
    stop = await desk.place(SELL, 1, 8, stop_price=9, expire_at=FAR)
    ack = await desk.session.amend(order_id=stop.order_id, stop_price="8.75", expire_at=later, ack_level=ENGINE)
    assert ack.order is not None
    assert (ack.order.stop_price, ack.order.expire_at) == (Decimal("8.75"), later)
    assert (ack.order.limit_price, ack.order.status) == (Decimal(8), OrderStatus.UNTRIGGERED)


async def test_an_amend_to_what_has_traded_cancels_the_rest(desk: Desk, rival: Desk) -> None:
    order = await desk.place(SELL, 5, 10)
    await rival.place(BUY, 2, 10)
    ack = await desk.session.amend(order_id=order.order_id, quantity=1, ack_level=ENGINE)
    assert ack.order is not None
    assert (ack.order.status, ack.order.executed_quantity, ack.order.quantity) == (
        OrderStatus.CANCELED,
        Decimal(2),
        Decimal(5),
    )
    *_, canceled = await desk.told(order, EventKind.CANCELED)
    assert canceled.cause == Cause.USER


REFUSED = {
    "version": ({"quantity": 1, "expected_version": 7}, Reason.VERSION_MISMATCH),
    "symbol of another": ({"quantity": 1, "symbol": "ACME"}, Reason.UNKNOWN_SYMBOL),
    "stop price of a LIMIT": ({"stop_price": 1}, Reason.INVALID_FIELD),
    "price off the increment": ({"price": "9.999"}, Reason.PRICE_INCREMENT),
    "quantity off the lot": ({"quantity": "1.5"}, Reason.LOT_SIZE),
    "price above all prices": ({"price": 1_000_001}, Reason.PRICE_BAND),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refused_amend_changes_nothing(name: str, desk: Desk) -> None:
    terms, reason = REFUSED[name]
    order = await desk.place(SELL, 5, 10)
    with pytest.raises(Rejected) as caught:
        await desk.session.amend(order_id=order.order_id, ack_level=ENGINE, **terms)
    assert caught.value.reason == reason
    await desk.told(order, EventKind.ACCEPTED, EventKind.AMEND_REJECTED)
    assert await desk.now(order) == order


async def test_a_cancel_of_another_version_is_refused(desk: Desk) -> None:
    order = await desk.place(SELL, 5, 10)
    with pytest.raises(Rejected) as caught:
        await desk.session.cancel(order_id=order.order_id, expected_version=2, ack_level=ENGINE)
    assert caught.value.reason == Reason.VERSION_MISMATCH
    ack = await desk.session.cancel(order_id=order.order_id, expected_version=1, ack_level=ENGINE)
    assert ack.order is not None
    assert ack.order.status == OrderStatus.CANCELED


async def test_an_amend_sent_twice_is_done_once(desk: Desk) -> None:
    order = await desk.place(SELL, 5, 10)
    command = amend_order(order_id=order.order_id, quantity=3, ack_level=ENGINE)
    first, second = [await desk.client.send(command) for _ in range(2)]
    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.order == first.order == await desk.now(order)


CRITERIA = {
    "everything": ({}, {0, 1, 2, 3}),
    "side": ({"side": Side.SELL}, {2, 3}),
    "tag": ({"tag": "t"}, {1, 2}),
    "side and tag": ({"side": Side.BUY, "tag": "t"}, {1}),
    "another session": ({"session_name": "nobody"}, set()),
    "session": ({"session_name": "desk-1"}, {0, 1, 2, 3}),
}


@pytest.mark.parametrize("name", CRITERIA)
async def test_a_mass_cancel_ends_what_matches(name: str, desk: Desk, rival: Desk) -> None:
    criteria, matched = CRITERIA[name]
    foreign = await rival.place(BUY, 1, 1, tag="t")
    orders = [
        await desk.place(BUY, 1, 2),
        await desk.place(BUY, 1, 3, tag="t"),
        await desk.place(SELL, 1, 9, tag="t"),
        await desk.place(SELL, 1, stop_price=1),
    ]
    ack = await desk.session.mass_cancel(symbol=desk.symbol, ack_level=ENGINE, **criteria)
    assert (ack.order_id, ack.order, ack.level) == ("", None, ENGINE)
    left = [n for n, order in enumerate(orders) if not (await desk.now(order)).is_final]
    assert set(left) == set(range(4)) - matched
    await desk.until(lambda: any(event.command_id == ack.command_id for event in desk.events))
    done = last_of(desk, EventKind.MASS_CANCEL_DONE)
    assert (done.command_id, done.mass_cancel) == (
        ack.command_id,
        MassCancelResult(matched=len(matched), canceled=len(matched), too_late=0),
    )
    canceled = [event for event in desk.events if event.kind == EventKind.CANCELED]
    assert {(event.cause, event.command_id) for event in canceled} <= {(Cause.MASS_CANCEL, "")}
    assert len(canceled) == len(matched)
    assert await rival.now(foreign) == foreign


async def test_a_mass_cancel_at_level_queued_tells_no_order(desk: Desk) -> None:
    acks = await desk.session.send_many([mass_cancel(symbol=desk.symbol), mass_cancel(ack_level=ENGINE)])
    assert [(ack.order_id, ack.level, ack.HasField("failure")) for ack in acks] == [
        ("", AckLevel.QUEUED, False),
        ("", ENGINE, False),
    ]
    batch = await desk.client.submit_batch([mass_cancel(symbol=desk.symbol)])
    assert batch[0].order_id == ""
    assert (await desk.client.check_command(mass_cancel())).position == ""


async def test_orders_of_a_lost_session_are_canceled(stack: RunningStack, account: str, desk: Desk) -> None:
    options = SessionOptions(events=False, session_name="night", disconnect_grace_s=0.2)
    terms = {"symbol": desk.symbol, "side": BUY, "quantity": 1, "price": 1}
    async with OrderClient(stack.address, token=stack.token(account)) as client, client.session(options) as session:
        guarded = await session.submit(**terms, cancel_on_disconnect=True, ack_level=ENGINE)
        kept = await session.submit(**terms, ack_level=ENGINE)
    assert guarded.order is not None
    assert kept.order is not None
    *_, canceled = await desk.told(guarded.order, EventKind.ACCEPTED, EventKind.CANCELED)
    assert canceled.cause == Cause.DISCONNECT
    assert canceled.engine_at >= guarded.order.updated_at + timedelta(seconds=0.2)
    assert await desk.now(kept.order) == kept.order
