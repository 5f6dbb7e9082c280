"""A command_id counts once, whatever way and however often it comes."""

from __future__ import annotations

import asyncio

import asyncpg

from ordergate.v1 import command_pb2

from ..support.stack import RunningStack
from ..support.wire import Wire, cancel_order, connect, limit_order, new_id, refusal_of
from .probe import open_session
from .words import kind

ENGINE, PERSISTED = command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED


async def test_the_same_order_twice_is_one_order(wire: Wire, symbol: str) -> None:
    command = limit_order(symbol=symbol, ack_level=ENGINE)
    first, second = await wire.submit(command), await wire.submit(command)
    assert first.order_id == second.order_id
    assert (first.duplicate, second.duplicate) == (False, True)
    assert second.order == first.order
    assert not second.HasField("failure")


async def test_the_same_id_with_other_content_is_a_conflict(wire: Wire, symbol: str) -> None:
    command = limit_order(symbol=symbol, ack_level=ENGINE)
    first = await wire.submit(command)
    for change in ({"quantity": "2"}, {"limit_price": "10.01"}, {"side": 2}, {"post_only": True}, {"time_in_force": 4}):
        terms = {"command_id": command.command_id, "symbol": symbol, "ack_level": ENGINE}
        other = await wire.submit(limit_order(**terms | change))
        told = refusal_of(other.failure)
        assert (told.reason, told.disposition, other.level) == ("ID_CONFLICT", "NOT_APPLIED", ENGINE)
    assert (await wire.get_order(order_id=first.order_id)).order == first.order


async def test_an_id_counts_over_all_kinds_of_command(wire: Wire, symbol: str) -> None:
    order = (await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE))).order
    cancel = cancel_order(order.order_id, command_id=order.client_order_id, ack_level=ENGINE)
    assert refusal_of((await wire.submit(cancel)).failure).reason == "ID_CONFLICT"
    assert (await wire.get_order(order_id=order.order_id)).order == order


async def test_the_same_id_of_another_account_is_another_order(wire: Wire, other: Wire, symbol: str) -> None:
    command = limit_order(symbol=symbol, ack_level=ENGINE)
    first, second = await wire.submit(command), await other.submit(command)
    assert first.order_id != second.order_id
    assert not second.duplicate


async def test_a_cancel_that_comes_again_is_a_duplicate(wire: Wire, symbol: str) -> None:
    order = (await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE))).order
    cancel = cancel_order(order.order_id, ack_level=ENGINE)
    first, second = await wire.submit(cancel), await wire.submit(cancel)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert not second.HasField("failure")


async def test_a_repeat_tells_one_event_and_leaves_one_row(
    wire: Wire, account: str, symbol: str, stack: RunningStack
) -> None:
    command = limit_order(symbol=symbol)
    async with open_session(wire) as session:
        await session.send(command, command)
        await session.send(command)
        await session.send(limit_order(symbol=symbol, command_id=command.command_id, quantity="2"))
        await session.until_events(4)
        assert len({ack.order_id for ack in await session.until_acks(4)}) == 1
        await wire.submit(limit_order(symbol=symbol, ack_level=PERSISTED))
    kinds = [kind(event) for event in session.events]
    assert kinds[:4] == ["ACCEPTED", "DUPLICATE", "DUPLICATE", "COMMAND_REJECTED"]
    connection = await asyncpg.connect(stack.postgres_dsn)
    rows = await connection.fetch("SELECT quantity_lots FROM orders WHERE account = $1 ORDER BY created_at", account)
    letters = await connection.fetchval("SELECT count(*) FROM dead_letters")
    await connection.close()
    assert ([row[0] for row in rows], letters) == ([1, 1], 0)


async def test_one_of_many_at_once_wins(account: str, symbol: str, stack: RunningStack) -> None:
    command_id = new_id()
    async with connect(stack.address, stack.token(account)) as one, connect(stack.address, stack.token(account)) as two:
        calls = [
            (one, two)[n % 2].submit(limit_order(command_id=command_id, symbol=symbol, ack_level=ENGINE))
            for n in range(40)
        ]
        acks = await asyncio.gather(*calls)
    assert len({ack.order_id for ack in acks}) == 1
    assert sorted(ack.duplicate for ack in acks) == [False] + [True] * 39
    assert not any(ack.HasField("failure") for ack in acks)
