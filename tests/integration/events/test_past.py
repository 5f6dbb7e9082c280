"""Events that only Postgres has: from any place in them to the live ones, without gap, repeat or seam."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.database import Database
from gateway.errors import CursorExpired, Unavailable
from gateway.history import AccountHistory
from gateway.streams import LogId

from ...unit.events.builder import Told
from .conftest import Archive, Shard, until
from .reader import NO_DATABASE, Reader, reading
from .test_feed import BEGINNING, after

pytestmark = pytest.mark.integration


async def _publish(shard: Shard, frames: int, seed: int = 1) -> list[LogId]:
    dice = random.Random(seed)
    return [
        await shard.publish(*(Told(dice.choice("abc"), f"{n}-{m}") for m in range(dice.randint(1, 4))))
        for n in range(frames)
    ]


@pytest.mark.parametrize("accounts", [{"a"}, {"a", "b"}])
async def test_every_event_is_a_place_to_go_on_from(shard: Shard, archive: Archive, accounts: set[str]) -> None:
    frames = await _publish(shard, 12)
    await shard.seen()
    async with reading(shard, accounts=accounts, start=BEGINNING) as whole:
        await until(lambda: whole.feed.caught_up or whole.take())
        await until(lambda: not whole.take() and whole.feed.caught_up)
    await archive.store(shard, frames[8])
    await archive.trim(shard, frames[6])
    async with reading(shard, accounts=accounts, start=BEGINNING, database=archive.database) as oldest:
        await oldest.read(len(whole.events))
        assert oldest.events == whole.events
    for done, event in enumerate(whole.events, 1):
        start = after(event.cursor)
        async with reading(shard, accounts=accounts, start=start, database=archive.database) as rest:
            await rest.read(len(whole.events) - done)
            await until(lambda: not rest.take() and rest.feed.caught_up)
            assert rest.events == whole.events[done:]


async def test_what_comes_while_the_past_is_read_follows_it(shard: Shard, archive: Archive) -> None:
    frames = await _publish(shard, 300)
    await archive.store(shard)
    await archive.trim(shard, frames[-1])

    async def go_on() -> None:
        for _ in range(30):
            await shard.publish(Told("a", "new"))
            await archive.store(shard)
            await archive.trim(shard, shard.last)
            await asyncio.sleep(0)

    async with reading(shard, accounts={"a"}, start=BEGINNING, database=archive.database, buffer_bytes=2_000) as reader:
        going_on = asyncio.create_task(go_on())
        await until(lambda: reader.take() and reader.events[-1].order.client_order_id == "new")
        await going_on
        last = shard.log.seqs["a"]
        await reader.read(last)
        assert [event.seq for event in reader.events] == list(range(1, last + 1))


async def test_a_slow_reader_that_falls_behind_redis_reads_from_postgres(shard: Shard, archive: Archive) -> None:
    async with reading(shard, accounts={"a"}, buffer_bytes=5_000, database=archive.database) as slow:
        await until(lambda: slow.feed.caught_up)
        for n in range(200):
            await shard.publish(*(Told("a", f"{n}-{m}") for m in range(10)))
        await shard.seen()
        await archive.store(shard)
        await archive.trim(shard, shard.last)
        await slow.read(2_000)
        assert [event.seq for event in slow.events] == list(range(1, 2_001))


async def test_rows_that_are_missing_are_never_skipped(shard: Shard, archive: Archive) -> None:
    frames = [await shard.publish(Told("a", str(n))) for n in range(10)]
    await archive.store(shard)
    await archive.trim(shard, frames[-1])
    await archive.connection.execute("DELETE FROM account_events WHERE last_seq IN (4, 5)")
    for lost in (0, 2, 3):
        with pytest.raises(CursorExpired):
            await Reader([shard], {"a"}, after(f"0:{frames[lost]}:0"), 10_000, archive.database).feed.open()
    async with reading(shard, accounts={"a"}, start=after(f"0:{frames[5]}:0"), database=archive.database) as kept:
        await kept.read(4)
        assert kept.orders() == ["6", "7", "8", "9"]


async def test_without_postgres_a_cursor_that_needs_it_is_refused(shard: Shard) -> None:
    frames = [await shard.publish(Told("a", str(n))) for n in range(3)]
    await Archive.trim(shard, frames[-1])
    for start in (after(f"0:{frames[0]}:0"), BEGINNING):
        with pytest.raises(Unavailable):
            await Reader([shard], {"a"}, start, 10_000, Database(NO_DATABASE)).feed.open()


async def test_a_postgres_that_goes_away_is_waited_for(shard: Shard, archive: Archive, postgres_server) -> None:
    frames = [await shard.publish(Told("a", str(n))) for n in range(50)]
    await archive.store(shard)
    await archive.trim(shard, frames[-1])
    async with reading(shard, accounts={"a"}, start=BEGINNING, database=archive.database) as reader:
        postgres_server.kill()
        await asyncio.sleep(0.05)
        postgres_server.restart()
        await reader.read(50)
        assert [event.seq for event in reader.events] == list(range(1, 51))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 50])
async def test_a_place_is_found_among_any_number_of_rows(shard: Shard, archive: Archive, rows: int) -> None:
    history = AccountHistory(0, archive.database)
    frames = []
    for n in range(rows):
        frames.append(await shard.publish(*(Told("a", f"{n}-{m}") for m in range(1 + n % 3))))
        await shard.publish(Told("b", str(n)))
    if rows:
        await archive.store(shard)
    done = 0
    for n, frame in enumerate(frames):
        assert await history.locate("a", frame) == done
        done += 1 + n % 3
        assert await history.locate("a", LogId(frame.ms, 1)) == done
    assert await history.locate("a", LogId(1, 0)) == 0
