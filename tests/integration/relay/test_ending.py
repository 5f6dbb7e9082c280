"""Relays that are drained, stopped or cancelled: what was read is published, and each ends."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time

import pytest

from gateway.relay import Relay, run_relay
from tests.integration.relay.conftest import KEYS, add_frames, all_published, engine_is, eventually

pytestmark = pytest.mark.integration


async def test_drain_publishes_what_was_read(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    relay = Relay(settings, 0, "a")
    running = asyncio.create_task(relay.run())
    await eventually(lambda: engine_is(client, "level"))
    engine.fall_silent()
    await add_frames(client, 5)
    await asyncio.sleep(0.1)
    draining = asyncio.create_task(relay.drain(10))
    await asyncio.sleep(0.1)
    assert not draining.done()
    engine.speak()
    await draining
    await running
    assert await all_published(client)


async def test_drain_gives_up_after_its_grace(settings, client, new_engine):
    engine = new_engine()
    await engine.start()
    relay = Relay(settings, 0, "a")
    running = asyncio.create_task(relay.run())
    await eventually(lambda: engine_is(client, "level"))
    engine.fall_silent()
    await add_frames(client, 5)
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await relay.drain(0.5)
    await running
    assert time.monotonic() - began < 1.5
    assert await client.get(KEYS.lease) is None


async def test_stop_before_the_start_is_not_lost(settings, client):
    relay = Relay(settings, 0, "a")
    relay.stop()
    relay.stop()
    await asyncio.wait_for(relay.run(), 5)
    assert await client.get(KEYS.lease) is None


async def test_run_relay_ends_when_told(settings, client, new_engine):
    await new_engine().start()
    stop = asyncio.Event()
    running = asyncio.create_task(run_relay(settings, 0, "a", stop))
    await eventually(lambda: engine_is(client, "level"))
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_cancelled_sessions_always_end(settings, client, new_engine):
    """redis-py forgets a cancellation that arrives while it sends; a relay that believed it would hang here."""
    engine = new_engine()
    await engine.start()
    for n in range(30):
        relay = Relay(dataclasses.replace(settings, lease_ttl_ms=300), 0, f"r{n}")
        running = asyncio.create_task(relay.run())
        await eventually(lambda: engine_is(client, "level"))
        await add_frames(client, 20)
        await asyncio.sleep(n / 3000)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(running, 5)
        await client.delete(KEYS.lease, KEYS.relay)
