"""Fixtures: settings of a relay on a private Redis, relays in this process, an engine that can be scripted."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.engine import EngineChannels
from gateway.instruments import load_instruments
from gateway.redis_client import open_commands
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.stack.process import Process
from gateway.stack.services import engine_program
from gateway.streams import Keys
from tests.integration.relay.scripted_engine import ScriptedEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from redis.asyncio import Redis

    from ordergate.engine.v1 import engine_service_pb2 as pb

INSTRUMENTS = Path(__file__).parents[3] / "instruments.toml"
KEYS = Keys(0)


@pytest.fixture
def settings(redis_url: str, short_path: Path) -> Settings:
    return Settings(
        redis_url=redis_url,
        engine=f"unix:{short_path}/engine.sock",
        instruments=INSTRUMENTS,
        lease_ttl_ms=600,
        relay_window_frames=16,
        append_timeout_s=1.0,
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Redis]:
    async with open_commands(settings) as redis:
        yield redis


@pytest.fixture
async def new_engine(short_path: Path) -> AsyncIterator[Callable[[], ScriptedEngine]]:
    """Makes engines on the one socket; started by the test, ended after it."""
    made: list[ScriptedEngine] = []

    def make(**options: int) -> ScriptedEngine:
        made.append(ScriptedEngine(short_path / "engine.sock", load_instruments(INSTRUMENTS).digest, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.speak()
        await engine.kill()


@pytest.fixture
def new_engine_process(engine_binary: Path, short_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts engines on the one socket, each with its own folder of data; ended after the test."""
    made: list[Process] = []

    def start(name: str = "engine") -> Process:
        socket, data, log = short_path / "engine.sock", short_path / name, short_path / f"{name}.log"
        program = engine_program(engine_binary, socket, INSTRUMENTS, data, log)
        made.append(Process(dataclasses.replace(program, argv=[*program.argv, "--snapshot-every", "1000"])))
        made[-1].start()
        made[-1].wait_ready()
        return made[-1]

    yield start
    for process in made:
        process.stop()


@asynccontextmanager
async def relaying(settings: Settings, name: str = "test", **changes: object) -> AsyncIterator[Relay]:
    """A relay at work in this process; drained at the end."""
    relay = Relay(dataclasses.replace(settings, **changes), 0, name)
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        await relay.drain(5)
        await running


async def add_frames(client: Redis, count: int, size: int = 100) -> list[bytes]:
    """Appends `count` frames, each of other bytes; their ids."""
    pipeline = client.pipeline(transaction=False)
    for n in range(count):
        pipeline.xadd(KEYS.commands, {"f": n.to_bytes(4, "big") * (size // 4), "n": 1})
    return await pipeline.execute()


async def eventually(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Waits until `condition` (a function, or one that gives an awaitable) holds."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value) or isinstance(value, asyncio.Future):
            value = await value
        if value:
            return
        assert asyncio.get_running_loop().time() < deadline, "did not come true in time"
        await asyncio.sleep(0.01)


async def published(client: Redis) -> list[tuple[bytes, bytes, bytes]]:
    """What the events stream holds: id, frame, engine time."""
    return [(entry_id, fields[b"f"], fields[b"t"]) for entry_id, fields in await client.xrange(KEYS.events)]


async def event_ids(client: Redis) -> list[bytes]:
    return [entry_id for entry_id, _, _ in await published(client)]


async def reported(client: Redis) -> dict[str, str]:
    """The relay's state; empty if there is none."""
    return {key.decode(): value.decode() for key, value in (await client.hgetall(KEYS.relay)).items()}


async def all_published(client) -> bool:
    return await client.xlen(KEYS.commands) == await client.xlen(KEYS.events)


async def engine_is(client, state: str, words: str = "") -> bool:
    report = await reported(client)
    return report.get("engine") == state and words in report["reason"]


async def status(settings: Settings) -> pb.GetStatusResponse:
    """State of the engine, with its hash."""
    async with EngineChannels(settings.engine, 1) as channels:
        return await channels.status(timeout_s=5, state_hash=True)
