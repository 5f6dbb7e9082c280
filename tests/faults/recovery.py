"""`python -m tests.faults.recovery`: how long it takes to be back, on this machine, beside the goals.

relay takeover       kill -9 of the leading relay, to the engine's verdict on an order sent after it
persister takeover   kill -9 of the active persister, to the PERSISTED ack of an order sent after it
engine restart       kill -9 of the engine with a million commands behind it, to the verdict on an order sent after it:
                     with its snapshots, and with nothing but the log
client resume        a session that missed 100,000 events, to the last of them: from Redis, and from Postgres
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from gateway.client import AckLevel, OrderClient, OrdergateError, SessionOptions, Side, TimeInForce
from gateway.stack.process import StackError
from gateway.streams import Cursor, Keys, LogId
from tests.faults.bulk import FRAME_COMMANDS, write_commands
from tests.faults.nemesis import active_persister
from tests.faults.rig import Rig, RigOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

COMMANDS = 1_000_000
EVENTS = 100_000
RUNS = 5
_PATIENCE_S = 600.0
_RESUME_S = 60.0
_STEADY_S = 21.0
"""A service that has lived so long is started again with the supervisor's shortest wait (0.2 s); else that doubles."""
_SETTLE_S = 3.0
"""Time between two kills, so that what was killed is there again."""


class Measured:
    """What was measured: name, goal and figures in seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.rows: list[tuple[str, float, list[float]]] = []

    def add(self, name: str, goal_s: float, figures: list[float]) -> None:
        """Adds figures, and says them."""
        self.rows.append((name, goal_s, figures))
        self._console.print(f"{name}: {', '.join(f'{figure:.2f} s' for figure in figures)}", highlight=False)

    @property
    def missed(self) -> int:
        """Rows whose worst figure is above the goal."""
        return sum(max(figures) > goal_s for _, goal_s, figures in self.rows)

    def table(self) -> Table:
        """All of it."""
        table = Table(title="Recovery times (s)", title_justify="left")
        table.add_column("what")
        for name in ("goal", "p50", "max", "runs"):
            table.add_column(name, justify="right")
        for name, goal_s, figures in self.rows:
            worst = f"{max(figures):.2f}" + ("" if max(figures) <= goal_s else " missed")
            table.add_row(name, f"≤ {goal_s:g}", f"{median(figures):.2f}", worst, str(len(figures)))
        return table


class Measurement:
    """All measurements on one stack, without proxies."""

    def __init__(self, rig: Rig, measured: Measured, say: Callable[[str], None]) -> None:
        self._rig = rig
        self._measured = measured
        self._say = say
        self._count = 0

    async def run(self, commands: int, runs: int) -> None:
        """Measures all of it."""
        async with OrderClient(self._rig.address, token=self._rig.token(["probe", "load"]), timeout_s=60) as client:
            await self._takeovers("relay takeover", AckLevel.ENGINE, self._rig.relay_holder, client, runs)
            await self._takeovers("persister takeover", AckLevel.PERSISTED, self._persister, client, runs)
            await self._load(commands)
            await self._restarts(client, commands, runs)
            await self._resumes()

    async def _persister(self) -> int:
        return self._rig.pid(await asyncio.to_thread(active_persister, self._rig))

    async def _takeovers(
        self, name: str, level: AckLevel, find: Callable[[], Awaitable[int | None]], client: OrderClient, runs: int
    ) -> None:
        figures = []
        for _ in range(runs):
            await self._order(client, level)
            await asyncio.sleep(_SETTLE_S)
            pid = await find()
            assert pid is not None
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            await self._order(client, level)
            figures.append(time.monotonic() - began)
        self._measured.add(name, 3.0, figures)

    async def _order(self, client: OrderClient, level: AckLevel) -> None:
        """A new order, to its ack at `level`; tries again with the same id while it is not reached."""
        self._count += 1
        while True:
            with contextlib.suppress(OrdergateError):
                await client.submit(
                    symbol="BUND", side=Side.BUY, quantity=1, price="1.000", time_in_force=TimeInForce.IOC,
                    account="probe", command_id=f"probe-{self._count}", ack_level=level,
                )  # fmt: skip
                return
            await asyncio.sleep(0.01)

    async def _load(self, commands: int) -> None:
        self._say(f"writing {commands:,} commands")
        began = time.monotonic()
        client = Redis.from_url(self._rig.redis_url)
        try:
            await write_commands(client, "load", commands)
            self._say(f"written after {time.monotonic() - began:.1f} s; they go through engine and persister")
            await self._level(client)
        finally:
            await client.aclose()
        self._say(f"all of them are in Postgres {time.monotonic() - began:.1f} s after the first was written")

    async def _level(self, client: Redis) -> None:
        """Until Postgres holds the whole log."""
        deadline = time.monotonic() + _PATIENCE_S
        keys = Keys(0)
        while time.monotonic() < deadline:
            last = (await client.xinfo_stream(keys.commands))["last-generated-id"]
            with contextlib.suppress(RedisError):
                if await client.hget(keys.persisted, "events") == last:
                    return
            await asyncio.sleep(0.2)
        raise StackError(f"the log was not level after {_PATIENCE_S:.0f} s: see {self._rig.home.log}")

    async def _restarts(self, client: OrderClient, commands: int, runs: int) -> None:
        behind = f"engine restart, {commands:,} commands behind it"
        for name, keep in ((f"{behind}, snapshot and log", True), (f"{behind}, without snapshots", False)):
            figures = []
            for _ in range(runs):
                await self._order(client, AckLevel.ENGINE)
                await asyncio.sleep(_STEADY_S)
                if not keep:
                    self._remove_snapshots()
                began = time.monotonic()
                os.kill(self._rig.pid("engine"), signal.SIGKILL)
                await self._order(client, AckLevel.ENGINE)
                figures.append(time.monotonic() - began)
            self._measured.add(name, 5.0, figures)

    def _remove_snapshots(self) -> None:
        for path in (self._rig.root / "engine").iterdir():
            path.unlink()

    async def _resumes(self) -> None:
        client = Redis.from_url(self._rig.redis_url)
        try:
            cursor, missed, last = await self._missed(client)
            name = f"client resume, {missed:,} events missed"
            self._measured.add(f"{name}, from Redis", 3.0, [await self._resume(cursor, missed) for _ in range(3)])
            # What Postgres holds may be trimmed, all but the last event frame, which the relay asks for.
            await client.xtrim(Keys(0).events, minid=last, approximate=False)
            self._measured.add(f"{name}, from Postgres", 3.0, [await self._resume(cursor, missed) for _ in range(3)])
        finally:
            await client.aclose()

    async def _missed(self, client: Redis) -> tuple[str, int, str]:
        """A cursor with at least `EVENTS` events of the account after it, how many, and the last frame's id."""
        count, upto, last = 0, "+", ""
        while page := await client.xrevrange(Keys(0).events, upto, "-", 50):
            for raw, fields in page:
                last = last or raw.decode()
                if count >= EVENTS:
                    return str(Cursor(0, LogId.parse(raw), Cursor.END_OF_FRAME)), count, last
                if int(fields[b"n"]) >= FRAME_COMMANDS:  # a frame of the load; the others are the probe's
                    count += int(fields[b"n"])
            upto = f"({page[-1][0].decode()}"
        raise StackError(f"Redis holds {count} events of the load only")

    async def _resume(self, cursor: str, missed: int) -> float:
        options = SessionOptions(accounts=("load",), after=cursor, event_buffer=2 * EVENTS)
        began, seen = time.monotonic(), 0
        token = self._rig.token(["load"])
        async with (
            asyncio.timeout(_RESUME_S),
            OrderClient(self._rig.address, token=token) as client,
            client.session(options) as session,
        ):
            async for batch in session.event_batches():
                seen += len(batch)
                if seen >= missed:
                    return time.monotonic() - began
        raise StackError("the session ended before the last event")


def main() -> int:
    """Exit status 0: every goal is reached; 1: one is not; 2: the stack did not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.recovery", description=__doc__)
    parser.add_argument("--commands", type=int, default=COMMANDS, help=f"behind the engine (default {COMMANDS})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each kill (default {RUNS})")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    measured = Measured(console)
    try:
        asyncio.run(_measure(given, measured, lambda line: console.print(line, markup=False, highlight=False)))
    except (StackError, OrdergateError, TimeoutError) as error:
        console.print(f"Not all could be measured: {error!r}", markup=False)
        if measured.rows:
            console.print(measured.table())
        return 2
    console.print(measured.table())
    return 1 if measured.missed else 0


async def _measure(given: argparse.Namespace, measured: Measured, say: Callable[[str], None]) -> None:
    rig = Rig(RigOptions(proxied=False, snapshot_every=200_000), lambda _: None)
    try:
        await rig.start()
        await Measurement(rig, measured, say).run(given.commands, given.runs)
    finally:
        await rig.stop()
        shutil.rmtree(rig.root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
