"""The pool of channels to the engine."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from gateway.engine import EngineChannels
from tests.integration.relay.conftest import eventually

pytestmark = pytest.mark.integration


async def test_each_channel_of_the_pool_is_a_connection_of_its_own(new_engine):
    engine = new_engine()
    address = await engine.start("127.0.0.1:0")
    async with EngineChannels(address, 3) as channels:
        assert await channels.answers(5)
    assert len(engine.peers) == 3


async def test_an_engine_that_is_away_is_said_at_once(short_path):
    async with EngineChannels(f"unix:{short_path}/none.sock", 2) as channels:
        assert not await channels.answers(5)
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channels.status(timeout_s=5)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 2


async def test_a_frozen_engine_does_not_answer(new_engine):
    engine = new_engine()
    address = await engine.start()
    async with EngineChannels(address, 2) as channels:
        engine.fall_silent()
        assert not await channels.answers(0.2)
        engine.speak()
        assert await channels.answers(5)


async def test_the_pool_finds_a_restarted_engine_within_two_seconds(new_engine):
    first = new_engine()
    address = await first.start()
    async with EngineChannels(address, 2) as channels:
        assert await channels.answers(5)
        await first.kill()
        await eventually(lambda: _fails(channels))
        await asyncio.sleep(2.0)
        second = new_engine()
        await second.start()
        began = time.monotonic()
        await eventually(lambda: channels.answers(1))
        assert time.monotonic() - began < 2.0
        assert (await channels.status(timeout_s=1)).instance == second.instance


async def _fails(channels: EngineChannels) -> bool:
    return not await channels.answers(0.5)
