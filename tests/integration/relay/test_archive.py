"""An engine that needs what Redis has trimmed: fed from Postgres, until it meets the streams."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.integration.relay.conftest import (
    INSTRUMENTS,
    KEYS,
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
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(settings: Settings, postgres_dsn: str) -> Settings:
    # A lease that a busy machine does not lose: each session begins the rebuilding anew.
    return dataclasses.replace(settings, postgres_dsn=postgres_dsn, lease_ttl_ms=10_000)


@pytest.fixture
def persister(settings: Settings) -> Iterator[None]:
    """Carries the log to Postgres meanwhile."""
    environ = {"REDIS_URL": settings.redis_url, "POSTGRES_DSN": settings.postgres_dsn, "INSTRUMENTS": str(INSTRUMENTS)}
    environ["BATCH_LINGER_MS"] = "20"
    process = subprocess.Popen(
        [sys.executable, "-m", "persistence", "--die-with-parent", "--log-level", "error"],
        env={**os.environ, **{f"ORDERGATE_{name}": value for name, value in environ.items()}},
    )
    yield
    process.kill()
    process.wait()


async def trimmed_after(client, entry_id: bytes) -> bool:
    (first,) = await client.xrange(KEYS.commands, count=1)
    return first[0] > entry_id


async def level_at(settings: Settings, client, entry_id: bytes) -> bool:
    at = (await status(settings)).last_applied
    return f"{at.ms}-{at.seq}" == entry_id.decode() and await engine_is(client, "level")


async def fill(settings: Settings, client, flow: OrderFlow) -> list[bytes]:
    """Frames until the oldest are trimmed; ids of all."""
    ids = await flow.append(client, 250)
    await eventually(lambda: level_at(settings, client, ids[-1]), 60)
    await eventually(lambda: trimmed_after(client, ids[100]), 60)
    return ids


async def test_an_engine_without_snapshots_is_rebuilt_from_postgres_up_to_the_stream(
    settings, client, new_engine_process, short_path: Path, persister, postgres_server
):
    engine, flow = new_engine_process(), OrderFlow()
    async with relaying(settings):
        ids = await fill(settings, client, flow)
        before = await status(settings)
        await asyncio.to_thread(engine.kill)
        shutil.rmtree(short_path / "engine")
        postgres_server.kill()
        engine.start()
        await asyncio.to_thread(engine.wait_ready)
        ids += await flow.append(client, 30)  # orders are taken meanwhile
        await eventually(lambda: engine_is(client, "down", "only Postgres holds"), 30)
        await asyncio.to_thread(postgres_server.restart)
        await eventually(lambda: level_at(settings, client, ids[-1]), 60)
        after = await status(settings)
        assert after.commands == before.commands + 30 * 20
        frames = [frame for _, frame, _ in await published(client)]
        assert await event_ids(client) == ids
        assert_dense(frames)
        # Once more, with nothing new: the state is that of the engine which saw it all as it came.
        await asyncio.to_thread(engine.kill)
        shutil.rmtree(short_path / "engine")
        engine.start()
        await asyncio.to_thread(engine.wait_ready)
        await eventually(lambda: level_at(settings, client, ids[-1]), 60)
        assert (await status(settings)).state_hash == after.state_hash


async def test_a_snapshot_older_than_the_stream_is_no_loss(
    settings, client, new_engine_process, short_path: Path, persister
):
    engine, flow = new_engine_process(), OrderFlow()
    async with relaying(settings):
        early = await flow.append(client, 60)
        await eventually(lambda: level_at(settings, client, early[-1]), 60)
        await eventually(lambda: snapshot_is(settings), 30)
        shutil.copytree(short_path / "engine", short_path / "old")
        ids = early + await fill(settings, client, flow)
        before = await status(settings)
        await asyncio.to_thread(engine.kill)
        shutil.rmtree(short_path / "engine")
        shutil.copytree(short_path / "old", short_path / "engine")
        engine.start()
        await asyncio.to_thread(engine.wait_ready)
        await eventually(lambda: level_at(settings, client, ids[-1]), 60)
        after = await status(settings)
    assert (after.state_hash, after.commands, after.trades) == (before.state_hash, before.commands, before.trades)
    assert await event_ids(client) == ids


async def snapshot_is(settings: Settings) -> bool:
    return (await status(settings)).last_snapshot.ms > 0


async def test_an_archive_with_a_hole_is_refused(settings, client, new_engine_process, short_path: Path, persister):
    """An engine that misses a frame would come to another state, and nobody would see it."""
    engine, flow = new_engine_process(), OrderFlow()
    async with relaying(settings):
        ids = await fill(settings, client, flow)
        await asyncio.to_thread(engine.kill)
        shutil.rmtree(short_path / "engine")
        connection = await asyncpg.connect(settings.postgres_dsn)
        ms, _, seq = ids[50].decode().partition("-")
        await connection.execute("DELETE FROM command_frames WHERE ms = $1 AND seq = $2", int(ms), int(seq))
        await connection.close()
        engine.start()
        await asyncio.to_thread(engine.wait_ready)
        await eventually(lambda: engine_is(client, "down", "the archive is not whole"), 30)
