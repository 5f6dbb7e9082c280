"""Orders through the whole way: rest, trade, cancel; acks of every level; the same order from every source."""

from __future__ import annotations

import time
from decimal import Decimal

import asyncpg
import pytest
import redis.asyncio

from ordergate.v1 import command_pb2, event_pb2, failure_pb2, order_pb2, order_query_service_pb2

from ..support.stack import RunningStack
from ..support.wire import Wire, cancel_order, limit_order, refusal_of, refused
from .probe import SessionProbe, open_session
from .words import cause, kind, status

BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
IOC, FOK = order_pb2.TIME_IN_FORCE_IOC, order_pb2.TIME_IN_FORCE_FOK
QUEUED, ENGINE, PERSISTED = (
    command_pb2.ACK_LEVEL_QUEUED,
    command_pb2.ACK_LEVEL_ENGINE,
    command_pb2.ACK_LEVEL_PERSISTED,
)
MARKET = {"order_type": order_pb2.ORDER_TYPE_MARKET, "limit_price": ""}
SOURCE = order_query_service_pb2.OrderSource


def kinds(session: SessionProbe) -> list[str]:
    return [kind(event) for event in session.events]


async def placed(wire: Wire, **terms: object) -> order_pb2.Order:
    """Enters an order; the order after the engine's decision."""
    ack = await wire.submit(limit_order(ack_level=ENGINE, **terms))
    assert not ack.HasField("failure"), ack
    return ack.order


def test_the_stack_serves(stack: RunningStack) -> None:
    assert set(stack.pids) == {"redis", "postgres", "engine", "persister", "gateway"}


@pytest.mark.parametrize("level", [QUEUED, ENGINE, PERSISTED])
async def test_an_ack_tells_the_level_that_was_asked_for(level: int, wire: Wire, account: str, symbol: str) -> None:
    before = time.time_ns()
    command = limit_order(symbol=symbol, ack_level=level)
    ack = await wire.submit(command)
    assert (ack.command_id, ack.account, ack.level) == (command.command_id, account, level)
    received, queued = ack.received_at.ToNanoseconds(), ack.queued_at.ToNanoseconds()
    assert before - 1000 <= received <= queued <= time.time_ns()
    assert ack.HasField("engine_at") == ack.HasField("order") == (level > QUEUED)
    if level > QUEUED:
        assert (status(ack.order), ack.order.order_id) == ("OPEN", ack.order_id)
        assert ack.engine_at == ack.order.updated_at
        assert ack.order.created_at.ToNanoseconds() == received
        assert ack.order.queued_at.ToNanoseconds() == queued


async def test_an_order_rests_with_its_terms(wire: Wire, account: str, symbol: str) -> None:
    command = limit_order(symbol=symbol, side=SELL, quantity="12", limit_price="10.5")
    async with open_session(wire) as session:
        await session.send(command)
        (event,) = await session.until_events(1)
    order = event.order
    assert (kind(event), event.seq, event.command_id) == ("ACCEPTED", 1, command.command_id)
    assert (order.client_order_id, order.account, order.symbol) == (command.command_id, account, symbol)
    assert (order.side, order.order_type, order.time_in_force) == (SELL, 1, 1)
    assert (order.quantity, order.limit_price, order.stop_price) == ("12", "10.50", "")
    assert (status(order), order.executed_quantity, order.leaves_quantity) == ("OPEN", "0", "12")
    assert (order.average_price, order.version, order.last_event_seq) == ("", 1, 1)


async def test_two_orders_trade_at_the_makers_price(wire: Wire, other: Wire, symbol: str) -> None:
    async with open_session(wire) as maker, open_session(other) as taker:
        await maker.send(limit_order(symbol=symbol, side=SELL, quantity="5", limit_price="10.00"))
        await maker.until_events(1)
        await taker.send(limit_order(symbol=symbol, quantity="3", limit_price="12.00"))
        await taker.until_events(2)
        await maker.until_events(2)
    assert kinds(taker) == ["ACCEPTED", "FILL"]
    assert kinds(maker) == ["ACCEPTED", "FILL"]
    given, taken = maker.events[1], taker.events[1]
    assert given.fill.trade_id == taken.fill.trade_id
    assert {(e.fill.quantity, e.fill.price) for e in (given, taken)} == {("3", "10.00")}
    assert (given.fill.liquidity, taken.fill.liquidity) == (event_pb2.LIQUIDITY_MAKER, event_pb2.LIQUIDITY_TAKER)
    assert (given.command_id, taken.command_id) == ("", taken.order.client_order_id)
    assert (status(given.order), given.order.leaves_quantity) == ("PARTIALLY_FILLED", "2")
    assert (status(taken.order), taken.order.average_price) == ("FILLED", "10.0000000000")


async def test_a_taker_takes_the_best_prices_first_and_the_oldest_of_each(wire: Wire, other: Wire, symbol: str) -> None:
    makers = [
        await placed(wire, symbol=symbol, side=SELL, quantity="2", limit_price=price)
        for price in ("10.02", "10.01", "10.01")
    ]
    async with open_session(other) as taker:
        await taker.send(limit_order(symbol=symbol, quantity="5", limit_price="10.02"))
        await taker.until_events(4)
    fills = [(e.fill.price, e.fill.quantity) for e in taker.events[1:]]
    assert fills == [("10.01", "2"), ("10.01", "2"), ("10.02", "1")]
    assert taker.events[-1].order.average_price == "10.0120000000"
    left = [(await wire.get_order(order_id=order.order_id)).order for order in makers]
    assert [status(order) for order in left] == ["PARTIALLY_FILLED", "FILLED", "FILLED"]


async def test_a_cancel_ends_an_order_once(wire: Wire, symbol: str) -> None:
    async with open_session(wire) as session:
        command = limit_order(symbol=symbol, quantity="4")
        await session.send(command)
        order_id = (await session.until_events(1))[0].order.order_id
        await session.send(cancel_order(order_id, ack_level=ENGINE))
        await session.send(cancel_order(client_order_id=command.command_id, ack_level=ENGINE))
        await session.until_acks(3)
        await session.until_events(3)
    canceled, rejected = session.events[1:]
    assert (kind(canceled), cause(canceled), status(canceled.order)) == ("CANCELED", "USER", "CANCELED")
    assert (canceled.order.leaves_quantity, canceled.order.executed_quantity) == ("0", "0")
    assert (kind(rejected), rejected.order) == ("CANCEL_REJECTED", canceled.order)
    assert refusal_of(rejected.failure).reason == "TOO_LATE"
    first, second = session.acks[1:]
    assert (first.order_id, first.order, first.HasField("failure")) == (order_id, canceled.order, False)
    assert (second.level, refusal_of(second.failure).reason) == (ENGINE, "TOO_LATE")


async def test_nobody_cancels_the_order_of_another(wire: Wire, other: Wire, symbol: str) -> None:
    order = await placed(wire, symbol=symbol)
    for command in (cancel_order(order.order_id), cancel_order(client_order_id=order.client_order_id)):
        command.ack_level = ENGINE
        ack = await other.submit(command)
        assert refusal_of(ack.failure).reason == "UNKNOWN_ORDER"
        assert not ack.HasField("order")
    assert (await wire.get_order(order_id=order.order_id)).order == order


async def test_nobody_sees_the_order_of_another(wire: Wire, other: Wire, symbol: str) -> None:
    order = await placed(wire, symbol=symbol)
    unknown = "00000000-0000-8000-8000-000000000000"
    answers = {await refused(other.get_order(order_id=order_id)) for order_id in (order.order_id, unknown)}
    answers.add(await refused(other.get_order(client_order_id=order.client_order_id)))
    (answer,) = answers
    assert (answer.code, answer.reason, answer.field) == ("NOT_FOUND", "NOT_FOUND", "order")


async def test_an_ioc_order_trades_what_it_can(wire: Wire, other: Wire, symbol: str) -> None:
    await placed(other, symbol=symbol, side=SELL, quantity="2")
    async with open_session(wire) as session:
        await session.send(limit_order(symbol=symbol, quantity="5", time_in_force=IOC))
        await session.until_events(3)
        await session.send(limit_order(symbol=symbol, quantity="5", time_in_force=IOC))
        await session.until_events(5)
    assert kinds(session) == ["ACCEPTED", "FILL", "CANCELED", "ACCEPTED", "CANCELED"]
    rest, nothing = session.events[2], session.events[4]
    assert (cause(rest), cause(nothing)) == ("IOC_REMAINDER", "IOC_REMAINDER")
    assert (rest.order.executed_quantity, rest.order.leaves_quantity) == ("2", "0")
    assert (status(nothing.order), nothing.order.executed_quantity) == ("CANCELED", "0")


async def test_a_fok_order_trades_all_or_nothing(wire: Wire, other: Wire, symbol: str) -> None:
    await placed(other, symbol=symbol, side=SELL, quantity="5")
    async with open_session(wire) as session:
        await session.send(limit_order(symbol=symbol, quantity="6", time_in_force=FOK))
        await session.send(limit_order(symbol=symbol, quantity="5", time_in_force=FOK))
        await session.until_events(4)
    assert kinds(session) == ["ACCEPTED", "CANCELED", "ACCEPTED", "FILL"]
    assert cause(session.events[1]) == "FOK_UNFILLED"
    assert status(session.events[3].order) == "FILLED"


async def test_a_market_order_takes_any_price(wire: Wire, other: Wire, symbol: str) -> None:
    await placed(other, symbol=symbol, side=SELL, quantity="1", limit_price="999.00")
    order = await placed(wire, symbol=symbol, quantity="2", time_in_force=IOC, **MARKET)
    assert (status(order), order.executed_quantity, order.average_price) == ("CANCELED", "1", "999.0000000000")
    assert order.limit_price == ""


async def test_a_post_only_order_never_takes(wire: Wire, other: Wire, symbol: str) -> None:
    maker = await placed(other, symbol=symbol, side=SELL)
    ack = await wire.submit(limit_order(symbol=symbol, post_only=True, ack_level=ENGINE))
    assert (refusal_of(ack.failure).reason, status(ack.order)) == ("WOULD_CROSS", "REJECTED")
    assert ack.order.reject_reason == failure_pb2.REASON_WOULD_CROSS
    assert (await other.get_order(order_id=maker.order_id)).order == maker
    rests = await placed(wire, symbol=symbol, post_only=True, limit_price="9.99")
    assert (status(rests), rests.post_only) == ("OPEN", True)


async def test_an_order_whose_time_passes_in_the_queue_is_not_released(wire: Wire, symbol: str) -> None:
    """The gateway takes it, for it is valid then; that the engine refuses a late one is shown in test_outages."""
    command = limit_order(symbol=symbol, ack_level=ENGINE)
    command.valid_until.FromNanoseconds(time.time_ns() + 60 * 10**9)
    assert status((await wire.submit(command)).order) == "OPEN"


async def test_an_order_looks_the_same_from_every_source(wire: Wire, symbol: str, stack: RunningStack) -> None:
    command = limit_order(symbol=symbol, quantity="7", time_in_force=IOC, ack_level=PERSISTED)
    sources: list[str] = []

    async def look(session: SessionProbe) -> None:
        found = await wire.get_order(client_order_id=command.command_id)
        assert found.order == session.events[-1].order
        sources.append(SOURCE.Name(found.source).removeprefix("ORDER_SOURCE_"))

    async with redis.asyncio.from_url(stack.redis_url) as cache, open_session(wire) as session:
        await session.send(command)
        order_id = (await session.until_events(2))[-1].order.order_id
        await look(session)
        assert (await session.until_acks(1))[0].order == session.events[-1].order
        await look(session)
        await cache.delete(f"og:{{0}}:order:{order_id}")
        await look(session)
        await look(session)
        # A cancel that comes too late changes nothing, also not the sequence of the last event.
        await session.send(cancel_order(order_id, ack_level=PERSISTED))
        await session.until_events(3)
        await look(session)
        await session.until_acks(2)
        await look(session)
    assert sources[0] in {"QUEUE", "CACHE"}  # the persister may have been quicker
    assert sources[1:4] == ["CACHE", "DATABASE", "CACHE"]


async def test_an_open_order_looks_the_same_before_and_after_it_is_stored(wire: Wire, other: Wire, symbol: str) -> None:
    async with open_session(wire) as session:
        command = limit_order(symbol=symbol, quantity="3", limit_price="7.77", post_only=True)
        await session.send(command)
        await session.until_events(1)
        await other.submit(limit_order(symbol=symbol, side=SELL, limit_price="7.00", ack_level=PERSISTED))
        last = (await session.until_events(2))[-1].order
        found = await wire.get_order(order_id=last.order_id)
    assert (found.order, found.source) == (last, SOURCE.ORDER_SOURCE_DATABASE)
    assert status(last) == "PARTIALLY_FILLED"


async def test_postgres_holds_orders_and_trades_as_they_were_told(
    wire: Wire, other: Wire, account: str, symbol: str, stack: RunningStack
) -> None:
    maker = await placed(other, symbol=symbol, side=SELL, quantity="2", limit_price="10.10")
    ack = await wire.submit(limit_order(symbol=symbol, quantity="5", limit_price="10.20", ack_level=PERSISTED))
    connection = await asyncpg.connect(stack.postgres_dsn)
    row = await connection.fetchrow("SELECT * FROM order_view WHERE order_id = $1", ack.order_id)
    trades = await connection.fetch("SELECT * FROM execution_view WHERE taker_order_id = $1", ack.order_id)
    await connection.close()
    order = ack.order
    assert (row["account"], row["client_order_id"], row["symbol"]) == (account, ack.command_id, symbol)
    assert (row["side"], row["order_type"], row["time_in_force"]) == ("BUY", "LIMIT", "GTC")
    assert (row["status"], row["version"], row["last_event_seq"]) == (
        status(order),
        order.version,
        order.last_event_seq,
    )
    for name in ("quantity", "limit_price", "executed_quantity", "leaves_quantity", "average_price"):
        assert row[name] == Decimal(getattr(order, name)), name
        assert str(row[name]) == getattr(order, name), name
    for name in ("created_at", "queued_at", "updated_at"):
        assert int(row[name].timestamp() * 1e6 + 0.5) == getattr(order, name).ToMicroseconds(), name
    assert row["position"] == ack.position
    (trade,) = trades
    assert (str(trade["maker_order_id"]), trade["taker_account"]) == (maker.order_id, account)
    assert (str(trade["price"]), str(trade["quantity"]), trade["taker_side"]) == ("10.10", "2", "BUY")
    assert trade["executed_at"] == row["updated_at"]
