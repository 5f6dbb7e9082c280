"""Orders that expire although nobody sends anything."""

from __future__ import annotations

import asyncio
import datetime
import time
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.ids import OPERATIONS
from ordergate.v1 import command_pb2, event_pb2, order_events_service_pb2, order_pb2, order_query_service_pb2

from ..support.stack import _new_home
from ..support.wire import connect, limit_order, new_account
from .probe import open_session
from .words import kind, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.stack import RunningStack
    from ..support.wire import Wire

GTD, DAY = order_pb2.TIME_IN_FORCE_GTD, order_pb2.TIME_IN_FORCE_DAY
LATE_S = 0.5
"""0.1 s is what we aim at; the machine may be busy."""


def stamp(seconds: float) -> Timestamp:
    made = Timestamp()
    made.FromNanoseconds(int(seconds * 1e6) * 1000)
    return made


async def test_a_gtd_order_expires_on_time_without_any_traffic(wire: Wire, symbol: str) -> None:
    end = time.time() + 1.5
    command = limit_order(symbol=symbol, time_in_force=GTD, expire_at=stamp(end))
    async with open_session(wire) as session:
        await session.send(command)
        (accepted,) = await session.until_events(1)
        assert (kind(accepted), accepted.order.expire_at) == ("ACCEPTED", command.new_order.expire_at)
        _, expired = await session.until_events(2)
        told_after_s = time.time() - end
    assert (kind(expired), expired.command_id, status(expired.order)) == ("EXPIRED", "", "EXPIRED")
    assert 0 <= expired.engine_at.ToNanoseconds() / 1e9 - end < LATE_S
    assert 0 <= told_after_s < LATE_S
    found = await wire.get_order(order_id=expired.order.order_id)
    assert found.order == expired.order


async def test_an_expired_order_is_the_same_from_postgres(wire: Wire, symbol: str) -> None:
    command = limit_order(symbol=symbol, time_in_force=GTD, expire_at=stamp(time.time() + 0.5))
    async with open_session(wire) as session:
        await session.send(command)
        *_, expired = await session.until_events(2)
        # What is persisted later is persisted after it; and the cache of final orders must not be asked.
        await wire.submit(limit_order(symbol=symbol, ack_level=command_pb2.ACK_LEVEL_PERSISTED))
    async with asyncio.timeout(30):
        while True:
            found = await wire.get_order(order_id=expired.order.order_id)
            assert found.order == expired.order
            if found.source != order_query_service_pb2.ORDER_SOURCE_QUEUE:
                return
            await asyncio.sleep(0.1)


async def test_orders_that_end_together_share_a_tick(stack: RunningStack, wire: Wire, symbol: str) -> None:
    end = time.time() + 1.0
    async with connect(stack.address, stack.token(new_account(), scopes=("admin",))) as operator:
        call = operator.follow(order_events_service_pb2.FollowRequest(accounts=[OPERATIONS]))
        assert (await call.read()).opened.accounts == [OPERATIONS]
        async with open_session(wire) as session:
            await session.send(
                *[limit_order(symbol=symbol, time_in_force=GTD, expire_at=stamp(end)) for _ in range(50)]
            )
            await session.until_events(100)
        ticks = 0
        try:
            async with asyncio.timeout(1.0):
                while True:
                    ticks += sum(e.kind == event_pb2.EVENT_KIND_TICK for e in (await call.read()).events)
        except TimeoutError:
            assert 1 <= ticks <= 3
        call.cancel()


@pytest.mark.long
async def test_a_day_order_expires_at_the_end_of_the_trading_day(
    stack_factory: Callable[..., RunningStack],
) -> None:
    """The day ends at a full minute, so this takes up to 75 s."""
    end = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=75)).replace(second=0, microsecond=0)
    home = _new_home()
    path = home / "instruments.toml"
    path.write_text(
        f'trading_day_end = "{end:%H:%M}"\n[[instrument]]\nsymbol = "ACME"\nprice_increment = "0.01"\n'
        'lot_size = "1"\nmax_price = "1000000"\nmax_quantity = "1000000"\n',
        encoding="utf-8",
    )
    running = stack_factory("--instruments", str(path), home=home)
    async with connect(running.address, running.token()) as wire, open_session(wire) as session:
        await session.send(limit_order(time_in_force=DAY))
        (accepted,) = await session.until_events(1)
        assert accepted.order.expire_at == stamp(end.timestamp())
        await session.until(lambda: len(session.events) == 2, timeout_s=90)
        assert kind(session.events[1]) == "EXPIRED"
        assert 0 <= session.events[1].engine_at.ToNanoseconds() / 1e9 - end.timestamp() < LATE_S
