"""A recorded log, replayed by the engine's program, gives the live engine's state."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import grpc
import pytest
import redis

from bench.record import RecordError, record
from gateway.client import AckLevel, OrderClient
from gateway.stack.services import ROOT
from ordergate.engine.v1 import engine_service_pb2, engine_service_pb2_grpc
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.stack import RunningStack

pytestmark = pytest.mark.e2e

TAPE = """\
add,1,B,10000,200000000
add,2,S,10100,100000000
new,3,B,10100,50000000,POST
new,4,S,0,50000000,IOC
fill,1,10000,50000000
cut,1,100000000
new,5,S,10000,300000000,GTC
fill,1,10000,100000000
"""


def replay(binary: Path, path: Path) -> dict[str, str]:
    command = [binary, "--instruments", ROOT / "instruments.toml", "--replay", path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


async def settled_status(address: str) -> engine_service_pb2.GetStatusResponse:
    """The live engine's, once all that it has applied is published."""
    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(30):
        stub = engine_service_pb2_grpc.EngineServiceStub(channel)
        while True:
            status = await stub.GetStatus(engine_service_pb2.GetStatusRequest(state_hash=True))
            if status.last_published == status.last_applied:
                return status
            await asyncio.sleep(0.05)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def demo(stack: RunningStack, tape: Path, *options: object) -> subprocess.CompletedProcess[str]:
    where = ("--address", stack.address, "--postgres-dsn", stack.postgres_dsn, "--token", stack.token("r-1", "r-2"))
    argv = [sys.executable, "-m", "bench.demo", "--part", "tape", "--tape", tape, "--json", tape.with_suffix(".json")]
    words = [*map(str, argv), *where, *map(str, options)]
    return run(words)


async def trim(stack: RunningStack, frames: int) -> None:
    """Leaves the last frame only in Redis, as soon as Postgres holds all of them with their engine times."""
    connection = await asyncpg.connect(stack.postgres_dsn)

    async def archived() -> bool:
        return bool(await connection.fetchval("SELECT count(engine_time_ns) FROM command_frames") == frames)

    await until(archived)
    await connection.close()
    with redis.Redis.from_url(stack.redis_url) as client:
        for stream in ("commands", "times"):
            client.xtrim(f"og:{{0}}:{stream}", maxlen=1, approximate=False)


async def test_a_replay_of_the_recorded_log_ends_in_the_live_engines_state(
    stack_factory: Callable[..., RunningStack], engine_binary: Path, tmp_path: Path
) -> None:
    stack = stack_factory()
    tape, path = tmp_path / "tape.txt", tmp_path / "commands.log"
    tape.write_text(TAPE)
    done = await asyncio.to_thread(demo, stack, tape)
    assert done.returncode == 0, done.stdout + done.stderr
    async with OrderClient(stack.address, token=stack.token("r-1")) as client:
        await client.mass_cancel(account="r-1", ack_level=AckLevel.ENGINE)
    status = await settled_status(stack.facts["engine"])
    frames = await record(stack.redis_url, path)
    assert frames > 1
    recorded = path.read_bytes()
    await trim(stack, frames)
    assert await record(stack.redis_url, path, postgres_dsn=stack.postgres_dsn) == frames
    assert path.read_bytes() == recorded
    for _ in range(2):
        found = replay(engine_binary, path)
        assert found["state_hash"] == status.state_hash
        assert (found["frames"], found["commands"], found["trades"]) == (str(frames), str(status.commands), "2")


async def test_the_program_says_what_it_has_recorded_and_why_it_has_not(stack: RunningStack, tmp_path: Path) -> None:
    path = tmp_path / "commands.log"
    async with OrderClient(stack.address, token=stack.token("r-3")) as client:
        await client.mass_cancel(account="r-3", ack_level=AckLevel.ENGINE)
    argv = [sys.executable, "-m", "bench.record", "--out", str(path), "--redis-url"]
    for shard, status, text in (("0", 0, f"{path}: "), ("9", 2, "there is no log")):
        command = [*argv, stack.redis_url, "--shard", shard]
        done = await asyncio.to_thread(run, command)
        assert done.returncode == status
        assert text in done.stdout + done.stderr


async def test_a_log_without_its_beginning_is_refused(redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(3):
            client.xadd("og:{7}:commands", {"f": b"x", "n": 1})
        client.xtrim("og:{7}:commands", maxlen=2, approximate=False)
    path = tmp_path / "commands.log"
    with pytest.raises(RecordError, match=r"shard 7 .*: the first 1 frames are trimmed"):
        await record(redis_url, path, shard=7)
    with pytest.raises(RecordError, match=r"shard 8 .*: there is no log"):
        await record(redis_url, path, shard=8)
    with pytest.raises(RecordError, match="shard 0"):
        await record("redis://127.0.0.1:1/0", path)
    assert not await asyncio.to_thread(lambda: [*tmp_path.iterdir()])


def test_the_demo_records_its_own_stack_only(stack: RunningStack, tmp_path: Path) -> None:
    tape = tmp_path / "tape.txt"
    tape.write_text(TAPE)
    done = demo(stack, tape, "--record", tmp_path / "x")
    assert done.returncode == 2
    assert "python -m bench.record" in done.stderr
