"""Snapshots of a real engine: what they are of, when they may be used, and what a restart makes of them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import grpc
import pytest
from engine_driver import INSTRUMENTS, Engine, run_engine, running_engine
from engine_frames import BUY, SELL, Cancel, New, entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from ordergate.engine.v1 import engine_service_pb2 as pb

pytestmark = pytest.mark.integration

EVERY = ("--snapshot-every", "1000")


def flow(frames: int, commands: int = 100) -> list[pb.CommandEntry]:
    """Entries 1 to `frames`: orders of three accounts that trade, and cancels."""
    dice = random.Random(3)
    made = []
    for number in range(1, frames + 1):
        frame: list[New | Cancel] = []
        for index in range(commands):
            account = dice.choice(("alice", "bob", "carol"))
            if dice.random() < 0.2:
                frame.append(Cancel(f"c{number}-{index}", f"o{dice.randint(1, number)}-{index}", account))
            else:
                side, price = dice.choice((BUY, SELL)), dice.randint(9_990, 10_010)
                frame.append(New(f"o{number}-{index}", side, price, dice.randint(1, 9), account=account))
        made.append(entry(number, frame))
    return made


@contextlib.asynccontextmanager
async def life(directory: Path, *options: str) -> AsyncIterator[Engine]:
    """One life of the engine whose data are in `directory`."""
    async with running_engine(directory, *options) as engine:
        yield engine


async def frames_of(engine: Engine, entries: Sequence[pb.CommandEntry], published: int = 0) -> list[bytes]:
    """The event frames of `entries`, all of which are confirmed as published."""
    epoch = (await engine.status(state_hash=False)).epoch + 1
    stream = await engine.open(epoch=epoch, published=published)
    await stream.send(*entries)
    frames = [e.frame for e in await stream.receive(len(entries))]
    await stream.send(published=entries[-1].id.ms)
    return frames


async def snapshot_of(engine: Engine, number: int) -> None:
    """Waits until the engine has a snapshot of entry `number`, or a later one."""
    async with asyncio.timeout(10):
        while (await engine.status(state_hash=False)).last_snapshot.ms < number:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def ended(engine: Engine) -> int:
    """Exit status after SIGTERM."""
    engine.terminate()
    return await asyncio.wait_for(engine.process.wait(), 10)


async def test_killed_engine_goes_on_from_its_snapshot_and_tells_what_a_straight_run_tells(tmp_path: Path) -> None:
    entries = flow(60)
    async with life(tmp_path / "straight", "--snapshot-every", "0") as engine:
        straight = await frames_of(engine, entries)
        state = (await engine.status()).state_hash
    async with life(tmp_path, *EVERY) as engine:
        told = await frames_of(engine, entries[:30])
        await snapshot_of(engine, 30)
        told += await frames_of(engine, entries[30:35], published=30)
        await engine.kill()
    async with life(tmp_path, *EVERY) as engine:
        assert engine.logged("snapshot_loaded")[0]["frame"] == "30-0"
        assert engine.ready["frame"] == "30-0"
        stream = await engine.open(published=35)
        assert stream.welcome.last_applied.ms == 30
        stream.cancel()
        await (replay := await engine.open(epoch=2, published=35)).send(*entries[30:])
        told += [e.frame for e in await replay.receive(25)]
        assert (await engine.status()).state_hash == state
    assert told == straight


async def test_sigterm_takes_a_snapshot_from_which_no_old_frame_is_applied(tmp_path: Path) -> None:
    entries = flow(12)
    async with life(tmp_path) as engine:
        told = await frames_of(engine, entries[:10])
        before = await engine.status()
        assert before.last_snapshot.ms == 0
        assert await ended(engine) == 0
    assert engine.logged("stopped")[0] == {"last_applied": "10-0", "last_snapshot": "10-0"}
    async with life(tmp_path) as engine:
        status = await engine.status()
        assert (status.state_hash, status.commands) == (before.state_hash, before.commands)
        assert status.last_snapshot.ms == status.last_applied.ms == status.last_published.ms == 10
        told += await frames_of(engine, entries[10:], published=10)
    async with life(tmp_path / "straight") as engine:
        assert await frames_of(engine, entries) == told


async def test_sigterm_with_nothing_new_takes_no_snapshot(tmp_path: Path) -> None:
    async with life(tmp_path) as engine:
        await frames_of(engine, flow(3))
        assert await ended(engine) == 0
    files = sorted((tmp_path / "engine").iterdir())
    async with life(tmp_path) as engine:
        began = asyncio.get_running_loop().time()
        assert await ended(engine) == 0
        assert asyncio.get_running_loop().time() - began < 1.5
    assert sorted((tmp_path / "engine").iterdir()) == files


async def test_drain_applies_no_more_frames_and_waits_for_the_relay_to_confirm(tmp_path: Path) -> None:
    entries = flow(6)
    async with life(tmp_path) as engine:
        stream = await engine.open()
        await stream.send(*entries[:4])
        await stream.receive(4)
        engine.terminate()
        await asyncio.sleep(0.3)
        await stream.send(*entries[4:])
        await stream.send(published=3)
        await asyncio.sleep(0.3)
        assert engine.process.returncode is None, "one frame is not confirmed yet"
        await stream.send(published=4)
        assert await stream.status() == (grpc.StatusCode.UNAVAILABLE, "the engine is shutting down")
        assert await asyncio.wait_for(engine.process.wait(), 10) == 0
    assert engine.logged("stopped")[0] == {"last_applied": "4-0", "last_snapshot": "4-0"}


async def test_drain_ends_in_time_without_confirmations_and_says_where_the_last_snapshot_stands(tmp_path: Path) -> None:
    entries = flow(6)
    async with life(tmp_path) as engine:
        await frames_of(engine, entries[:2])
        assert await ended(engine) == 0
    async with life(tmp_path) as engine:
        stream = await engine.open(published=2)
        await stream.send(*entries[2:])
        await stream.receive(4)
        assert await ended(engine) == 0
    (line,) = engine.logged("no_last_snapshot")
    assert (line["last_applied"], line["last_published"], line["last_snapshot"]) == ("6-0", "2-0", "2-0")
    async with life(tmp_path) as engine:
        assert engine.ready["frame"] == "2-0"


async def test_snapshot_is_kept_only_once_its_events_are_published(tmp_path: Path) -> None:
    async with life(tmp_path, *EVERY) as engine:
        stream = await engine.open()
        await stream.send(*flow(10))
        await stream.receive(10)
        await asyncio.sleep(0.5)
        assert (await engine.status()).last_snapshot.ms == 0
        assert not list((tmp_path / "engine").glob("*.snapshot"))
        await stream.send(published=9)
        await asyncio.sleep(0.2)
        assert not list((tmp_path / "engine").glob("*.snapshot"))
        await stream.send(published=10)
        await snapshot_of(engine, 10)
        assert [path.name for path in (tmp_path / "engine").glob("*.snapshot")] == [
            "0-00000000000000000010-00000000000000000000.snapshot"
        ]


async def test_damaged_snapshot_is_skipped_by_name_and_the_older_one_used(tmp_path: Path) -> None:
    entries = flow(40)
    async with life(tmp_path, *EVERY) as engine:
        for number in (10, 20, 30):
            await frames_of(engine, entries[number - 10 : number], published=number - 10)
            await snapshot_of(engine, number)
        await engine.kill()
    older, newest = sorted((tmp_path / "engine").glob("*.snapshot"))
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    async with life(tmp_path, *EVERY) as engine:
        (line,) = engine.logged("snapshot_skipped")
        assert line == {"file": str(newest), "reason": "it is damaged: its CRC does not fit"}
        assert engine.logged("snapshot_loaded")[0]["file"] == str(older)
        assert engine.ready["frame"] == "20-0"
        await engine.kill()
    older.write_bytes(older.read_bytes()[:-1])
    async with life(tmp_path, *EVERY) as engine:
        assert len(engine.logged("snapshot_skipped")) == 2
        assert engine.logged("no_good_snapshot")
        assert engine.ready["frame"] == "0-0"


@pytest.mark.parametrize("option", ["--orders-max", "--ended-orders", "--ids-window", "--ids-age"])
async def test_snapshot_of_another_configuration_is_skipped(tmp_path: Path, option: str) -> None:
    async with life(tmp_path) as engine:
        await frames_of(engine, flow(2))
        assert await ended(engine) == 0
    async with life(tmp_path, option, "2000") as engine:
        assert "it is of another configuration" in engine.logged("snapshot_skipped")[0]["reason"]
        assert engine.ready["frame"] == "0-0"


async def test_log_that_ends_before_the_snapshot_is_data_loss(tmp_path: Path) -> None:
    async with life(tmp_path) as engine:
        await frames_of(engine, flow(5))
        assert await ended(engine) == 0
    async with life(tmp_path) as engine:
        stream = engine.stream()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stream.open(engine.hello(published=4))
    assert refused.value.code() is grpc.StatusCode.DATA_LOSS
    assert "its snapshot of frame 5-0, but events are published only up to 4-0" in str(refused.value.details())


async def test_directory_of_another_engine_is_refused_by_name(tmp_path: Path) -> None:
    async with life(tmp_path):
        arguments = ["--instruments", str(INSTRUMENTS), "--listen", f"unix:{tmp_path}/other.sock"]
        done = run_engine([*arguments, "--data-dir", f"{tmp_path}/engine"])
        assert done.returncode == 2
        assert f"--data-dir: {tmp_path}/engine is in use by another engine of shard 0" in done.stderr


async def test_without_a_directory_nothing_is_kept(tmp_path: Path) -> None:
    async with life(tmp_path, "--data-dir", "", *EVERY) as engine:
        await frames_of(engine, flow(20))
        assert await ended(engine) == 0
    assert engine.logged("stopped")[0]["last_snapshot"] == "0-0"
    assert not (tmp_path / "engine").exists()
