"""Drives a real `ordergate-engine` as a relay would: sends entries, reads event frames back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.engine.v1 import engine_service_pb2_grpc as pb_grpc
from ordergate.log.v1.event_frame_pb2 import EventFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

ROOT = Path(__file__).resolve().parents[2]
INSTRUMENTS = ROOT / "instruments.toml"


def engine_binary() -> Path:
    """The binary under test: ORDERGATE_ENGINE_BINARY, or the release build, made here if CMake can."""
    given = os.environ.get("ORDERGATE_ENGINE_BINARY")
    if given:
        return Path(given)
    built = ROOT / "build/engine/ordergate-engine"
    if not built.exists():
        if not shutil.which("cmake"):
            raise FileNotFoundError(f"{built} is not there and cmake is not installed; `make setup` installs it")
        where = ROOT / "engine"
        flags = ["-DORDERGATE_ENGINE_TESTS=OFF"]
        subprocess.run(["cmake", "--preset", "release", *flags], cwd=where, check=True, capture_output=True)
        subprocess.run(["cmake", "--build", "--preset", "release"], cwd=where, check=True, capture_output=True)
    return built


class Apply:
    """One Apply stream."""

    def __init__(self, stub: pb_grpc.EngineServiceAsyncStub) -> None:
        self._call = stub.Apply()
        self.welcome: pb.Welcome | None = None
        self.applied = 0
        """`ms` of the last progress report."""
        self.next_expiry_ns = 0
        """When the next order is due to expire, as last told."""

    async def open(self, hello: pb.Hello) -> pb.Welcome:
        await self._call.write(pb.ApplyRequest(hello=hello))
        response = await self._read()
        self.backlog = list(response.entries)
        assert response.HasField("welcome")
        return response.welcome

    async def _read(self) -> pb.ApplyResponse:
        response = await self._call.read()
        if response is grpc.aio.EOF:
            raise AssertionError(f"the stream ended: {await self._call.code()} {await self._call.details()}")
        if response.HasField("applied"):
            self.applied = response.applied.ms
        self.next_expiry_ns = response.next_expiry_ns
        return response

    async def send(self, *entries: pb.CommandEntry, published: int = 0) -> None:
        request = pb.ApplyRequest(entries=entries)
        if published:
            request.published.ms = published
        await self._call.write(request)

    async def receive(self, count: int) -> list[pb.EventEntry]:
        """The next `count` event frames."""
        while len(self.backlog) < count:
            self.backlog += (await self._read()).entries
        taken, self.backlog = self.backlog[:count], self.backlog[count:]
        return taken

    async def expiry(self, at_ns: int) -> None:
        """Waits until the engine says that the next order expires at `at_ns`."""
        while self.next_expiry_ns != at_ns:
            self.backlog += (await self._read()).entries

    async def progress(self, number: int) -> None:
        """Waits until the engine reports that it has applied entry `number`."""
        while self.applied < number:
            await self._read()

    async def apply(self, *entries: pb.CommandEntry) -> list[EventFrame]:
        await self.send(*entries)
        return [EventFrame.FromString(e.frame) for e in await self.receive(len(entries))]

    async def half_close(self) -> None:
        await self._call.done_writing()

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await self._call.read() is not grpc.aio.EOF:
                pass
        return await self._call.code(), await self._call.details()

    def cancel(self) -> None:
        self._call.cancel()


@dataclass
class Engine:
    """A running engine."""

    process: asyncio.subprocess.Process
    address: str
    digest: str
    channel: grpc.aio.Channel
    ready: dict[str, str]
    """What its line `ready` says."""
    lines: list[str]
    """What it has written to stderr; whole when it has ended."""
    streams: list[Apply] = field(default_factory=list)

    @property
    def stub(self) -> pb_grpc.EngineServiceAsyncStub:
        return pb_grpc.EngineServiceStub(self.channel)  # type: ignore[return-value]

    def logged(self, event: str) -> list[dict[str, str]]:
        """The values of each log line of this event so far."""
        lines = [dict(word.split("=", 1) for word in shlex.split(line) if "=" in word) for line in self.lines]
        return [
            {key: value for key, value in words.items() if key not in {"level", "event"}}
            for words in lines
            if words.get("event") == event
        ]

    def hello(self, epoch: int = 1, published: int = 0, relay: str = "r1", **other: object) -> pb.Hello:
        values = {"protocol": 1, "instruments_digest": self.digest, "last_published": pb.LogId(ms=published)}
        return pb.Hello(epoch=epoch, relay=relay, **(values | other))  # type: ignore[arg-type]

    def stream(self) -> Apply:
        self.streams.append(Apply(self.stub))
        return self.streams[-1]

    async def open(self, epoch: int = 1, published: int = 0, **other: object) -> Apply:
        stream = self.stream()
        stream.welcome = await stream.open(self.hello(epoch, published, **other))
        return stream

    async def status(self, state_hash: bool = True) -> pb.GetStatusResponse:
        return await self.stub.GetStatus(pb.GetStatusRequest(state_hash=state_hash))

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def running_engine(
    directory: Path,
    *options: str,
    listen: str = "",
    instruments: Path = INSTRUMENTS,
    credentials: grpc.ChannelCredentials | None = None,
) -> AsyncIterator[Engine]:
    """A private engine, by default on a unix socket under `directory`; gone at the end."""
    listen = listen or f"unix:{directory}/engine.sock"
    arguments = ["--listen", listen, "--instruments", str(instruments), *options]
    if "--data-dir" not in options:
        arguments += ["--data-dir", f"{directory}/engine"]
    process = await asyncio.create_subprocess_exec(
        str(engine_binary()), *arguments, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    lines: list[str] = []
    ready = await _ready_line(process, lines)
    words = dict(word.split("=", 1) for word in ready.split() if "=" in word)
    drain = asyncio.create_task(_drain(process, lines), name="engine-stderr")
    channel = open_channel(words["listen"], credentials)
    engine = Engine(process, words["listen"], words["digest"], channel, words, lines)
    try:
        yield engine
    finally:
        for stream in engine.streams:
            stream.cancel()
        await channel.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
        await drain


def open_channel(
    address: str, credentials: grpc.ChannelCredentials | None = None, *more: tuple[str, int]
) -> grpc.aio.Channel:
    """A connection of its own, not shared with other channels; `more` options of gRPC."""
    options = [("grpc.use_local_subchannel_pool", 1), *more]
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


async def _ready_line(process: asyncio.subprocess.Process, lines: list[str]) -> str:
    assert process.stderr
    async for raw in process.stderr:
        lines.append(raw.decode())
        if lines[-1].startswith("ordergate-engine ready"):
            return lines[-1]
    raise AssertionError(f"the engine ended with {await process.wait()}: {''.join(lines)}")


async def _drain(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stderr
    while raw := await process.stderr.readline():
        lines.append(raw.decode())


def run_engine(arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Runs the engine to its end."""
    command = [str(engine_binary()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
