from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from gateway.frames import FrameError
from gateway.ids import order_key
from gateway.streams import LogId
from gateway.tail import TailIndex

from ...unit.events.builder import Told, command_frame

if TYPE_CHECKING:
    from .conftest import Shard

pytestmark = pytest.mark.integration


async def _append(shard: Shard, *orders: tuple[str, str]) -> LogId:
    frame = command_frame(*orders).SerializeToString()
    return LogId.parse(await shard.redis.xadd(shard.keys.commands, {"f": frame, "n": str(len(orders))}))


async def test_all_commands_and_the_last_event_of_an_order_are_found(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)
    first = await _append(shard, ("a", "1"), ("a", "2"))
    second = await _append(shard, ("a", "2"), ("b", "2"), ("a", "2"))
    await shard.publish(Told("a", "2"))
    last = await shard.publish(Told("b", "2"), Told("a", "2"))
    await shard.publish(Told("b", "2"), Told("b", ""))
    await tail.refresh()
    assert tail.command_frames(order_key("a", "2")) == [first, second]
    assert tail.event_frame(order_key("a", "2")) == last
    assert tail.event_frame(order_key("a", "1")) is None
    assert tail.command_frames(order_key("c", "2")) == []


async def test_each_refresh_sees_what_was_appended_before_it(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)

    async def one(number: int) -> None:
        await asyncio.sleep(random.random() / 20)
        frame = await _append(shard, ("a", str(number)))
        await tail.refresh()
        assert tail.command_frames(order_key("a", str(number))) == [frame]

    await asyncio.gather(*(one(n) for n in range(100)))


async def test_askers_at_the_same_time_share_a_reading(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)
    await _append(shard, ("a", "1"))
    await tail.refresh()
    before = (await shard.redis.info("commandstats"))["cmdstat_hmget"]["calls"]
    await asyncio.gather(*(tail.refresh() for _ in range(50)))
    after = (await shard.redis.info("commandstats"))["cmdstat_hmget"]["calls"]
    assert after - before <= 2


async def test_what_postgres_holds_is_let_go_and_not_read(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)
    frames = [await _append(shard, *((f"a{n}", str(m)) for m in range(500))) for n in range(60)]
    await tail.refresh()
    full = sum(len(chunk.keys) for chunk in tail._commands.chunks)
    assert full == 60 * 500 * 16
    await shard.redis.hset(shard.keys.persisted, mapping={"commands": str(frames[-1]), "events": str(frames[-2])})
    await tail.refresh()
    left = sum(len(chunk.keys) for chunk in tail._commands.chunks)
    assert left < full / 2
    assert tail.command_frames(order_key("a59", "499")) == [frames[-1]]
    late = TailIndex(0, shard.redis)
    await late.refresh()
    assert sum(len(chunk.keys) for chunk in late._commands.chunks) == 500 * 16
    await shard.redis.hset(shard.keys.persisted, "events", str(frames[-1]))
    await tail.refresh()
    assert not tail._commands.chunks


async def test_commands_stay_in_the_tail_until_postgres_holds_what_became_of_them(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)
    frame = await _append(shard, ("a", "1"))
    await shard.redis.hset(shard.keys.persisted, mapping={"commands": str(frame), "events": "0-0"})
    await tail.refresh()
    assert tail.command_frames(order_key("a", "1")) == [frame]


async def test_a_long_tail_is_read_in_pages_to_its_end(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)
    pipe = shard.redis.pipeline(transaction=False)
    for number in range(3_000):
        pipe.xadd(shard.keys.commands, {"f": command_frame(("a", str(number))).SerializeToString()})
    ids = [LogId.parse(raw) for raw in await pipe.execute()]
    await tail.refresh()
    for number in (0, 1, 1_500, 2_999):
        assert tail.command_frames(order_key("a", str(number))) == [ids[number]]


async def test_a_failed_reading_is_not_taken_for_one(shard: Shard, redis_server) -> None:
    tail = TailIndex(0, shard.redis)
    frame = await _append(shard, ("a", "1"))
    redis_server.kill()
    results = await asyncio.gather(*(tail.refresh() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, (RedisError, OSError)) for result in results)
    redis_server.restart()
    await tail.refresh()
    assert tail.command_frames(order_key("a", "1")) == [frame]


async def test_an_entry_that_cant_be_read_is_said(shard: Shard) -> None:
    tail = TailIndex(0, shard.redis)
    await shard.publish(raw=b"\xff")
    with pytest.raises(FrameError):
        await tail.refresh()
