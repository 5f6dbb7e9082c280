"""Relay and engine as processes of their own, killed, frozen and started again in the middle of the flow."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from gateway.engine import EngineChannels
from gateway.stack.process import Process, Program
from gateway.stack.services import engine_program
from gateway.wire import command_frame
from ordergate.log.v1.event_frame_pb2 import EventFrame
from ordergate.v1 import event_pb2
from ordergate.v1 import order_pb2 as pb
from tests.integration.relay.conftest import INSTRUMENTS, KEYS, event_ids, eventually, published, relaying, reported
from tests.integration.relay.order_flow import OrderFlow, new_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from gateway.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(engine_binary: Path, short_path: Path) -> Iterator[Process]:
    socket, data, log = short_path / "engine.sock", short_path / "engine", short_path / "engine.log"
    process = Process(engine_program(engine_binary, socket, INSTRUMENTS, data, log))
    process.start()
    process.wait_ready()
    yield process
    process.stop()


@pytest.fixture
def new_relay(settings: Settings, short_path: Path) -> Iterator[Callable[[], Process]]:
    """Starts relay processes; ended after the test."""
    made: list[Process] = []
    env = dict(os.environ) | {
        "ORDERGATE_REDIS_URL": settings.redis_url,
        "ORDERGATE_ENGINE": settings.engine,
        "ORDERGATE_INSTRUMENTS": str(INSTRUMENTS),
        "ORDERGATE_LEASE_TTL_MS": "2000",
        "ORDERGATE_RELAY_WINDOW_FRAMES": "16",
    }

    def start() -> Process:
        argv = [sys.executable, "-m", "gateway.app", "relay"]
        log = short_path / f"relay{len(made)}.log"
        made.append(Process(Program("relay", argv, log, lambda: True, env=env)))
        made[-1].start()
        return made[-1]

    yield start
    for process in made:
        process.kill()


async def restart(process: Process) -> None:
    process.kill()
    process.start()
    process.wait_ready()


async def all_published(client: Redis) -> bool:
    return await client.xlen(KEYS.commands) == await client.xlen(KEYS.events)


async def is_level(client: Redis) -> bool:
    return (await reported(client)).get("engine") == "level"


def assert_dense(frames: list[bytes]) -> int:
    """Every account's events are numbered 1, 2, 3, … over all frames; how many there are."""
    seqs = defaultdict(list)
    for raw in frames:
        frame = EventFrame.FromString(raw)
        for index, seq in zip(frame.account_index, frame.seqs, strict=True):
            seqs[frame.accounts[index]].append(seq)
    for account, found in seqs.items():
        assert found == list(range(1, len(found) + 1)), account
    return sum(map(len, seqs.values()))


async def state_hash(settings: Settings) -> str:
    async with EngineChannels(settings.engine, 1) as channels:
        return (await channels.status(timeout_s=5, state_hash=True)).state_hash


async def test_the_engines_events_are_published_under_the_ids_of_their_frames(settings, client, engine):
    flow = OrderFlow()
    async with relaying(settings):
        ids = await flow.append(client, 30)
        await eventually(lambda: all_published(client))
    assert await event_ids(client) == ids
    frames = await published(client)
    assert assert_dense([frame for _, frame, _ in frames]) > 600
    assert all(EventFrame.FromString(frame).engine_time_ns == int(time_ns) for _, frame, time_ns in frames)
    counts = [int(fields[b"n"]) for _, fields in await client.xrange(KEYS.events)]
    assert counts == [len(EventFrame.FromString(frame).kinds) for _, frame, _ in frames]


async def test_orders_that_ended_are_cached_and_open_ones_are_not(settings, client, engine):
    orders = [
        new_order("alice", "maker", pb.SIDE_SELL, 10_000, 10),
        new_order("bob", "taker", pb.SIDE_BUY, 10_000, 10),
        new_order("bob", "resting", pb.SIDE_BUY, 9_000, 10),
    ]
    async with relaying(settings):
        await client.xadd(KEYS.commands, {"f": command_frame(orders, time.time_ns(), "test"), "n": 3})
        await eventually(lambda: client.exists(KEYS.order(_text(orders[1].key))))
    maker, taker, resting = [await client.get(KEYS.order(_text(order.key))) for order in orders]
    assert resting is None
    for raw, command_id in ((maker, "maker"), (taker, "taker")):
        order = pb.Order.FromString(raw)
        assert (order.client_order_id, order.status) == (command_id, pb.ORDER_STATUS_FILLED)
        assert order.executed_quantity == "10"
    assert 0 < await client.ttl(KEYS.order(_text(orders[0].key))) <= settings.cache_ttl_s


def _text(key: bytes) -> str:
    h = key.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


async def more_connections(client: Redis, than: int) -> bool:
    return len(await client.client_list()) > than


async def test_a_standby_takes_over_from_a_killed_relay_within_three_seconds(settings, client, engine, new_relay):
    first, flow = new_relay(), OrderFlow()
    await eventually(lambda: is_level(client), 20)
    ids = await flow.append(client, 50)
    connections = len(await client.client_list())
    new_relay()
    await eventually(lambda: more_connections(client, connections), 30)  # the standby has started and waits
    flowing = asyncio.create_task(flow.append(client, 300))
    await asyncio.sleep(0.1)
    first.kill()
    killed_at = time.monotonic()
    epoch = int(await client.get(KEYS.epoch))
    await eventually(lambda: epoch_above(client, epoch), 10)
    assert time.monotonic() - killed_at < 3.0
    ids += await flowing
    await eventually(lambda: all_published(client))
    assert await event_ids(client) == ids
    assert_dense([frame for _, frame, _ in await published(client)])


async def epoch_above(client: Redis, epoch: int) -> bool:
    return int(await client.get(KEYS.epoch)) > epoch


async def test_a_relay_killed_again_and_again_neither_loses_nor_repeats_an_event(settings, client, engine, new_relay):
    flow, ids = OrderFlow(), []
    for _ in range(4):
        relay = new_relay()
        await eventually(lambda: is_level(client), 20)
        flowing = asyncio.create_task(flow.append(client, 150))
        await asyncio.sleep(0.06)
        assert not flowing.done()
        relay.kill()
        ids += await flowing
        await client.delete(KEYS.lease, KEYS.relay)  # saves the wait for the lease of the dead
    new_relay()
    await eventually(lambda: all_published(client), 20)
    assert await event_ids(client) == ids
    assert_dense([frame for _, frame, _ in await published(client)])


async def test_a_relay_that_was_frozen_past_its_lease_does_no_harm(settings, client, engine, new_relay):
    flow, ids = OrderFlow(), []
    new_relay()
    new_relay()
    await eventually(lambda: is_level(client), 20)
    await asyncio.sleep(2.0)
    for _ in range(2):
        frozen = int((await client.get(KEYS.lease)).split(b"-")[-2])
        flowing = asyncio.create_task(flow.append(client, 300))
        await asyncio.sleep(0.05)
        assert not flowing.done()
        os.kill(frozen, signal.SIGSTOP)
        ids += await flowing
        await eventually(lambda: all_published(client), 10)
        flowing = asyncio.create_task(flow.append(client, 300))
        os.kill(frozen, signal.SIGCONT)
        ids += await flowing
        await eventually(lambda: all_published(client), 10)
    assert await event_ids(client) == ids
    assert_dense([frame for _, frame, _ in await published(client)])


async def test_a_killed_engine_is_rebuilt_from_the_log_as_it_was(settings, client, engine):
    flow, ids = OrderFlow(), []
    async with relaying(settings):
        for _ in range(3):
            flowing = asyncio.create_task(flow.append(client, 150))
            await asyncio.sleep(0.05)
            assert not flowing.done()
            before = await published(client)
            await restart(engine)
            ids += await flowing
            await eventually(lambda: all_published(client), 20)
            assert (await published(client))[: len(before)] == before
        events, hash_before = await published(client), await state_hash(settings)
        await restart(engine)
        await eventually(lambda: rebuilt(settings, ids[-1].decode()), 20)
        assert await state_hash(settings) == hash_before
        await eventually(lambda: is_level(client))
        assert await published(client) == events
        ids += await flow.append(client, 10)
        await eventually(lambda: all_published(client))
    assert await event_ids(client) == ids
    assert_dense([frame for _, frame, _ in await published(client)])


async def rebuilt(settings: Settings, last: str) -> bool:
    async with EngineChannels(settings.engine, 1) as channels:
        applied = (await channels.status(timeout_s=5)).last_applied
    return f"{applied.ms}-{applied.seq}" == last


async def test_a_frozen_engine_is_reported_and_goes_on_where_it_was(settings, client, engine):
    flow = OrderFlow()
    async with relaying(settings):
        await eventually(lambda: is_level(client))
        os.kill(engine.pid, signal.SIGSTOP)
        ids = await flow.append(client, 60)
        await eventually(lambda: engine_is_down(client))
        os.kill(engine.pid, signal.SIGCONT)
        await eventually(lambda: all_published(client))
        await eventually(lambda: is_level(client))
    assert await event_ids(client) == ids


async def engine_is_down(client: Redis) -> bool:
    return (await reported(client)).get("engine") == "down"


async def test_a_frame_that_the_engine_cannot_read_stops_the_way_and_says_so(settings, client, engine):
    flow = OrderFlow()
    async with relaying(settings):
        ids = await flow.append(client, 3)
        bad = await client.xadd(KEYS.commands, {"f": b"\xff\xff\xff", "n": 1})
        await flow.append(client, 3)
        await eventually(lambda: engine_is_down(client))
        assert "INVALID_ARGUMENT" in (await reported(client))["reason"]
        await asyncio.sleep(0.5)
        assert await event_ids(client) == ids
    assert bad not in await event_ids(client)


async def test_a_killed_redis_keeps_what_it_has_acknowledged(settings, client, engine, redis_server):
    flow = OrderFlow()
    async with relaying(settings):
        ids = await flow.append(client, 50)
        redis_server.kill()
        await asyncio.to_thread(redis_server.restart)
        ids += await flow.append(client, 50)
        await eventually(lambda: all_published(client))
    assert await event_ids(client) == ids
    frames = [frame for _, frame, _ in await published(client)]
    assert assert_dense(frames)
    assert any(event_pb2.EVENT_KIND_FILL in EventFrame.FromString(frame).kinds for frame in frames)
