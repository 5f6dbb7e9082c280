from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from gateway import errors as server
from gateway.client import CursorExpired, Side, Unavailable, new_order
from gateway.client.channel import Backoff
from gateway.client.cursors import CursorMap
from tests.unit.client.fake_gateway import on_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.client import OrderClient, OrderEvent
    from tests.unit.client.fake_gateway import FakeGateway


async def enter(client: OrderClient, count: int) -> None:
    await client.submit_batch(
        [new_order(symbol="X", side=Side.BUY, quantity=1, price=1, account="alpha") for _ in range(count)]
    )


async def first(events: AsyncIterator[OrderEvent], count: int) -> list[OrderEvent]:
    found: list[OrderEvent] = []
    async with aclosing(events) as open_events:
        async for event in open_events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_events_from_the_beginning_and_after_a_cursor(client: OrderClient) -> None:
    await enter(client, 5)
    events = await first(client.events(beginning=True), 5)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    later = await first(client.events(["alpha"], after=events[2].cursor), 2)
    assert [event.seq for event in later] == [4, 5]


async def test_a_lost_stream_is_resumed_without_gap_or_repeat(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.lose_after_events = on_call(1, 2, 4)
    seqs = []
    async with aclosing(client.events(beginning=True)) as events:
        for _ in range(6):
            await enter(client, 3)
            seqs += [(await anext(events)).seq for _ in range(3)]
    assert seqs == list(range(1, 19))


async def test_a_live_stream_that_is_lost_before_its_first_event_misses_none(
    client: OrderClient, gateway: FakeGateway
) -> None:
    await enter(client, 4)
    async with aclosing(client.events()) as events:
        gateway.refusals = [server.Draining()]
        gateway.lose_after_events = on_call(1)
        waiting = first(events, 2)
        task = asyncio.ensure_future(waiting)
        await asyncio.sleep(0.5)
        await gateway.stop()
        await gateway.start()
        await enter(client, 2)
        assert [event.seq for event in await task] == [5, 6]


async def test_an_expired_cursor_is_told_at_once(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.refusals = [server.CursorExpired("too old")]
    with pytest.raises(CursorExpired):
        await first(client.events(after="0:1-0:0"), 1)


async def test_an_absent_server_is_given_up(client: OrderClient, gateway: FakeGateway) -> None:
    await gateway.stop()
    with pytest.raises(Unavailable):
        await first(client.events(give_up_after_s=0.3), 1)


def test_cursors_of_several_shards_are_kept_apart() -> None:
    cursors = CursorMap(["0:5-0:1", "1:7-0:2"])
    cursors.move(["1:8-0:0"])
    assert sorted(cursors.start().after.cursors) == ["0:5-0:1", "1:8-0:0"]
    assert CursorMap().start().WhichOneof("start") == "live"
    assert CursorMap(beginning=True).start().WhichOneof("start") == "beginning"


def test_backoff_grows_has_a_floor_and_ends() -> None:
    now = [0.0]
    backoff = Backoff(10.0, clock=lambda: now[0])
    delays = [backoff.next_delay_s() for _ in range(8)]
    assert all(delay is not None and 0.04 < delay <= 2.0 for delay in delays)
    assert delays[-1] is not None
    assert delays[-1] > 0.9
    assert backoff.next_delay_s(at_least_s=7.0) == 7.0
    now[0] = 10.0
    assert backoff.next_delay_s() is None
    backoff.reset(5.0)
    assert backoff.next_delay_s() is not None
