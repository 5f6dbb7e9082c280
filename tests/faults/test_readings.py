"""Reading the streams of a stack that goes on working: what its janitor trims meanwhile is no loss."""

from __future__ import annotations

import asyncio
import itertools

import redis.asyncio

from gateway.streams import Keys
from tests.faults.readings import read_streams

ENTRIES = 20_000
STEP = 1_000
"""Entries that go at a time, as in a round of the janitor: more than a page of 500, by which they once were read."""


async def _fill(client: redis.asyncio.Redis, keys: Keys) -> None:
    async with client.pipeline(transaction=False) as pipe:
        for ms in range(1, ENTRIES + 1):
            pipe.xadd(keys.events, {"f": b"event frame"}, id=f"{ms}-0")
        await pipe.execute()


async def _trim(client: redis.asyncio.Redis, keys: Keys) -> None:
    for floor in range(STEP, ENTRIES, STEP):
        await client.xtrim(keys.events, minid=f"{floor}-0", approximate=False)


async def test_events_trimmed_while_they_are_read_leave_no_gap(redis_url: str) -> None:
    keys = Keys(0)
    reader, janitor = (redis.asyncio.Redis.from_url(redis_url) for _ in range(2))
    try:
        await _fill(reader, keys)
        trimming = asyncio.create_task(_trim(janitor, keys))
        firsts = set()
        while not trimming.done():
            found = [log_id.ms for log_id in (await read_streams(reader)).published]
            firsts.add(found[0])
            assert all(later == earlier + 1 for earlier, later in itertools.pairwise(found))
        await trimming
        assert len(firsts) > 1, "nothing was trimmed while it was read"
    finally:
        await reader.aclose()
        await janitor.aclose()
