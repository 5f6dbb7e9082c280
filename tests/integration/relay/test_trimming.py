"""Trimming of commands and engine times: below every floor, and never by length."""

from __future__ import annotations

import asyncio

import pytest

from gateway.health import Health
from gateway.queue import CommandQueue
from gateway.readiness import SERVICES, Readiness
from gateway.relay_janitor import Janitor
from gateway.streams import ZERO, LogId
from tests.integration.relay.conftest import KEYS, add_frames, all_published, event_ids, eventually, relaying

pytestmark = pytest.mark.integration

PERIODS_S = 1.2
"""More than two rounds of the janitor: time enough for what must not happen."""


async def ids_in(client, stream: str) -> list[bytes]:
    return [entry_id for entry_id, _ in await client.xrange(getattr(KEYS, stream))]


async def test_commands_are_trimmed_below_what_postgres_and_a_snapshot_hold(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        ids = await add_frames(client, 300, size=2000)
        await eventually(lambda: all_published(client))
        engine.snapshot = LogId.parse(ids[250])
        await client.hset(KEYS.persisted, mapping={"commands": ids[299]})
        await asyncio.sleep(PERIODS_S)
        assert await client.xlen(KEYS.commands) == 300, "Postgres holds no events, so no engine times"
        engine.snapshot = ZERO
        await client.hset(KEYS.persisted, mapping={"events": ids[280]})
        await asyncio.sleep(PERIODS_S)
        assert await client.xlen(KEYS.commands) == 300, "the engine has no snapshot on disk"
        engine.snapshot = LogId.parse(ids[250])
        await eventually(lambda: shorter_than(client, 60))
        for stream in ("commands", "times"):
            kept = await ids_in(client, stream)
            assert ids[250] in kept, "the entry at the floor always stays"
            assert kept == ids[-len(kept) :]
        await client.hset(KEYS.persisted, mapping={"commands": ids[200], "events": ids[200]})
        ids += await add_frames(client, 20)
        await eventually(lambda: published_up_to(client, ids[-1]))
    assert engine.frames == 320


async def shorter_than(client, count: int) -> bool:
    return await client.xlen(KEYS.commands) < count


async def published_up_to(client, entry_id: bytes) -> bool:
    return (await event_ids(client))[-1] == entry_id


async def test_a_relay_that_was_overtaken_trims_nothing(client):
    ids = await add_frames(client, 300, size=2000)
    await client.hset(KEYS.persisted, mapping={"commands": ids[-1], "events": ids[-1]})
    await client.set(KEYS.epoch, 8)

    async def snapshot() -> LogId:
        return LogId.parse(ids[-1])

    assert await Janitor(client, KEYS, 0, snapshot).tidy_log(7) == 0
    assert await client.xlen(KEYS.commands) == 300
    assert await Janitor(client, KEYS, 0, snapshot).tidy_log(8) > 290


async def test_a_full_memory_does_not_hinder_trimming(client):
    ids = await add_frames(client, 300, size=2000)
    await client.hset(KEYS.persisted, mapping={"commands": ids[-1], "events": ids[-1]})
    await client.set(KEYS.epoch, 1)

    async def snapshot() -> LogId:
        return LogId.parse(ids[-1])

    await client.config_set("maxmemory", 1)
    try:
        assert await Janitor(client, KEYS, 0, snapshot).tidy_log(1) > 290
    finally:
        await client.config_set("maxmemory", "512mb")


async def test_a_full_queue_takes_orders_again_by_itself_once_it_is_trimmed(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    queue = CommandQueue(0, lambda: client, origin="test", flush_commands_max=100, waiting_commands_max=1000)
    readiness = Readiness(client, Health(SERVICES), [queue], 850)
    used = (await client.info("memory"))["used_memory"]
    await client.config_set("maxmemory", used + 8_000_000)
    async with relaying(settings, events_window_bytes=100_000):
        ids: list[bytes] = []
        while not queue.full:
            ids += await add_frames(client, 50, size=4000)
            await readiness.look()
        assert queue.reserved
        await eventually(lambda: all_published(client))
        engine.snapshot = LogId.parse(ids[-1])
        await readiness.look()
        assert queue.full, "nothing frees it but trimming"
        await client.hset(KEYS.persisted, mapping={"commands": ids[-1], "events": ids[-1]})

        async def taken() -> bool:
            await readiness.look()
            return not queue.full

        await eventually(taken)
        more = await add_frames(client, 5)
        await eventually(lambda: published_up_to(client, more[-1]))
    assert engine.frames == len(ids) + 5
