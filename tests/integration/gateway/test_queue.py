"""The command queue against a real Redis: order, group commit, and what it says when Redis fails in each way."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis.asyncio

from gateway import errors
from gateway.ids import key_text, order_key
from gateway.queue import CommandQueue
from gateway.readiness import brake_s
from gateway.redis_client import open_producer
from gateway.rows import CANCEL_ORDER, NEW_ORDER
from gateway.settings import Settings
from gateway.streams import Keys, LogId
from gateway.wire import Prepared
from ordergate.log.v1 import command_frame_pb2 as log

pytestmark = pytest.mark.integration


@dataclass
class Told:
    """A submission that remembers what it was told."""

    commands: list[Prepared]
    places: list[tuple[LogId, int]] = field(default_factory=list)
    errors: list[errors.OrdergateError] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def stored(self, place: LogId, first: int, queued_ns: int) -> None:
        assert queued_ns % 1000 == 0
        self.places.append((place, first))
        self.done.set()

    def refused(self, error: errors.OrdergateError) -> None:
        self.errors.append(error)
        self.done.set()


def submission(first: int, count: int = 1) -> Told:
    return Told([command(n) for n in range(first, first + count)])


def command(n: int) -> Prepared:
    key = order_key("A", f"c{n}")
    body = ("ACME", 1, 1, 1, 0, 100, 1)
    return Prepared(NEW_ORDER, key, f"c{n}", "A", 1_000_000, 1, 0, 0, key_text(key), body)


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def make_queue(redis_url: str) -> AsyncIterator[Callable[..., CommandQueue]]:
    tasks: list[tuple[CommandQueue, asyncio.Task[None]]] = []

    def make(**options: Any) -> CommandQueue:
        settings = Settings(redis_url=redis_url, append_timeout_s=options.pop("timeout_s", 0.5))
        given = {"origin": "w", "flush_commands_max": 100, "waiting_commands_max": 1000, **options}
        name = f"queue-{len(tasks)}"
        queue = CommandQueue(0, lambda: open_producer(settings, name), **given)
        tasks.append((queue, asyncio.create_task(queue.run())))
        return queue

    yield make
    for queue, task in tasks:
        queue.stop()
        await asyncio.wait_for(task, 10)


async def logged(client: redis.asyncio.Redis) -> list[tuple[LogId, list[str]]]:
    """Ids of the frames in the log, and the command ids in each."""
    entries = await client.xrange(Keys(0).commands)
    return [(LogId.parse(i), list(log.CommandFrame.FromString(f[b"f"]).command_ids)) for i, f in entries]


async def test_each_submission_is_told_where_it_stands(
    make_queue: Callable[..., CommandQueue], redis_client: redis.asyncio.Redis
) -> None:
    queue = make_queue()
    told = [submission(10 * n, 3) for n in range(20)]
    for one in told:
        queue.submit(one)
    for one in told:
        await one.done.wait()
    frames = dict(await logged(redis_client))
    for one in told:
        ((place, first),) = one.places
        assert frames[place][first : first + 3] == [c.command_id for c in one.commands]
    assert sum(len(ids) for ids in frames.values()) == 60
    assert queue.last == max(frames)


async def test_what_waits_joins_one_append_and_keeps_its_order(
    make_queue: Callable[..., CommandQueue], redis_client: redis.asyncio.Redis
) -> None:
    queue = make_queue(flush_commands_max=40)
    told = [submission(n) for n in range(200)]
    for one in told:
        queue.submit(one)
    await told[-1].done.wait()
    frames = await logged(redis_client)
    assert [i for _, ids in frames for i in ids] == [f"c{n}" for n in range(200)]
    assert len(frames) == queue.appends == 5
    assert all(len(ids) == 40 for _, ids in frames)


async def test_a_redis_that_does_not_answer_makes_the_outcome_unknown_and_keeps_the_order(
    make_queue: Callable[..., CommandQueue], redis_client: redis.asyncio.Redis, redis_server: Any
) -> None:
    queue = make_queue()
    before = submission(0)
    queue.submit(before)
    await before.done.wait()
    os.kill(redis_server.process.pid, signal.SIGSTOP)
    try:
        stuck, later = submission(1), submission(2)
        queue.submit(stuck)
        await asyncio.sleep(0.1)
        queue.submit(later)
        await stuck.done.wait()
        assert stuck.errors[0].disposition == errors.UNKNOWN
        assert not later.places
    finally:
        os.kill(redis_server.process.pid, signal.SIGCONT)
    await later.done.wait()
    after = submission(3)
    while not after.places:  # until Redis is reached again
        after = submission(3)
        queue.submit(after)
        await after.done.wait()
    ids = [i for _, part in await logged(redis_client) for i in part]
    assert ids in (["c0", "c1", "c3"], ["c0", "c3"], ["c0", "c1", "c2", "c3"], ["c0", "c2", "c3"])
    assert ("c2" in ids) == bool(later.places)
    if later.errors:
        assert later.errors[0].disposition == errors.NOT_APPLIED


async def test_a_killed_redis_gives_unknown_or_not_applied_and_never_a_lost_ack(
    make_queue: Callable[..., CommandQueue], redis_client: redis.asyncio.Redis, redis_server: Any
) -> None:
    queue = make_queue()
    told: list[Told] = []

    async def load() -> None:
        for n in range(100_000):
            if stop.is_set():
                return
            told.append(submission(n))
            queue.submit(told[-1])
            await asyncio.sleep(0)

    stop = asyncio.Event()
    loading = asyncio.create_task(load())
    await asyncio.sleep(0.3)
    redis_server.kill()
    await asyncio.sleep(0.2)
    await asyncio.to_thread(redis_server.restart)
    await asyncio.sleep(0.5)
    stop.set()
    await loading
    await queue.idle()
    assert all(one.done.is_set() for one in told)
    ids = [i for _, part in await logged(redis_client) for i in part]
    assert len(ids) == len(set(ids))
    acked = {one.commands[0].command_id for one in told if one.places}
    refused = {one.commands[0].command_id for one in told if one.errors and one.errors[0].disposition != errors.UNKNOWN}
    assert acked <= set(ids)
    assert not refused & set(ids)
    assert refused or any(one.errors for one in told)
    numbers = [int(i[1:]) for i in ids]
    assert numbers == sorted(numbers)


async def test_out_of_memory_is_queue_full_and_nothing_is_stored(
    make_queue: Callable[..., CommandQueue], redis_client: redis.asyncio.Redis
) -> None:
    queue = make_queue()
    await redis_client.config_set("maxmemory", "1mb")
    full = submission(0)
    queue.submit(full)
    await full.done.wait()
    assert isinstance(full.errors[0], errors.QueueFull)
    assert full.errors[0].disposition == errors.NOT_APPLIED
    await redis_client.config_set("maxmemory", "512mb")
    assert await logged(redis_client) == []
    good = submission(1)
    queue.submit(good)
    await good.done.wait()
    assert good.places


async def test_a_queue_marked_full_refuses_at_once(make_queue: Callable[..., CommandQueue]) -> None:
    queue = make_queue()
    queue.full = "full up"
    one = submission(0)
    queue.submit(one)
    assert one.errors[0].text == "full up"


async def test_the_reserve_of_a_full_queue_is_for_what_takes_risk_off(make_queue: Callable[..., CommandQueue]) -> None:
    queue = make_queue()
    queue.full, queue.reserved = "full up", True
    cancel = command(1)._replace(kind=CANCEL_ORDER, body=bytes(16))
    taken, mixed = Told([cancel]), Told([cancel, command(2)])
    for one in (taken, mixed):
        queue.submit(one)
        await one.done.wait()
    assert taken.places
    assert isinstance(mixed.errors[0], errors.QueueFull), "together or not at all"
    queue.reserved = False
    late = Told([cancel])
    queue.submit(late)
    assert isinstance(late.errors[0], errors.QueueFull)


async def test_a_queue_that_fills_up_takes_commands_more_slowly(make_queue: Callable[..., CommandQueue]) -> None:
    """And answers each as soon as it is stored, the pause comes after."""
    queue = make_queue(flush_commands_max=2)
    queue.brake_s = 0.05
    loop = asyncio.get_running_loop()
    told = [submission(10 * n, 2) for n in range(3)]
    began = loop.time()
    for one in told:
        queue.submit(one)
    await told[0].done.wait()
    first = loop.time() - began
    await told[2].done.wait()
    last = loop.time() - began
    assert first < 0.1 <= 2 * 2 * queue.brake_s <= last
    queue.stop()
    began = loop.time()
    await queue.idle()
    assert loop.time() - began < 2 * queue.brake_s + 0.05


@pytest.mark.parametrize(
    ("used", "pause_ms"), [(0, 0.0), (594, 0.0), (595, 0.0), (680, 1 / 3), (765, 2 / 3), (850, 1.0), (990, 1.0)]
)
def test_the_brake_begins_at_seven_tenths_of_the_limit(used: int, pause_ms: float) -> None:
    assert brake_s(used, 850) == pytest.approx(pause_ms / 1000, abs=1e-6)


async def test_settled_waits_for_the_append_that_is_under_way(make_queue: Callable[..., CommandQueue]) -> None:
    queue = make_queue()
    await queue.settled(LogId(2**60, 0))  # nothing under way: at once
    one = submission(0)
    queue.submit(one)
    while queue._in_flight is None:  # noqa: ASYNC110 - the loop has to turn
        await asyncio.sleep(0)
    assert not one.places
    await queue.settled(LogId(2**60, 0))
    assert one.places


async def test_room_is_closed_while_too_many_wait(make_queue: Callable[..., CommandQueue]) -> None:
    queue = make_queue(waiting_commands_max=10)
    for n in range(10):
        queue.submit(submission(n))
    assert not queue._room.is_set()
    await asyncio.wait_for(queue.room(), 5)


async def test_stop_answers_what_waits_and_refuses_what_comes(
    make_queue: Callable[..., CommandQueue], redis_client: redis.asyncio.Redis
) -> None:
    queue = make_queue()
    one, late = submission(0, 5), submission(9)
    queue.submit(one)
    queue.stop()
    queue.submit(late)
    assert isinstance(late.errors[0], errors.Draining)
    await one.done.wait()
    assert [ids for _, ids in await logged(redis_client)] == [[f"c{n}" for n in range(5)]]
