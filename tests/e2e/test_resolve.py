"""What became of a command, and the fence that makes it final: over the whole stack."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.client import OrderClient, Outcome, OutcomeUnknown, Reason, Rejected, Side
from ordergate.v1 import command_pb2, event_pb2, order_pb2
from ordergate.v1 import order_events_service_pb2 as ev

from ..support.stack import RunningStack
from ..support.wire import Wire, cancel_order, connect, limit_order, new_account, new_id, refusal_of, refused

ENGINE, PERSISTED = command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED
KEY = order_pb2.OrderKey


def _commands(symbol: str) -> list[command_pb2.Command]:
    """An order, and commands of each other kind about it: some that are done, some that are refused."""
    order = limit_order(symbol=symbol)
    key = KEY(client_order_id=order.command_id)
    nothing = KEY(client_order_id="nothing")
    rest = [
        {"amend_order": command_pb2.AmendOrder(order=key, quantity="3", limit_price="9")},
        {"amend_order": command_pb2.AmendOrder(order=nothing, quantity="3")},
        {"cancel_order": command_pb2.CancelOrder(order=nothing)},
        {"mass_cancel": command_pb2.MassCancel(symbol=symbol, tag="none")},
        {"cancel_order": command_pb2.CancelOrder(order=key)},
        {"cancel_order": command_pb2.CancelOrder(order=key, expected_version=7)},
    ]
    refused_order = limit_order(symbol=symbol, limit_price="2000000", post_only=True)
    return [order, *(command_pb2.Command(command_id=new_id(), **body) for body in rest), refused_order]


async def _persisted(wire: Wire, command_id: str) -> command_pb2.Ack:
    async with asyncio.timeout(60):
        while True:
            ack = await wire.resolve(command_id)
            if ack.level == PERSISTED:
                return ack
            await asyncio.sleep(0.05)


async def test_every_kind_of_command_is_resolved_as_it_was_acknowledged(wire: Wire, symbol: str) -> None:
    commands = [c for c in _commands(symbol) if c.new_order.limit_price != "2000000"]
    for command in commands:
        command.ack_level = ENGINE
    acks = [await wire.submit(command) for command in commands]
    assert {ack.failure.reason for ack in acks} >= {0, 16, 17}
    for resolve in (wire.resolve, lambda command_id: _persisted(wire, command_id)):
        for ack in acks:
            found = await resolve(ack.command_id)
            assert found.level >= ENGINE
            assert found.failure.reason == ack.failure.reason
            assert found.failure.disposition == ack.failure.disposition
            for name in ("account", "order_id", "position", "received_at", "queued_at", "engine_at", "duplicate"):
                assert getattr(found, name) == getattr(ack, name), name
            assert found.order.status in {0, order_pb2.ORDER_STATUS_CANCELED}


async def test_the_first_of_several_commands_with_an_id_is_told(wire: Wire, symbol: str) -> None:
    order = limit_order(symbol=symbol, ack_level=ENGINE)
    first = await wire.submit(order)
    for _ in range(2):
        assert (await wire.submit(order)).duplicate
        other = limit_order(symbol=symbol, command_id=order.command_id, quantity="5", ack_level=ENGINE)
        assert refusal_of((await wire.submit(other)).failure).reason == "ID_CONFLICT"
        found = await wire.resolve(order.command_id, fence=True)
        assert (found.position, found.duplicate, found.HasField("failure")) == (first.position, False, False)
        await _persisted(wire, order.command_id)


async def test_a_command_that_nobody_sent_is_unknown_until_it_is_fenced(wire: Wire, symbol: str) -> None:
    order = limit_order(symbol=symbol, ack_level=ENGINE)
    cancel = cancel_order("00000000-0000-8000-8000-000000000000", ack_level=ENGINE)
    for command in (order, cancel):
        before = await wire.resolve(command.command_id)
        assert (before.level, refusal_of(before.failure).disposition) == (0, "UNKNOWN")
        fenced = await wire.resolve(command.command_id, fence=True)
        assert (refusal_of(fenced.failure).reason, refusal_of(fenced.failure).disposition) == ("FENCED", "NOT_APPLIED")
        assert fenced.level >= ENGINE
        late = await wire.submit(command)
        assert (refusal_of(late.failure).reason, late.level) == ("FENCED", ENGINE)
        again = await wire.resolve(command.command_id, fence=True)
        assert again.position == fenced.position
        stored = await _persisted(wire, command.command_id)
        assert refusal_of(stored.failure).reason == "FENCED"
    row = await wire.get_order(client_order_id=order.command_id)
    assert (row.order.status, row.order.reject_reason) == (order_pb2.ORDER_STATUS_REJECTED, 20)


async def test_a_fence_that_races_with_its_command_leaves_one_truth(
    wire: Wire, stack: RunningStack, symbol: str
) -> None:
    async def race(number: int) -> tuple[bool, bool]:
        command = limit_order(symbol=symbol, ack_level=ENGINE)
        async with connect(stack.address, "") as second:
            second.metadata = wire.metadata
            calls = [wire.submit(command), second.resolve(command.command_id, fence=True)]
            ack, found = await asyncio.gather(*(calls if number % 2 else reversed(calls)))
        if not number % 2:
            ack, found = found, ack
        assert (await wire.resolve(command.command_id)).failure.reason in {0, 20}
        return ack.failure.reason == 20, found.failure.reason == 20

    for outcomes in await asyncio.gather(*(race(number) for number in range(40))):
        assert outcomes[0] == outcomes[1], "the order was refused if and only if the fence holds"


async def test_the_account_is_told_of_the_fence(wire: Wire) -> None:
    stream = wire.follow(ev.FollowRequest())
    assert (await stream.read()).HasField("opened")
    command_id = new_id()
    await wire.resolve(command_id, fence=True)
    while not (events := (await stream.read()).events):
        pass
    assert [(e.kind, e.command_id) for e in events] == [(event_pb2.EVENT_KIND_FENCED, command_id)]
    stream.cancel()


async def test_anothers_command_is_not_told_and_not_fenced(wire: Wire, other: Wire, account: str, symbol: str) -> None:
    ack = await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE))
    assert (await other.resolve(ack.command_id)).level == 0
    assert refusal_of((await other.resolve(ack.command_id, fence=True)).failure).reason == "FENCED"
    assert not (await wire.resolve(ack.command_id)).HasField("failure")
    assert (await refused(other.resolve(ack.command_id, account=account))).reason == "PERMISSION"
    assert (await refused(other.resolve(""))).field == "command_id"


async def test_a_reader_may_ask_and_not_fence(stack: RunningStack) -> None:
    async with connect(stack.address, stack.token(new_account(), scopes=("read",))) as reader:
        assert (await reader.resolve("x")).level == 0
        assert (await refused(reader.resolve("x", fence=True))).reason == "PERMISSION"


async def test_the_sdk_settles_what_is_unknown(stack: RunningStack, symbol: str) -> None:
    async with OrderClient(stack.address, token=stack.token(new_account())) as client:
        ack = await client.submit(symbol=symbol, side=Side.BUY, quantity="1", price="10")
        applied = await client.settle(ack.command_id)
        assert (applied.outcome, applied.final, applied.ack.order_id) == (Outcome.APPLIED, True, ack.order_id)
        assert (await client.resolve("never")).outcome == Outcome.NOT_SEEN
        async with client.session() as session:
            fenced = await session.settle("never")
            assert (fenced.outcome, fenced.final) == (Outcome.FENCED, True)
            with pytest.raises(Rejected) as caught:
                await session.submit(
                    symbol=symbol, side=Side.BUY, quantity="1", price="10", command_id="never", ack_level=2
                )
        assert caught.value.reason == Reason.FENCED


async def test_without_an_engine_nothing_is_called_final(door: Wire, account: str, gateway, symbol: str) -> None:
    order = limit_order()
    ack = await door.submit(order)
    found = await door.resolve(order.command_id, fence=True)
    assert (found.level, found.position) == (command_pb2.ACK_LEVEL_QUEUED, ack.position)
    # Postgres is away: whether it was never seen can't be known.
    unsure = await refused(door.resolve("never", fence=True))
    assert (unsure.code, unsure.disposition) == ("UNAVAILABLE", "UNKNOWN")
    async with OrderClient(gateway.address, token=gateway.token(account), timeout_s=1) as client:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            await client.settle(order.command_id, give_up_after_s=1)
        assert time.monotonic() - began < 20
