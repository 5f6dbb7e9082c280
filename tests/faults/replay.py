"""A fresh engine that is given the whole log: its state, and every event that it tells."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import subprocess
import tempfile
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc

from gateway.client.views import event_view
from gateway.instruments import load_instruments
from gateway.stack.process import Process
from gateway.stack.services import engine_program
from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.engine.v1.engine_service_pb2_grpc import EngineServiceStub
from ordergate.log.v1.event_frame_pb2 import EventFrame
from ordergate.v1.order_entry_service_pb2 import SessionResponse
from tests.faults.evidence import Engine, Level, LogId
from tests.faults.history import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.instruments import Instruments
    from tests.faults.history import Told

_CHUNK_FRAMES = 64
_HEADER = struct.Struct("<QQQI")
"""Of a record for `ordergate-engine --replay`: ms, seq, engine time, length."""


class Frame(NamedTuple):
    """One command frame of the log."""

    id: LogId
    payload: bytes
    time_ns: int


class ReplayFailed(Exception):
    """The log can't be replayed; the message says why."""


def write_record(path: Path, frames: Sequence[Frame]) -> None:
    """Writes the log as bench/record.py does, for `ordergate-engine --replay`."""
    with path.open("wb") as file:
        for frame in frames:
            file.write(_HEADER.pack(*frame.id, frame.time_ns, len(frame.payload)) + frame.payload)


def replay_record(binary: Path, instruments: Path, record: Path, options: Sequence[str]) -> dict[str, str]:
    """What `ordergate-engine --replay` says of a recorded log.

    Raises:
        ReplayFailed: it refuses the log.
    """
    argv = [str(binary), "--instruments", str(instruments), "--replay", str(record), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise ReplayFailed(done.stderr.strip()[-500:])
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


async def replay(
    binary: Path, instruments: Path, frames: Sequence[Frame], options: Sequence[str]
) -> tuple[Engine, dict[LogId, bytes]]:
    """State of a fresh engine after all `frames`, and its event frames by id.

    Raises:
        ReplayFailed: it refuses the log.
    """
    given: dict[LogId, bytes] = {}
    async with _fresh_engine(binary, instruments, options) as channel:
        call = EngineServiceStub(channel).Apply()
        hello = pb.Hello(
            protocol=1, epoch=1, relay="replay", instruments_digest=load_instruments(instruments, 1).digest
        )
        await call.write(pb.ApplyRequest(hello=hello))
        try:
            await call.read()
            previous = pb.LogId()
            for first in range(0, len(frames), _CHUNK_FRAMES):
                chunk = frames[first : first + _CHUNK_FRAMES]
                entries = []
                for frame in chunk:
                    entry_id = pb.LogId(ms=frame.id.ms, seq=frame.id.seq)
                    entries.append(
                        pb.CommandEntry(
                            id=entry_id, previous=previous, engine_time_ns=frame.time_ns, frame=frame.payload
                        )
                    )
                    previous = entry_id
                await call.write(pb.ApplyRequest(entries=entries, published=entries[0].previous))
                while len(given) < first + len(chunk):
                    response = await call.read()
                    if response is grpc.aio.EOF:
                        raise ReplayFailed(f"{await call.code()}: {await call.details()}")
                    given |= {LogId(entry.id.ms, entry.id.seq): entry.frame for entry in response.entries}
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise ReplayFailed(f"{await call.code()}: {await call.details()}") from None
        state = await read_engine(channel)
        call.cancel()
    return state, given


async def read_engine(channel: grpc.aio.Channel) -> Engine:
    """What an engine says of itself."""
    status = await EngineServiceStub(channel).GetStatus(pb.GetStatusRequest(state_hash=True))
    last = LogId(status.last_applied.ms, status.last_applied.seq)
    return Engine(status.state_hash, last, status.commands, status.trades, status.open_orders)


async def read_books(channel: grpc.aio.Channel, instruments: Instruments) -> list[Level]:
    """All levels of all books."""
    found = []
    stub = EngineServiceStub(channel)
    for symbol, instrument in instruments.by_symbol.items():
        book = await stub.GetBook(pb.GetBookRequest(symbol=symbol))
        for side, rows in (("BUY", book.bids), ("SELL", book.asks)):
            for row in rows:
                price, quantity = (
                    instrument.price.format(row.price_ticks),
                    instrument.quantity.format(row.quantity_lots),
                )
                found.append(Level(symbol, side, _plain(price), _plain(quantity)))
    return found


def events_of(frames: dict[LogId, bytes]) -> list[Told]:
    """All events of event frames, in order of the log; each account's in its order."""
    found: list[Told] = []
    for log_id in sorted(frames):
        frame = EventFrame.FromString(frames[log_id])
        for part in frame.account_events:
            account = frame.accounts[part.account_index]
            views = SessionResponse.FromString(part.events).events
            found += [told(account, event_view(event)) for event in views]
    return found


def _plain(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


@contextlib.asynccontextmanager
async def _fresh_engine(binary: Path, instruments: Path, options: Sequence[str]) -> AsyncIterator[grpc.aio.Channel]:
    with tempfile.TemporaryDirectory(prefix="og-faults-", dir="/tmp") as name:
        folder = Path(name)
        program = engine_program(binary, folder / "e.sock", instruments, folder / "data", folder / "engine.log")
        process = Process(changed(program, argv=[*program.argv, *options]))
        process.start()
        try:
            await asyncio.to_thread(process.wait_ready)
            async with open_engine(f"unix:{folder}/e.sock") as channel:
                yield channel
        finally:
            process.kill()


def open_engine(address: str) -> grpc.aio.Channel:
    """A channel to an engine."""
    size = 64 * 1024 * 1024
    options = (("grpc.max_receive_message_length", size), ("grpc.max_send_message_length", size))
    return grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1), *options])
