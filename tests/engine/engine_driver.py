"""Drives a real `ordergate-engine` as a relay would: command frames made by hand, event frames read back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.engine.v1 import engine_service_pb2_grpc as pb_grpc
from ordergate.log.v1.command_frame_pb2 import CommandFrame, CommandKind, Deadline
from ordergate.log.v1.event_frame_pb2 import EventFrame
from ordergate.v1.event_pb2 import OrderEvent
from ordergate.v1.order_entry_service_pb2 import SessionResponse
from ordergate.v1.order_pb2 import OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

ROOT = Path(__file__).resolve().parents[2]
INSTRUMENTS = ROOT / "instruments.toml"
BUY, SELL = Side.SIDE_BUY, Side.SIDE_SELL
GTC, IOC, FOK = TimeInForce.TIME_IN_FORCE_GTC, TimeInForce.TIME_IN_FORCE_IOC, TimeInForce.TIME_IN_FORCE_FOK
T0 = 1_800_000_000_000_000_000
"""Engine time at which the tests begin, ns."""


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


def order_id(account: str, command_id: str) -> bytes:
    """Key of a command, as protos/README.md defines it."""
    raw = bytearray(hashlib.blake2b(f"{account}\0{command_id}".encode(), digest_size=16).digest())
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


@dataclass(frozen=True)
class New:
    """A new order; price in ticks (0: MARKET), quantity in lots."""

    command_id: str
    side: int
    price: int
    quantity: int
    tif: int = GTC
    account: str = "alice"
    symbol: str = "ACME"
    post_only: bool = False
    valid_until_ns: int = 0


@dataclass(frozen=True)
class Cancel:
    """A cancel of the account's order with this command_id."""

    command_id: str
    target: str
    account: str = "alice"
    owner: str = ""
    """Account of the order, if it is another."""
    valid_until_ns: int = 0


def command_frame(commands: Sequence[New | Cancel], queued_at_ns: int = T0) -> CommandFrame:
    """The frame that a gateway worker would write for these commands."""
    frame = CommandFrame(format=1, queued_at_ns=queued_at_ns, origin="test")
    for index, command in enumerate(commands):
        if command.account not in frame.accounts:
            frame.accounts.append(command.account)
        frame.account_index.append(list(frame.accounts).index(command.account))
        frame.keys += order_id(command.account, command.command_id)
        frame.command_ids.append(command.command_id)
        frame.age_us.append(5)
        if command.valid_until_ns:
            frame.deadlines.append(Deadline(command_index=index, valid_until_ns=command.valid_until_ns))
        if isinstance(command, Cancel):
            frame.kinds += bytes([CommandKind.COMMAND_KIND_CANCEL_ORDER])
            frame.targets += order_id(command.owner or command.account, command.target)
        else:
            _add_order(frame, command)
    return frame


def _add_order(frame: CommandFrame, order: New) -> None:
    if order.symbol not in frame.symbols:
        frame.symbols.append(order.symbol)
    market = order.price == 0
    frame.kinds += bytes([CommandKind.COMMAND_KIND_NEW_ORDER])
    frame.symbol_index.append(list(frame.symbols).index(order.symbol))
    frame.sides += bytes([order.side])
    frame.order_types += bytes([OrderType.ORDER_TYPE_MARKET if market else OrderType.ORDER_TYPE_LIMIT])
    frame.times_in_force += bytes([order.tif])
    frame.flags += bytes([order.post_only])
    frame.limit_price_ticks.append(order.price)
    frame.quantity_lots.append(order.quantity)


def entry(number: int, frame: CommandFrame | Sequence[New | Cancel], time_ns: int = 0) -> pb.CommandEntry:
    """Entry `number` (from 1) of a log whose ids are 1-0, 2-0, …"""
    if not isinstance(frame, CommandFrame):
        frame = command_frame(frame)
    return pb.CommandEntry(
        id=pb.LogId(ms=number),
        previous=pb.LogId(ms=number - 1),
        engine_time_ns=time_ns or T0 + number * 1_000_000,
        frame=frame.SerializeToString(),
    )


def events_of(frame: EventFrame) -> list[tuple[str, OrderEvent]]:
    """(account, event) of every event, in the frame's order, from the bytes that clients get."""
    queues = {part.account_index: iter(SessionResponse.FromString(part.events).events) for part in frame.account_events}
    return [(frame.accounts[index], next(queues[index])) for index in frame.account_index]


class Apply:
    """One Apply stream."""

    def __init__(self, stub: pb_grpc.EngineServiceAsyncStub) -> None:
        self._call = stub.Apply()
        self.welcome: pb.Welcome | None = None
        self.applied = 0
        """`ms` of the last progress report."""

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
    streams: list[Apply] = field(default_factory=list)

    @property
    def stub(self) -> pb_grpc.EngineServiceAsyncStub:
        return pb_grpc.EngineServiceStub(self.channel)  # type: ignore[return-value]

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
async def running_engine(directory: Path, *options: str, listen: str = "") -> AsyncIterator[Engine]:
    """A private engine, by default on a unix socket under `directory`; gone at the end."""
    listen = listen or f"unix:{directory}/engine.sock"
    arguments = ["--listen", listen, "--instruments", str(INSTRUMENTS), *options]
    process = await asyncio.create_subprocess_exec(
        str(engine_binary()), *arguments, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    ready = await _ready_line(process)
    words = dict(word.split("=", 1) for word in ready.split() if "=" in word)
    drain = asyncio.create_task(_drain(process), name="engine-stderr")
    channel = grpc.aio.insecure_channel(words["listen"], options=[("grpc.use_local_subchannel_pool", 1)])
    engine = Engine(process, words["listen"], words["digest"], channel)
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


async def _ready_line(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    seen = []
    async for raw in process.stderr:
        seen.append(raw.decode())
        if seen[-1].startswith("ordergate-engine ready"):
            return seen[-1]
    raise AssertionError(f"the engine ended with {await process.wait()}: {''.join(seen)}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr
    while await process.stderr.read(65_536):
        pass


def run_engine(arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Runs the engine to its end."""
    command = [str(engine_binary()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
