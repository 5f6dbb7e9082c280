from __future__ import annotations

import asyncio
import random

import pytest

from gateway.database import Database
from gateway.errors import CursorExpired, CursorInvalid
from gateway.start import Start
from gateway.streams import Cursor, LogId
from ordergate.v1 import failure_pb2

from ...unit.events.builder import Told
from .conftest import Archive, Shard, running_hub, until
from .reader import NO_DATABASE, Reader, reading

pytestmark = pytest.mark.integration

BEGINNING = Start({}, oldest=True)


def after(*cursors: str) -> Start:
    parsed = [Cursor.parse(text) for text in cursors]
    return Start({cursor.shard: cursor for cursor in parsed})


async def _history(shard: Shard) -> list[str]:
    """Five frames of events of a, b and c; gives the orders of a and b in order."""
    number = 0
    mine = []
    for size in (1, 4, 7, 2, 3):
        rows = []
        for _ in range(size):
            account = "abc"[number % 3]
            rows.append(Told(account, str(number)))
            if account != "c":
                mine.append(str(number))
            number += 1
        await shard.publish(*rows)
    await shard.seen()
    return mine


async def test_every_event_is_a_place_to_go_on_from(shard: Shard) -> None:
    mine = await _history(shard)
    async with reading(shard, accounts={"a", "b"}, start=BEGINNING) as whole:
        await whole.read(len(mine))
        assert whole.orders() == mine
    for done, event in enumerate(whole.events, 1):
        async with reading(shard, accounts={"a", "b"}, start=after(event.cursor)) as rest:
            assert rest.feed.cursors() == [event.cursor]
            await rest.read(len(mine) - done)
            await until(lambda: rest.feed.caught_up)
            rest.take()
            assert rest.orders() == mine[done:]


async def test_the_cursors_told_after_each_piece_lead_to_exactly_the_rest(shard: Shard) -> None:
    mine = await _history(shard)
    async with reading(shard, accounts={"a", "b"}, start=BEGINNING) as whole:
        places = [(0, whole.feed.cursors())]
        while len(whole.events) < len(mine):
            await until(lambda: whole.take(300))  # an event is larger than half of it: pieces of one
            places.append((len(whole.events), whole.feed.cursors()))
    assert len(places) == len(mine) + 1
    for done, cursors in places:
        async with reading(shard, accounts={"a", "b"}, start=after(*cursors)) as rest:
            await until(lambda: rest.feed.caught_up or rest.take())
            await rest.read(len(mine) - done)
            assert rest.orders() == mine[done:]


async def test_a_large_frame_is_taken_in_pieces_of_whole_events(shard: Shard) -> None:
    async with reading(shard, accounts={"a"}) as reader:
        await until(lambda: reader.feed.caught_up)
        await shard.publish(*(Told("a", str(n)) for n in range(500)))
        await shard.seen()
        sizes = []
        while data := reader.take(10_000):
            sizes.append(len(data))
        assert len(sizes) >= 10
        assert max(sizes) <= 10_000
        assert reader.orders() == [str(n) for n in range(500)]
        assert reader.feed.cursors() == [f"0:{shard.last}:4294967295"]


@pytest.mark.parametrize("seed", range(25))
async def test_no_seam_between_log_and_live_while_events_keep_coming(shard: Shard, seed: int) -> None:
    rng = random.Random(seed)
    total = rng.randrange(100, 400)

    async def publish() -> None:
        number = 0
        while number < total:
            size = min(rng.choice((1, 1, 3, 20)), total - number)
            await shard.publish(*(Told(rng.choice("ab"), str(n)) for n in range(number, number + size)))
            number += size
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0, 0.0005, 0.003)))

    async def follow() -> list[str]:
        """Reads with connections that end anywhere; each goes on after the last event or the last cursors."""
        start, got = BEGINNING, []
        while len(got) < total:
            async with reading(
                shard, accounts={"a", "b"}, start=start, buffer_bytes=rng.choice((2_000, 20_000, 1_000_000))
            ) as reader:
                stop = rng.randrange(1, total)
                while len(reader.events) < stop and len(got) + len(reader.events) < total:
                    if not reader.take(rng.choice((1, 700, 5_000, 100_000))):
                        await asyncio.sleep(rng.choice((0, 0.001)))
                assert reader.feed.failure is None
                got += reader.orders()
                told = rng.random() < 0.5 or not reader.events
                start = after(*(reader.feed.cursors() if told else [reader.events[-1].cursor]))
        return got

    async with asyncio.timeout(20):
        _, *readers = await asyncio.gather(publish(), *(follow() for _ in range(4)))
    for got in readers:
        assert got == [str(n) for n in range(total)]


async def test_a_slow_reader_goes_on_from_the_log_loses_nothing_and_slows_nobody(shard: Shard) -> None:
    async with (
        reading(shard, accounts={"a"}, buffer_bytes=65_536) as slow,
        reading(shard, accounts={"a"}, buffer_bytes=65_536) as quick,
    ):
        await until(lambda: slow.feed.caught_up and quick.feed.caught_up)
        for frame in range(60):
            await shard.publish(*(Told("a", str(50 * frame + n)) for n in range(50)))
            await quick.read(50 * (frame + 1), timeout_s=2)
        assert slow.feed._bytes <= 65_536
        assert slow.feed._lanes[0].behind.is_set()
        assert not quick.feed._lanes[0].behind.is_set()
        await slow.read(3_000)
        assert slow.orders() == quick.orders() == [str(n) for n in range(3_000)]
        await until(lambda: not slow.feed._lanes[0].behind.is_set())
        await shard.publish(Told("a", "last"))
        await slow.read(3_001)


async def test_a_reader_that_takes_nothing_holds_no_more_than_its_buffer_and_a_page(shard: Shard) -> None:
    for _ in range(20):
        await shard.publish(*(Told("a", "x", padding="y" * 2_000) for _ in range(100)))
    async with reading(shard, accounts={"a"}, start=BEGINNING, buffer_bytes=65_536) as idle:
        await asyncio.sleep(0.5)
        assert idle.feed._bytes < 65_536 + 2 * 1_048_576
        assert idle.feed._pieces_in < 20
        await idle.read(2_000)


async def test_caught_up_is_said_when_the_past_was_taken_and_not_before(shard: Shard) -> None:
    mine = await _history(shard)
    async with reading(shard, accounts={"a", "b"}, start=BEGINNING) as reader:
        await asyncio.sleep(0.05)
        assert not reader.feed.caught_up
        while len(reader.events) < len(mine):
            assert not reader.feed.caught_up
            await until(lambda: reader.take(300))
        await until(lambda: reader.feed.caught_up)


async def test_the_cursor_moves_on_with_frames_of_others(shard: Shard) -> None:
    async with reading(shard, accounts={"a"}) as reader:
        await until(lambda: reader.feed.caught_up)
        await shard.publish(Told("b", "1"))
        await shard.seen()
        assert reader.feed.cursors() == [f"0:{shard.last}:4294967295"]
        assert reader.take() == b""


async def test_a_cursor_of_events_that_are_nowhere_has_expired(shard: Shard, archive: Archive) -> None:
    frames = [await shard.publish(Told("a", str(n))) for n in range(6)]
    await shard.redis.xtrim(shard.keys.events, minid=str(frames[3]), approximate=False)
    for lost in (f"0:{frames[0]}:0", f"0:{frames[2]}:4294967295", "0:0-0:4294967295"):
        with pytest.raises(CursorExpired):
            await Reader([shard], {"a"}, after(lost), 10_000, archive.database).feed.open()
    async with reading(shard, accounts={"a"}, start=after(f"0:{frames[3]}:0")) as kept:
        await kept.read(2)
        assert kept.orders() == ["4", "5"]
    async with reading(shard, accounts={"a"}, start=BEGINNING, database=archive.database) as oldest:
        await oldest.read(3)
        assert oldest.orders() == ["3", "4", "5"]


async def test_the_place_after_the_last_event_is_good_even_if_all_was_trimmed(shard: Shard) -> None:
    await shard.publish(Told("a", "0"))
    last = await shard.publish(Told("a", "1"))
    await shard.redis.xtrim(shard.keys.events, maxlen=0, approximate=False)
    async with reading(shard, accounts={"a"}, start=after(f"0:{last}:0")) as reader:
        await until(lambda: reader.feed.caught_up)
        await shard.publish(Told("a", "2"))
        await reader.read(1)
        assert reader.orders() == ["2"]


async def test_a_cursor_ahead_of_the_log_is_not_ours(shard: Shard) -> None:
    await shard.publish(Told("a", "0"))
    with pytest.raises(CursorInvalid):
        await Reader([shard], {"a"}, after("0:999999-0:0"), 10_000, Database(NO_DATABASE)).feed.open()


async def test_a_slow_reader_whose_events_are_nowhere_is_told(shard: Shard, archive: Archive) -> None:
    async with reading(shard, accounts={"a"}, buffer_bytes=5_000, database=archive.database) as slow:
        await until(lambda: slow.feed.caught_up)
        frames = [await shard.publish(*(Told("a", f"{n}-{m}") for m in range(10))) for n in range(20)]
        await shard.seen()
        await shard.redis.xtrim(shard.keys.events, minid=str(frames[-1]), approximate=False)
        with_what_it_had = []
        while slow.feed.failure is None:
            if slow.take():
                with_what_it_had = slow.feed.cursors()
            await asyncio.sleep(0.001)
        assert slow.feed.failure.reason == failure_pb2.REASON_CURSOR_EXPIRED
        slow.take()
        assert [e.seq for e in slow.events] == list(range(1, len(slow.events) + 1))
        assert with_what_it_had


async def test_a_cursor_from_a_worker_that_is_ahead_gives_each_event_once(shard: Shard) -> None:
    """The hub of the worker that a client comes to may not have seen the frame that the client is at."""
    first = await shard.publish(Told("a", "0"))
    await shard.seen()
    gate = asyncio.Event()

    async def behind(_: LogId) -> None:
        await gate.wait()

    async with running_hub(str(_url(shard)), 0, behind) as other:
        ahead = await shard.publish(Told("a", "1"), Told("a", "2"))
        assert other.hub.position == first
        async with reading(other, accounts={"a"}, start=after(f"0:{ahead}:0")) as reader:
            await reader.read(1)
            gate.set()
            await shard.publish(Told("a", "3"))
            await reader.read(2)
            await other.seen(shard.last)
            reader.take()
            assert reader.orders() == ["2", "3"]


async def test_shards_are_followed_together_with_a_cursor_each(redis_url: str) -> None:
    async with running_hub(redis_url, 0) as zero, running_hub(redis_url, 1) as one:
        await zero.publish(Told("a", "z0"))
        await one.publish(Told("a", "o0"), Told("a", "o1"))
        await zero.seen()
        await one.seen()
        start = after(f"1:{one.last}:0")
        async with reading(zero, one, accounts={"a"}, start=start) as reader:
            await zero.publish(Told("a", "z1"))
            await reader.read(2)
            assert sorted(reader.orders()) == ["o1", "z1"]
            assert reader.feed.cursors() == [f"0:{zero.last}:4294967295", f"1:{one.last}:4294967295"]


async def test_a_feed_without_redis_is_refused(shard: Shard, redis_server) -> None:
    frame = await shard.publish(Told("a", "0"))
    redis_server.kill()
    feed = Reader([shard], {"a"}, after(f"0:{frame}:0"), 1_000, Database(NO_DATABASE)).feed
    await feed.run()
    assert feed.failure is not None
    assert feed.failure.reason == failure_pb2.REASON_QUEUE_UNAVAILABLE


def _url(shard: Shard) -> str:
    arguments = shard.redis.connection_pool.connection_kwargs
    return f"unix://{arguments['path']}?db={arguments.get('db', 0)}"
