"""`python -m bench.snapshot`: what a snapshot of a large book costs an engine that takes it, and one that loads it.

Drives a private engine as the relay does: fills a book with resting orders, goes on with frames of cancels and new
orders, one after the other, before, while and after the snapshot is written; then kills the engine and starts it anew.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import random
import shlex
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway.engine import EngineChannels
from gateway.ids import order_key
from gateway.instruments import load_instruments
from gateway.rows import CANCEL_ORDER, NEW_ORDER
from gateway.stack.process import Process
from gateway.stack.services import ROOT, engine_program, find_engine
from gateway.wire import Prepared, command_frame
from ordergate.engine.v1 import engine_service_pb2 as engine_pb
from ordergate.v1 import order_pb2

INSTRUMENTS = ROOT / "instruments.toml"
SYMBOL = "ACME"
ACCOUNTS = 100
LEVELS = 1000
"""Price levels of each side."""
FILL_FRAME = 1000
FRAME = 100
"""Commands in a frame while the snapshot is written: half of them cancels anywhere in the book."""

BASELINE_FRAMES = 500
"""As many before the snapshot, and after it."""


class Driver:
    """The one stream to an engine that has applied nothing yet."""

    def __init__(self, channels: EngineChannels) -> None:
        self._channels = channels
        self._call = channels.apply()
        self._frames = 0
        self._made = 0
        self._dice = random.Random(1)

    async def open(self) -> None:
        """Shakes hands."""
        digest = load_instruments(INSTRUMENTS).digest
        hello = engine_pb.Hello(protocol=1, epoch=1, instruments_digest=digest, relay="bench")
        await self._call.write(engine_pb.ApplyRequest(hello=hello))
        await self._read()

    async def fill(self, orders: int) -> None:
        """Enters so many orders that rest."""
        while self._made < orders:
            await self._apply([self._new() for _ in range(min(FILL_FRAME, orders - self._made))])

    async def change(self) -> float:
        """Applies one frame of cancels and new orders; seconds until its events came back."""
        commands = [self._cancel() if index % 2 else self._new() for index in range(FRAME)]
        return await self._apply(commands)

    async def last_snapshot(self) -> int:
        """Frame of the last snapshot; 0 if there is none."""
        return (await self._channels.status(timeout_s=30)).last_snapshot.ms

    async def _apply(self, commands: list[Prepared]) -> float:
        self._frames += 1
        entry = engine_pb.CommandEntry(
            id=engine_pb.LogId(ms=self._frames),
            previous=engine_pb.LogId(ms=self._frames - 1),
            engine_time_ns=self._frames * 1_000_000,
            frame=command_frame(commands, 1_000_000, "bench"),
        )
        published = engine_pb.LogId(ms=self._frames - 1)
        began = time.perf_counter()
        await self._call.write(engine_pb.ApplyRequest(entries=[entry], published=published))
        await self._read()
        return time.perf_counter() - began

    async def _read(self) -> None:
        response = await self._call.read()
        if not isinstance(response, engine_pb.ApplyResponse):
            raise SystemExit(f"the engine ended the stream: {await self._call.details()}")

    def _new(self) -> Prepared:
        number, self._made = self._made, self._made + 1
        side = order_pb2.SIDE_BUY if number % 2 else order_pb2.SIDE_SELL
        away = 1 + self._dice.randrange(LEVELS)
        price = 20_000 - away if number % 2 else 20_000 + away
        body = (SYMBOL, side, order_pb2.ORDER_TYPE_LIMIT, order_pb2.TIME_IN_FORCE_GTC, 0, price, 1 + number % 9)
        return _prepared(NEW_ORDER, _account(number), f"order-{number}", body)

    def _cancel(self) -> Prepared:
        number, target = self._made, self._dice.randrange(self._made)
        self._made += 1
        account = _account(target)
        return _prepared(CANCEL_ORDER, account, f"cancel-{number}", order_key(account, f"order-{target}"))


def _account(number: int) -> str:
    return f"account-{number % ACCOUNTS}"


def _prepared(kind: int, account: str, command_id: str, body: tuple[Any, ...] | bytes) -> Prepared:
    key = order_key(account, command_id)
    return Prepared(
        kind=kind,
        key=key,
        command_id=command_id,
        account=account,
        received_ns=1_000_000,
        level=0,
        valid_until_ns=0,
        shard=0,
        order_id="",
        body=body,
    )


def _logged(engine: Process, event: str) -> dict[str, str]:
    """Values of the last log line of this event."""
    lines = [line for line in engine.program.log.read_text().splitlines() if f" event={event} " in line]
    return dict(word.split("=", 1) for word in shlex.split(lines[-1]) if "=" in word)


def _percentiles(label: str, times: list[float]) -> str:
    times = sorted(times)
    p50, p99 = (times[int(len(times) * part)] * 1e3 for part in (0.5, 0.99))
    return f"{label:<34} {len(times):>6} frames   p50 {p50:.2f} ms   p99 {p99:.2f} ms   max {times[-1] * 1e3:.2f} ms"


async def _drive(engine: Process, address: str, orders: int) -> str:
    """Takes one snapshot; its figures."""
    async with EngineChannels(address, 2) as channels:
        driver = Driver(channels)
        await driver.open()
        await driver.fill(orders)
        before = [await driver.change() for _ in range(BASELINE_FRAMES)]
        during = []
        while not await driver.last_snapshot():
            during += [await driver.change() for _ in range(10)]
        after = [await driver.change() for _ in range(BASELINE_FRAMES)]
    taken = _logged(engine, "snapshot")
    return "\n".join(
        (
            f"snapshot of {orders} resting orders: the engine's thread stood still for {taken['pause_us']} µs; "
            f"{int(taken['bytes']) / 1e6:.0f} MB on disk after {taken['seconds']} s",
            _percentiles(f"{FRAME} commands, before it", before),
            _percentiles(f"{FRAME} commands, while it was written", during),
            _percentiles(f"{FRAME} commands, after it", after),
        )
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000, help="resting orders (default: %(default)s)")
    orders = parser.parse_args().orders
    with tempfile.TemporaryDirectory(prefix="og-") as folder:
        home = Path(folder)
        program = engine_program(find_engine(), home / "engine.sock", INSTRUMENTS, home / "data", home / "engine.log")
        every = ("--snapshot-every", str(orders + BASELINE_FRAMES * FRAME))
        engine = Process(dataclasses.replace(program, argv=[*program.argv, *every]))
        try:
            engine.start()
            engine.wait_ready()
            print(asyncio.run(_drive(engine, f"unix:{home}/engine.sock", orders)))
            engine.kill()
            engine.start()
            engine.wait_ready()
            print(f"loaded by a new engine in {_logged(engine, 'snapshot_loaded')['seconds']} s")
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
