"""An engine that starts from a snapshot, with a real relay and a real log: no event is lost, repeated or changed."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from gateway.engine import EngineChannels
from gateway.instruments import load_instruments
from gateway.streams import LogId
from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.log.v1.event_frame_pb2 import EventFrame
from tests.integration.relay.conftest import (
    INSTRUMENTS,
    KEYS,
    all_published,
    engine_is,
    event_ids,
    eventually,
    published,
    relaying,
    status,
)
from tests.integration.relay.order_flow import OrderFlow
from tests.integration.relay.test_processes import assert_dense

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from gateway.settings import Settings
    from gateway.stack.process import Process

pytestmark = pytest.mark.integration


async def restart(process: Process, *, kill: bool) -> None:
    await asyncio.to_thread(process.kill if kill else process.stop)
    process.start()
    await asyncio.to_thread(process.wait_ready)


def loaded(process: Process) -> list[str]:
    """The frames of the snapshots that its lives began with."""
    return re.findall(r"event=snapshot_loaded frame=(\S+)", process.program.log.read_text())


async def test_an_engine_killed_again_and_again_goes_on_from_snapshots(settings, client, new_engine_process):
    engine, flow, ids = new_engine_process(), OrderFlow(), []
    async with relaying(settings):
        for _ in range(4):
            ids += await flow.append(client, 150)
            await eventually(lambda: all_published(client))
            await eventually(lambda: snapshot_taken(settings))
            flowing = asyncio.create_task(flow.append(client, 100))
            await asyncio.sleep(0.03)
            await restart(engine, kill=True)
            ids += await flowing
        await eventually(lambda: all_published(client), 20)
        state = (await status(settings)).state_hash
    frames = [frame for _, frame, _ in await published(client)]
    assert await event_ids(client) == ids
    assert_dense(frames)
    assert len(loaded(engine)) == 4
    assert all(frame.encode() in ids for frame in loaded(engine))
    await _same_without_a_restart(settings, client, new_engine_process, engine, frames, state)


async def snapshot_taken(settings: Settings) -> bool:
    return (await status(settings)).last_snapshot.ms > 0


async def _same_without_a_restart(settings, client: Redis, new_engine_process, engine, frames, state) -> None:
    """An engine that sees the whole log, at the same times, makes the same frames and the same state."""
    await asyncio.to_thread(engine.stop)
    new_engine_process("straight")
    log, told = await client.xrange(KEYS.commands), []
    async with EngineChannels(settings.engine, 1) as channels:
        call = channels.apply()
        hello = pb.Hello(protocol=1, epoch=1, instruments_digest=load_instruments(INSTRUMENTS).digest, relay="test")
        await call.write(pb.ApplyRequest(hello=hello))
        previous = LogId(0, 0)
        for (raw_id, fields), frame in zip(log, frames, strict=True):
            entry_id, time_ns = LogId.parse(raw_id), EventFrame.FromString(frame).engine_time_ns
            entry = pb.CommandEntry(
                id=pb.LogId(ms=entry_id.ms, seq=entry_id.seq),
                previous=pb.LogId(ms=previous.ms, seq=previous.seq),
                engine_time_ns=time_ns,
                frame=fields[b"f"],
            )
            await call.write(pb.ApplyRequest(entries=[entry]))
            previous = entry_id
        while len(told) < len(frames):
            told += [entry.frame for entry in (await call.read()).entries]
        assert told == frames
        assert (await channels.status(timeout_s=5, state_hash=True)).state_hash == state
        call.cancel()


async def test_an_engine_stopped_after_its_relay_starts_where_it_ended(settings, client, new_engine_process):
    engine, flow = new_engine_process(), OrderFlow()
    async with relaying(settings):
        ids = await flow.append(client, 30)
        await eventually(lambda: all_published(client))
    before = await status(settings)
    await restart(engine, kill=False)
    after = await status(settings)
    assert loaded(engine) == [ids[-1].decode()]
    assert (after.state_hash, after.commands) == (before.state_hash, before.commands), "no old frame was applied"
    async with relaying(settings):
        ids += await flow.append(client, 30)
        await eventually(lambda: all_published(client))
    assert await event_ids(client) == ids
    assert_dense([frame for _, frame, _ in await published(client)])


async def test_an_engine_stopped_under_load_starts_where_it_ended(settings, client, new_engine_process):
    engine, flow = new_engine_process(), OrderFlow()
    async with relaying(settings):
        flowing = asyncio.create_task(flow.append(client, 300))
        await eventually(lambda: client.xlen(KEYS.events))
        await restart(engine, kill=False)
        ids = await flowing
        await eventually(lambda: all_published(client))
    assert len(loaded(engine)) == 1
    assert loaded(engine)[0] == re.findall(r"event=stopped last_applied=(\S+)", engine.program.log.read_text())[0]
    assert await event_ids(client) == ids
    assert_dense([frame for _, frame, _ in await published(client)])


async def test_snapshots_of_another_log_are_refused_and_say_what_to_do(settings, client, new_engine_process):
    engine, flow = new_engine_process(), OrderFlow()
    async with relaying(settings):
        await flow.append(client, 30)
        await eventually(lambda: all_published(client))
    await restart(engine, kill=False)
    await client.flushall()
    async with relaying(settings):
        await OrderFlow().append(client, 3)
        await eventually(lambda: engine_is(client, "down", "move them out of --data-dir"))
