"""The relay between a real Redis and an engine whose faults can be chosen."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway import relay_janitor
from gateway.lease import Lease
from gateway.redis_client import open_producer
from gateway.relay_publisher import Fenced, Publisher
from ordergate.engine.v1 import engine_service_pb2 as pb
from tests.integration.relay.conftest import (
    KEYS,
    add_frames,
    all_published,
    engine_is,
    event_ids,
    eventually,
    published,
    relaying,
    reported,
)

pytestmark = pytest.mark.integration


async def test_events_get_the_ids_of_their_commands_in_their_order(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    before = await add_frames(client, 40)
    async with relaying(settings):
        await eventually(lambda: all_published(client))
        after = await add_frames(client, 40)
        await eventually(lambda: all_published(client))
    assert await event_ids(client) == before + after
    times = [int(t) for _, _, t in await published(client)]
    assert times == sorted(times)
    assert abs(times[-1] - time.time_ns()) < 60e9
    entry = (await client.xrange(KEYS.events, count=1))[0][1]
    assert set(entry) == {b"f", b"t", b"n"}
    assert entry[b"n"] == b"1"


async def test_publication_is_confirmed_to_the_engine(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        ids = await add_frames(client, 5)
        await eventually(lambda: str(engine.published).encode() == ids[-1])


async def test_frames_travel_in_batches_within_the_window(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    await add_frames(client, 200)
    async with relaying(settings, relay_window_frames=64):
        await eventually(lambda: all_published(client))
    assert engine.messages < 50


async def test_the_window_holds_back_what_an_engine_does_not_answer(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "level"))
        engine.fall_silent()
        await add_frames(client, 100)
        await eventually(lambda: engine_is(client, "down", "does not answer"))
        assert int((await reported(client))["lag_ms"]) >= 900
        engine.speak()
        await eventually(lambda: all_published(client))
        await eventually(lambda: engine_is(client, "level"))


async def test_the_state_is_reported_and_withdrawn(settings, client, new_engine):
    engine = new_engine()
    async with relaying(settings, "first"):
        await eventually(lambda: engine_is(client, "down", "engine"))
        await engine.start()
        await eventually(lambda: engine_is(client, "level"))
        ids = await add_frames(client, 3)
        await eventually(lambda: all_published(client))
        await asyncio.sleep(0.6)
        report = await reported(client)
        assert (report["relay"], report["instance"], report["reason"]) == ("first", engine.instance, "")
        assert report["published"] == report["applied"] == ids[-1].decode()
        assert report["epoch"] == (await client.get(KEYS.epoch)).decode()
        assert abs(int(report["reported_ms"]) - time.time() * 1000) < 2000
        assert 0 < await client.pttl(KEYS.relay) <= 3 * settings.lease_ttl_ms
    assert await engine_is(client, "down", "stopped")
    assert await client.get(KEYS.lease) is None


async def test_level_is_not_reported_before_the_backlog_is_done(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    await add_frames(client, 300)
    states = []

    async def watch():
        while True:
            report = await reported(client)
            if report:
                states.append((report["engine"], await all_published(client)))
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    async with relaying(settings, relay_window_frames=2):
        await eventually(lambda: engine_is(client, "level"))
    watching.cancel()
    assert "behind" in {state for state, _ in states}
    assert all(done for state, done in states if state == "level")


async def test_a_new_session_publishes_what_the_engine_still_holds(settings, client, new_engine):
    """Events made, but the relay died before it could publish them."""
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        await add_frames(client, 10)
        await eventually(lambda: all_published(client))
    expected = await published(client)
    await client.delete(KEYS.events, KEYS.times)
    for entry_id, frame, time_ns in expected[:4]:
        await client.xadd(KEYS.events, {"f": frame, "t": time_ns, "n": 1}, id=entry_id)
        await client.xadd(KEYS.times, {"t": time_ns}, id=entry_id)
    engine.hold_again(expected[4:])
    more = await add_frames(client, 3)
    async with relaying(settings):
        await eventually(lambda: all_published(client))
    found = await published(client)
    assert found[:10] == expected
    assert [entry_id for entry_id, _, _ in found[10:]] == more


async def test_a_restarted_engine_gets_the_recorded_times(settings, client, new_engine):
    first = new_engine()
    await first.start()
    async with relaying(settings):
        await add_frames(client, 50)
        await eventually(lambda: all_published(client))
        before = await published(client)
        await first.kill()
        second = new_engine()
        await second.start()
        await eventually(lambda: second.frames == 50)
        assert second.state_hash == first.state_hash
        await eventually(lambda: engine_is(client, "level"))
        assert (await reported(client))["instance"] == second.instance
        await add_frames(client, 5)
        await eventually(lambda: all_published(client))
        assert (await published(client))[:50] == before


async def test_two_relays_at_once_do_no_harm(settings, client, new_engine):
    """Both believe in their lease: the key is given away behind their backs again and again."""
    engine = new_engine()
    await engine.start()
    ids = []
    async with relaying(settings, "a"), relaying(settings, "b"):
        for _ in range(20):
            ids += await add_frames(client, 10)
            await client.delete(KEYS.lease)
            await client.incr(KEYS.epoch)
            await asyncio.sleep(0.1)
        await eventually(lambda: all_published(client), 20)
    assert await event_ids(client) == ids
    replayed = new_engine()
    await engine.kill()
    await replayed.start()
    async with relaying(settings, "c"):
        await eventually(lambda: replayed.frames == 200)
    assert replayed.state_hash == engine.state_hash


async def test_a_late_append_of_an_old_session_is_fenced(settings, client):
    old, new = Lease(client, KEYS, "a", 60_000), Lease(client, KEYS, "b", 60_000)
    await old.take()
    await old.release()
    await new.take()
    entries = [pb.EventEntry(id=pb.LogId(ms=n), engine_time_ns=n, events=1, frame=b"x") for n in (1, 2)]
    async with open_producer(settings) as producer:
        with pytest.raises(Fenced):
            await Publisher(producer, KEYS).publish(old.epoch, entries)
        assert await client.xlen(KEYS.events) == 0
        await Publisher(producer, KEYS).publish(new.epoch, entries)
    assert await event_ids(client) == [b"1-0", b"2-0"]


async def test_a_full_memory_is_waited_out_and_no_frame_is_left_out(settings, client, new_engine):
    engine = new_engine(padding=20_000)
    await engine.start()
    async with relaying(settings):
        ids = await add_frames(client, 20)
        await eventually(lambda: all_published(client))
        ids += await add_frames(client, 200)
        await client.config_set("maxmemory", "2mb")
        await eventually(lambda: engine_is_short_of_memory(client))
        assert await client.xlen(KEYS.events) < 220
        await asyncio.sleep(1.0)
        await client.config_set("maxmemory", "512mb")
        await eventually(lambda: all_published(client))
        await eventually(lambda: engine_is(client, "level"))
    assert await event_ids(client) == ids
    assert engine.frames == 220


async def engine_is_short_of_memory(client) -> bool:
    """Full memory also evicts the report, so ask Redis itself."""
    stats = await client.info("errorstats")
    return "errorstat_OOM" in stats


@pytest.mark.parametrize("fault", ["leave_out", "refuse"])
async def test_a_frame_is_never_skipped(settings, client, new_engine, fault):
    engine = new_engine()
    getattr(engine, fault).add(5)
    await engine.start()
    ids = await add_frames(client, 12)
    words = {"leave_out": "were due", "refuse": "can't be read"}[fault]
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "down", words))
        await asyncio.sleep(0.5)
        assert await event_ids(client) == ids[: len(await event_ids(client))]
        assert len(await event_ids(client)) <= 5


async def test_an_engine_of_another_log_is_refused(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        await add_frames(client, 3)
        await eventually(lambda: all_published(client))
    await client.delete(KEYS.commands, KEYS.events, KEYS.times)
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "down", "belongs to another log"))
        await add_frames(client, 3)
        await asyncio.sleep(0.3)
        assert await client.xlen(KEYS.events) == 0


async def test_events_below_the_persisted_id_are_trimmed_while_the_window_is_full(
    settings, client, new_engine, monkeypatch
):
    monkeypatch.setattr(relay_janitor, "GROWTH_BYTES", 50_000)
    engine = new_engine(padding=20)
    await engine.start()
    async with relaying(settings, events_window_bytes=400_000):
        ids = await add_frames(client, 20)  # the oldest are small, so that a sample of them would mislead
        await eventually(lambda: all_published(client))
        engine._padding = b"x" * 20_000
        ids += await add_frames(client, 80)
        await eventually(lambda: all_published(client))
        await asyncio.sleep(1.2)
        assert await client.xlen(KEYS.events) == 100  # Postgres holds nothing yet
        await client.hset(KEYS.persisted, "events", ids[30])

        async def trimmed_to_the_floor() -> bool:
            kept = await event_ids(client)
            return kept[0] == ids[30] and len(kept) == 70

        await eventually(trimmed_to_the_floor)
        await client.hset(KEYS.persisted, "events", ids[99])

        async def trimmed_to_the_window() -> bool:
            return await client.memory_usage(KEYS.events, samples=0) <= 450_000

        await eventually(trimmed_to_the_window)
        kept = await event_ids(client)
        assert 5 < len(kept) < 30
        assert kept == ids[-len(kept) :]


async def test_an_engine_is_rebuilt_though_its_events_are_trimmed(settings, client, new_engine):
    first = new_engine()
    await first.start()
    async with relaying(settings):
        ids = await add_frames(client, 50)
        await eventually(lambda: all_published(client))
        await first.kill()
        await client.xtrim(KEYS.events, minid=ids[49], approximate=False)
        second = new_engine()
        await second.start()
        ids += await add_frames(client, 5)
        await eventually(lambda: engine_is(client, "level"))
        await eventually(lambda: published_up_to(client, ids[-1]))
    assert await event_ids(client) == ids[49:]
    assert second.frames == 55


async def published_up_to(client, entry_id: bytes) -> bool:
    return (await event_ids(client))[-1] == entry_id


async def test_events_ahead_of_the_commands_are_refused(settings, client, new_engine):
    await new_engine().start()
    await client.xadd(KEYS.events, {"f": b"x", "t": 1, "n": 1}, id="9999999999999-0")
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "down", "events are published up to"))


@pytest.mark.parametrize("stream", ["commands", "times"])
async def test_a_replay_whose_frames_do_not_pair_is_refused(settings, client, new_engine, stream):
    first = new_engine()
    await first.start()
    async with relaying(settings):
        ids = await add_frames(client, 10)
        await eventually(lambda: all_published(client))
    await first.kill()
    await client.xdel(getattr(KEYS, stream), ids[4])
    # As if it had never been there: else the archive in Postgres would be asked for what seems to be trimmed.
    await client.execute_command("XSETID", getattr(KEYS, stream), ids[9], "ENTRIESADDED", 9)
    second = new_engine()
    await second.start()
    words = {"commands": f"engine time {ids[4].decode()} has no command", "times": "has no engine time"}[stream]
    async with relaying(settings):
        await eventually(lambda: engine_is(client, "down", words))


async def test_other_instruments_are_refused(settings, client, new_engine, short_path):
    await new_engine().start()
    other = short_path / "other.toml"
    other.write_text(settings.instruments.read_text().replace('"ACME"', '"ACNE"'))
    async with relaying(settings, instruments=other):
        await eventually(lambda: engine_is(client, "down", "FAILED_PRECONDITION"))


async def test_the_engine_refuses_other_instruments_and_says_what_to_do(
    settings, new_engine_process, client, short_path
):
    new_engine_process()
    other = short_path / "other.toml"
    other.write_text(settings.instruments.read_text().replace('"ACME"', '"ACNE"'))
    async with relaying(settings, instruments=other):
        await eventually(lambda: engine_is(client, "down", "start both with the same --instruments file"))


async def test_redis_may_go_and_come_back(settings, client, new_engine, redis_server):
    engine = new_engine()
    await engine.start()
    async with relaying(settings):
        await add_frames(client, 5)
        await eventually(lambda: all_published(client))
        redis_server.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(redis_server.restart)
        await add_frames(client, 5)
        await eventually(lambda: all_published(client))
    assert engine.frames == 10
