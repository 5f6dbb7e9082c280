"""Follow: events of accounts from a start on, then live."""

from __future__ import annotations

import asyncio

import grpc
from google.protobuf.duration_pb2 import Duration

from ordergate.v1 import command_pb2, event_pb2
from ordergate.v1 import order_events_service_pb2 as pb

from ..support.stack import RunningStack
from ..support.wire import Wire, connect, limit_order, new_account, refusal_of
from .test_sessions import BEGINNING, after

WAIT_S = 30.0
ENGINE = command_pb2.ACK_LEVEL_ENGINE


async def read(call: grpc.aio.UnaryStreamCall) -> pb.FollowResponse:
    """The next message. Never bound a single read by a timeout: that would cancel the call."""
    reading = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({reading}, timeout=WAIT_S)
    assert done, "nothing came"
    return reading.result()


async def events_of(call: grpc.aio.UnaryStreamCall, count: int) -> list[event_pb2.OrderEvent]:
    events: list[event_pb2.OrderEvent] = []
    while len(events) < count:
        events += (await read(call)).events
    return events


async def place(wire: Wire, symbol: str, count: int) -> None:
    for _ in range(count):
        await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE))


async def test_follow_from_the_beginning_goes_on_live(wire: Wire, account: str, symbol: str) -> None:
    await place(wire, symbol, 3)
    call = wire.follow(pb.FollowRequest(start=BEGINNING))
    opened = (await read(call)).opened
    past = await events_of(call, 3)
    caught_up = await read(call)
    await place(wire, symbol, 2)
    later = await events_of(call, 2)
    call.cancel()
    assert list(opened.accounts) == [account]
    assert caught_up.HasField("caught_up")
    assert [event.seq for event in past + later] == [1, 2, 3, 4, 5]


async def test_follow_goes_on_after_any_event(wire: Wire, symbol: str) -> None:
    await wire.submit_batch(*(limit_order(symbol=symbol) for _ in range(7)))
    await place(wire, symbol, 3)
    whole = wire.follow(pb.FollowRequest(start=BEGINNING))
    past = await events_of(whole, 10)
    whole.cancel()
    for n, event in enumerate(past[:-1]):
        call = wire.follow(pb.FollowRequest(start=after(event.cursor)))
        assert await events_of(call, 9 - n) == past[n + 1 :]
        call.cancel()


async def test_live_begins_with_what_happens_next(wire: Wire, symbol: str) -> None:
    await place(wire, symbol, 3)
    call = wire.follow(pb.FollowRequest())
    assert (await read(call)).HasField("opened")
    assert (await read(call)).HasField("caught_up")
    await place(wire, symbol, 1)
    assert [event.seq for event in await events_of(call, 1)] == [4]
    call.cancel()


async def test_a_token_to_read_is_enough(stack: RunningStack, wire: Wire, account: str, symbol: str) -> None:
    async with connect(stack.address, stack.token(account, scopes=("read",))) as reader:
        call = reader.follow(pb.FollowRequest(accounts=[account]))
        assert (await read(call)).HasField("opened")
        await place(wire, symbol, 1)
        assert [event.seq for event in await events_of(call, 1)] == [1]
        call.cancel()


async def test_only_the_named_accounts_are_followed(stack: RunningStack, symbol: str) -> None:
    accounts = [new_account() for _ in range(3)]
    async with connect(stack.address, stack.token(*accounts)) as wire:
        call = wire.follow(pb.FollowRequest(accounts=accounts[:2]))
        assert list((await read(call)).opened.accounts) == accounts[:2]
        await wire.submit_batch(*(limit_order(symbol=symbol, account=name) for name in reversed(accounts)))
        assert [event.order.account for event in await events_of(call, 2)] == [accounts[1], accounts[0]]
        call.cancel()


async def test_silence_is_broken_by_heartbeats(wire: Wire) -> None:
    call = wire.follow(pb.FollowRequest(heartbeat_interval=Duration(seconds=1)))
    kinds = [await read(call) for _ in range(4)]
    call.cancel()
    assert [m.HasField("heartbeat") for m in kinds] == [False, False, True, True]
    assert len(kinds[3].heartbeat.cursors) == 1


async def test_follow_ends_with_its_token(stack: RunningStack, account: str) -> None:
    async with connect(stack.address, stack.token(account, ttl_s=2)) as wire:
        call = wire.follow(pb.FollowRequest())
        messages = []
        while (message := await read(call)) is not grpc.aio.EOF:
            messages.append(message)
        assert await call.code() == grpc.StatusCode.OK
    assert refusal_of(messages[-1].go_away.failure).reason == "UNAUTHENTICATED"
    assert len(messages[-1].go_away.cursors) == 1
