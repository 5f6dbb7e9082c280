"""Ticks: one when an order is due and nothing else lets time go on, none otherwise."""

from __future__ import annotations

import asyncio
import time

import pytest

from ordergate.log.v1.command_frame_pb2 import COMMAND_KIND_TICK, CommandFrame
from tests.integration.relay.conftest import KEYS, add_frames, all_published, engine_is, eventually, relaying

pytestmark = pytest.mark.integration


async def ticks(client) -> list[tuple[int, str]]:
    """When each tick came into the log, in ms since 1970, and its command_id."""
    found = []
    for entry_id, fields in await client.xrange(KEYS.commands):
        if b"tick-" in fields[b"f"]:
            frame = CommandFrame.FromString(fields[b"f"])
            assert (frame.kinds, fields[b"n"]) == (bytes([COMMAND_KIND_TICK]), b"1")
            found.append((int(entry_id.partition(b"-")[0]), frame.command_ids[0]))
    return found


def once_due_at(engine, due_ns: int):
    """An order that is due then, and gone with the first frame from then on."""
    return lambda: due_ns if engine.time_ns < due_ns else 0


async def test_an_order_that_is_due_brings_one_tick_soon_after(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    due_ns = time.time_ns() + 700_000_000
    engine.due_ns = once_due_at(engine, due_ns)
    async with relaying(settings):
        await eventually(lambda: ticks(client))
        await eventually(lambda: all_published(client))
        await asyncio.sleep(0.2)
        ((at_ms, _),) = await ticks(client)
    assert 0 <= at_ms - due_ns // 1_000_000 < 300
    assert engine.time_ns >= due_ns


async def test_each_instant_that_nothing_else_passes_has_a_tick_of_its_own(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    start_ns = time.time_ns() + 200_000_000
    dues = [start_ns + n * 150_000_000 for n in range(4)]
    engine.due_ns = lambda: next((due for due in dues if engine.time_ns < due), 0)
    async with relaying(settings):
        await eventually(lambda: engine.time_ns >= dues[-1])
        await eventually(lambda: all_published(client))
        found = [command_id for _, command_id in await ticks(client)]
    assert len(set(found)) == len(found) == 4


async def test_a_frame_at_or_after_the_time_is_as_good_as_a_tick(settings, client, new_engine):
    """The engine says that it is due until that frame's answer comes."""
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "level"))
        due_ns = time.time_ns()
        engine.due_ns = once_due_at(engine, due_ns)
        await add_frames(client, 3)
        await eventually(lambda: all_published(client))
        await asyncio.sleep(0.2)
        assert engine.time_ns >= due_ns
        assert await ticks(client) == []


async def test_a_tick_that_waits_its_turn_is_followed_by_no_second(settings, client, new_engine):
    """The window has no room for it: the engine does not answer what was sent before."""
    engine = new_engine()
    await engine.start()
    async with relaying(settings, relay_window_frames=1):
        await eventually(lambda: engine_is(client, "level"))
        due_ns = time.time_ns() + 400_000_000
        engine.due_ns = once_due_at(engine, due_ns)
        await add_frames(client, 1)
        await eventually(lambda: all_published(client))
        engine.fall_silent()
        await add_frames(client, 1)
        await asyncio.sleep(1.0)
        assert len(await ticks(client)) == 1
        engine.speak()
        await eventually(lambda: engine.time_ns >= due_ns)
        await eventually(lambda: all_published(client))
        assert len(await ticks(client)) == 1


async def test_what_is_due_in_the_middle_of_a_replay_brings_no_tick(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    await add_frames(client, 60)
    async with relaying(settings):
        await eventually(lambda: all_published(client))
    await engine.kill()
    engine = new_engine()
    engine.due_ns = lambda: time.time_ns() - 1_000_000 if engine.frames < 60 else 0
    await engine.start()
    async with relaying(settings, relay_window_frames=2):
        await eventually(lambda: engine.frames == 60)
        await asyncio.sleep(0.2)
        assert await ticks(client) == []


async def test_a_tick_that_redis_does_not_take_is_written_later(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    due_ns = time.time_ns() + 300_000_000
    engine.due_ns = once_due_at(engine, due_ns)
    used = (await client.info("memory"))["used_memory"]
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "level"))
        await client.config_set("maxmemory", str(used // 2))
        await asyncio.sleep(0.6)
        assert await ticks(client) == []
        await client.config_set("maxmemory", "512mb")
        await eventually(lambda: engine.time_ns >= due_ns)


async def test_the_next_relay_goes_on_where_the_last_one_ended(settings, client, new_engine):
    """The time is in the engine's welcome: a relay that comes while nothing happens knows it too."""
    engine = new_engine()
    await engine.start()
    due_ns = time.time_ns() + 1_200_000_000
    engine.due_ns = once_due_at(engine, due_ns)
    async with relaying(settings, "first"):
        await eventually(lambda: engine_is(client, "level"))
    async with relaying(settings, "second"):
        await eventually(lambda: engine.time_ns >= due_ns)
    assert len(await ticks(client)) == 1
