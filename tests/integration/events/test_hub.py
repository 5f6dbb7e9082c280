from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.errors import AckTimeout, Internal
from gateway.hub import Hub
from gateway.redis_client import open_commands, open_reader
from gateway.settings import Settings
from gateway.streams import LogId
from ordergate.v1 import failure_pb2

from ...unit.events.builder import FILL, Told
from .conftest import Archive, Shard, running_hub, until
from .reader import reading

pytestmark = pytest.mark.integration


async def test_each_feed_gets_the_events_of_its_accounts_and_no_others(shard: Shard) -> None:
    async with (
        reading(shard, accounts={"a"}) as a,
        reading(shard, accounts={"b"}) as b,
        reading(shard, accounts={"a", "c"}) as ac,
        reading(shard, accounts={"nobody"}) as nobody,
    ):
        await until(lambda: all(r.feed.caught_up for r in (a, b, ac, nobody)))
        await shard.publish(Told("a", "1"), Told("b", "2"), Told("c", "3"), Told("a", "4"))
        await shard.publish(Told("b", "5"))
        await shard.seen()
        for reader in (a, b, ac, nobody):
            reader.take()
        assert a.orders() == ["1", "4"]
        assert b.orders() == ["2", "5"]
        assert ac.orders() == ["1", "3", "4"]
        assert nobody.orders() == []
        assert [e.cursor for e in ac.events] == [f"0:{LogId(1001, 0)}:{n}" for n in (0, 2, 3)]


async def test_a_hub_starts_at_the_end_of_the_stream(redis_url: str, shard: Shard) -> None:
    await shard.publish(Told("a", "old"))
    async with running_hub(redis_url, 0) as late, reading(late, accounts={"a"}) as reader:
        assert late.hub.position == shard.last
        await shard.publish(Told("a", "new"))
        await reader.read(1)
        assert reader.orders() == ["new"]


async def test_a_hub_that_ends_between_two_reads_closes_its_connection(redis_url: str) -> None:
    """It was left to the garbage collector; a read that is cancelled is closed by redis-py itself."""
    asked = asyncio.Event()

    async def never_settled(_: LogId) -> None:
        asked.set()
        await asyncio.Event().wait()

    settings = Settings(redis_url=redis_url)
    async with open_commands(settings) as redis:
        reader = open_reader(settings)
        hub = Hub(0, reader, never_settled, reader=redis)
        running = asyncio.create_task(hub.run())
        await hub.started.wait()
        await Shard(redis, hub).publish(Told("a", "1"))
        await asked.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        pool = reader.connection_pool
        assert not [c for c in (*pool._available_connections, *pool._in_use_connections) if c.is_connected]


async def test_no_event_is_handed_out_before_the_appends_are_settled(redis_url: str) -> None:
    gate, asked = asyncio.Event(), []

    async def settled(seen: LogId) -> None:
        asked.append(seen)
        await gate.wait()

    async with running_hub(redis_url, 0, settled) as shard, reading(shard, accounts={"a"}) as reader:
        frame = await shard.publish(Told("a", "1"))
        await until(lambda: asked == [frame])
        await asyncio.sleep(0.05)
        assert reader.take() == b""
        gate.set()
        await reader.read(1)


async def test_a_verdict_is_told_before_the_events_of_its_frame(shard: Shard) -> None:
    async with reading(shard, accounts={"a"}) as reader:
        await until(lambda: reader.feed.caught_up)
        seen: list[str] = []
        verdict = shard.hub.verdict(LogId(1001, 0), 1)
        verdict.add_done_callback(lambda _: seen.append("verdict"))
        reader.wake.clear()

        async def stream() -> None:
            await reader.wake.wait()
            seen.append("events")

        task = asyncio.create_task(stream())
        await asyncio.sleep(0)
        await shard.publish(Told("a", "0"), Told("a", "1", command=1), Told("a", "1", FILL, 1, executed=5))
        result = await verdict
        await task
        assert result.order is not None
        assert (result.order.client_order_id, result.order.last_event_seq) == ("1", 3)
        assert seen == ["verdict", "events"]


async def test_a_verdict_that_went_by_is_read_from_the_log(shard: Shard) -> None:
    first = await shard.publish(Told("a", "0", reason=failure_pb2.REASON_STALE))
    await shard.publish(Told("a", "1"))
    await shard.seen()
    verdict = await asyncio.wait_for(shard.hub.verdict(first, 0), 2)
    assert verdict.reason == failure_pb2.REASON_STALE


async def test_verdicts_that_will_never_come_fail(shard: Shard) -> None:
    frame = await shard.publish(Told("a", "0"))
    await shard.seen()
    with pytest.raises(AckTimeout):
        await asyncio.wait_for(shard.hub.verdict(LogId(7, 7), 0), 2)
    with pytest.raises(Internal):
        await asyncio.wait_for(shard.hub.verdict(frame, 5), 2)


async def test_a_verdict_nobody_waits_for_any_more_is_forgotten(shard: Shard) -> None:
    kept, given_up = shard.hub.verdict(LogId(1001, 0), 0), shard.hub.verdict(LogId(1001, 0), 1)
    shard.hub.cancel_verdict(LogId(1001, 0), 1)
    shard.hub.verdict(LogId(1002, 0), 0)
    shard.hub.cancel_verdict(LogId(1002, 0), 0)
    await shard.publish(Told("a", "0"), Told("a", "1", command=1))
    assert (await asyncio.wait_for(kept, 2)).order is not None
    assert given_up.cancelled()
    await shard.publish(Told("a", "2"))
    await shard.seen()
    assert not shard.hub._desk._waiting


async def test_persisted_is_waited_for_by_all_with_one_question_at_a_time(shard: Shard) -> None:
    first = await shard.publish(Told("a", "0"))
    second = await shard.publish(Told("a", "1"))
    waits = [asyncio.create_task(shard.hub.wait_persisted(frame)) for frame in (first, first, second)]
    await asyncio.sleep(0.05)
    assert not any(wait.done() for wait in waits)
    before = (await shard.redis.info("commandstats"))["cmdstat_hget"]["calls"]
    await asyncio.sleep(0.2)
    after = (await shard.redis.info("commandstats"))["cmdstat_hget"]["calls"]
    assert 1 <= after - before <= 12
    await shard.redis.hset(shard.keys.persisted, "events", str(first))
    await asyncio.wait_for(asyncio.gather(*waits[:2]), 1)
    assert not waits[2].done()
    await shard.redis.hset(shard.keys.persisted, "events", str(second))
    await asyncio.wait_for(waits[2], 1)
    quiet = (await shard.redis.info("commandstats"))["cmdstat_hget"]["calls"]
    await asyncio.sleep(0.1)
    assert (await shard.redis.info("commandstats"))["cmdstat_hget"]["calls"] == quiet


async def test_a_frame_that_cant_be_read_ends_feeds_before_it_and_only_those(shard: Shard) -> None:
    async with reading(shard, accounts={"a"}) as before:
        await until(lambda: before.feed.caught_up)
        good = await shard.publish(Told("a", "1"))
        await shard.publish(raw=b"\xff\xff")
        await before.read(2)
        assert before.orders() == ["1"]
        assert before.feed.failure is not None
        assert before.feed.failure.reason == failure_pb2.REASON_INTERNAL
        assert before.feed.cursors() == [f"0:{good}:4294967295"]
    async with reading(shard, accounts={"a"}) as after:
        await shard.publish(Told("a", "2"))
        await after.read(1)
        assert after.orders() == ["2"]
    assert shard.hub.healthy


async def test_events_go_on_after_redis_was_away(redis_server, redis_url: str) -> None:
    async with running_hub(redis_url, 0) as shard, reading(shard, accounts={"a"}) as reader:
        await shard.publish(Told("a", "1"))
        await reader.read(1)
        redis_server.kill()
        await until(lambda: not shard.hub.healthy)
        redis_server.restart()
        await shard.publish(Told("a", "2"))
        await reader.read(2)
        assert reader.orders() == ["1", "2"]
        assert shard.hub.healthy


async def test_a_hub_that_missed_trimmed_events_lets_its_feeds_know(shard: Shard, archive: Archive) -> None:
    async with reading(shard, accounts={"a"}, database=archive.database) as reader:
        await shard.publish(Told("a", "1"))
        await reader.read(1)
        # As after a long stop of the process: the next read finds that the log goes on elsewhere.
        shard.hub._read_at -= 1_000
        pipe = shard.redis.pipeline()
        for number in (2, 3):
            shard.last = LogId(shard.last.ms + 1, 0)
            frame = shard.log.frame(shard.last, [Told("a", str(number))])
            pipe.xadd(shard.keys.events, {"f": frame.SerializeToString()}, id=str(shard.last))
        pipe.xtrim(shard.keys.events, minid=str(shard.last), approximate=False)
        await pipe.execute()
        await until(lambda: reader.feed.failure is not None)
        assert reader.feed.failure is not None
        assert reader.feed.failure.reason == failure_pb2.REASON_CURSOR_EXPIRED
