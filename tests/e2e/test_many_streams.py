"""Many streams at once, and several workers behind one port."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ordergate.v1 import admin_service_pb2, command_pb2
from ordergate.v1.admin_service_pb2_grpc import AdminServiceStub

from ..support.stack import RunningStack, _new_home
from ..support.wire import CALL_TIMEOUT_S, Wire, connect, limit_order, new_account
from .probe import open_session

CONNECTIONS, STREAMS = 4, 50
STREAMS_OF_A_CONNECTION = 100
ENGINE, PERSISTED = command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED


async def test_200_streams_at_once_get_their_own_events_only(stack: RunningStack, symbol: str) -> None:
    async def one_stream(wire: Wire, account: str) -> None:
        own = Wire(wire.channel, stack.token(account))
        async with open_session(own) as session:
            opened.release()
            await all_open.wait()
            sent = []
            for _ in range(5):
                commands = [limit_order(symbol=symbol) for _ in range(4)]
                sent += [command.command_id for command in commands]
                await session.send(*commands)
            await session.until_events(20)
            await session.until_acks(20)
            assert [ack.command_id for ack in session.acks] == sent
            assert [event.command_id for event in session.events] == sent
            assert {event.order.account for event in session.events} == {account}
            assert [event.seq for event in session.events] == list(range(1, 21))

    opened, all_open = asyncio.Semaphore(0), asyncio.Event()
    async with contextlib.AsyncExitStack() as connections:
        wires = [await connections.enter_async_context(connect(stack.address, "")) for _ in range(CONNECTIONS)]
        async with asyncio.TaskGroup() as group:
            for wire in wires * STREAMS:
                group.create_task(one_stream(wire, new_account()))
            for _ in range(CONNECTIONS * STREAMS):
                await opened.acquire()
            all_open.set()


async def test_a_connection_carries_100_streams_and_the_next_one_waits(wire: Wire) -> None:
    async with contextlib.AsyncExitStack() as streams:
        first = await streams.enter_async_context(open_session(wire, acks_only=True))
        for _ in range(STREAMS_OF_A_CONNECTION - 1):
            await streams.enter_async_context(open_session(wire, acks_only=True))
        opening = asyncio.create_task(streams.enter_async_context(open_session(wire, acks_only=True)))
        done, _ = await asyncio.wait({opening}, timeout=0.5)
        assert not done
        await first.half_close()
        assert (await opening).welcome.shards == 1


@pytest.fixture(scope="module")
async def two_workers(engine_binary: Path) -> AsyncIterator[RunningStack]:
    """A stack with two workers."""
    running = RunningStack(_new_home(), ("--workers", "2"), {}, engine_binary)
    try:
        await asyncio.to_thread(running.wait_ready)
        yield running
    finally:
        await asyncio.to_thread(running.stop)
        shutil.rmtree(running.home, ignore_errors=True)


async def test_workers_share_everything(two_workers: RunningStack, account: str) -> None:
    token = two_workers.token(account, scopes=("trade", "read", "admin"))
    async with contextlib.AsyncExitStack() as connections:
        by_worker: dict[str, Wire] = {}
        for _ in range(64):  # the kernel spreads connections by chance
            wire = await connections.enter_async_context(connect(two_workers.address, token))
            status = await AdminServiceStub(wire.channel).Status(
                admin_service_pb2.StatusRequest(), metadata=wire.metadata, timeout=CALL_TIMEOUT_S
            )
            by_worker.setdefault(status.worker, wire)
            if len(by_worker) == 2:
                break
        one, two = by_worker.values()
        async with open_session(two) as session:
            sent = []
            for wire in itertools.islice(itertools.cycle([one, two]), 20):
                ack = await wire.submit(limit_order(limit_price="1.00"))
                sent.append(ack.order_id)
                for reader in (one, two):
                    assert (await reader.get_order(order_id=ack.order_id)).order.order_id == ack.order_id
            await session.until_events(20)
        assert [event.order.order_id for event in session.events] == sent
        for level, wire in ((ENGINE, one), (PERSISTED, two), (ENGINE, two), (PERSISTED, one)):
            assert (await wire.submit(limit_order(ack_level=level, limit_price="1.00"))).level == level
