"""One run: a stack, its clients, the faults of a plan, healing, and the evidence of what is left."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.streams import Keys
from tests.faults.checker import Finding, check
from tests.faults.clients import Follower, SessionTrader, UnaryTrader, World
from tests.faults.history import read_histories
from tests.faults.nemesis import Nemesis
from tests.faults.plan import plan
from tests.faults.probes import LEVELS, Probe, Reader
from tests.faults.readings import Places, read_evidence
from tests.faults.replay import open_engine, read_engine
from tests.faults.rig import Rig, RigOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from tests.faults.checker import Verdict
    from tests.faults.plan import Fault

TRADER_NAMES = ("session-1", "session-2", "session-3", "unary-1", "unary-2")
_FELT_AT = {
    "PERSISTED": ("persister", "kill postgres", "stop postgres", "postgres connections", "poison"),
    "ENGINE": ("relay", "engine"),
}
"""Words of faults that are felt at an ack level; all others are felt at QUEUED."""
PROGRESS_S = 5.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a run does."""

    seconds: float
    seed: int
    faults: tuple[Fault, ...]
    rig: RigOptions = field(default_factory=RigOptions)
    rate: float = 40.0
    """Commands per second of each session."""
    retry_s: float = 0.3
    """Pause of clients before what is UNKNOWN is sent again."""
    settle_s: float = 90.0
    """Longest time for everything to recover after the last fault."""

    @classmethod
    def planned(cls, seconds: float, seed: int, kinds: Collection[str] | None = None, **more) -> Scenario:
        """The faults that the plan has for this length and seed."""
        return cls(seconds, seed, tuple(plan(seconds, seed, kinds) if kinds else plan(seconds, seed)), **more)


@dataclass(slots=True)
class Outcome:
    """What a run found."""

    verdict: Verdict
    injected: dict[str, int]
    """Faults by kind."""
    recoveries: dict[str, list[float]]
    """Seconds from each fault, or its end, to the first acknowledgement of a new order, by kind."""
    missed: list[str]
    """Faults that found nothing to harm."""
    reconnects: int
    root: Path
    """Folder of histories, logs and data."""
    commands: int
    """Commands in the log."""
    events: int
    trades: int
    letters: int


class Run:
    """One run of a scenario.

    Args:
        scenario: see there.
        say: takes one line of progress.
    """

    def __init__(self, scenario: Scenario, say: Callable[[str], None]) -> None:
        self._scenario = scenario
        self._say = say
        self._began = time.monotonic()
        self.rig = Rig(scenario.rig, lambda line: say(f"  stack: {line}"))
        self._problems: list[str] = []

    def _clock(self) -> float:
        return time.monotonic() - self._began

    async def run(self) -> Outcome:
        """From the stack's start to the verdict; the stack is stopped in any case.

        Raises:
            StackError: the stack does not start.
        """
        try:
            await self.rig.start()
            self._say(f"{self._clock():5.1f} s  the stack serves; histories and logs are in {self.rig.root}")
            accounts = [*TRADER_NAMES, *(f"probe-{level.name.lower()}" for level in LEVELS)]
            world = World(self.rig.address, self.rig.token(accounts), self.rig.root / "history", self._clock)
            world.retry_s = self._scenario.retry_s
            with contextlib.closing(world):
                return await self._drive(world)
        finally:
            await self.rig.stop()

    async def _drive(self, world: World) -> Outcome:
        seed = self._scenario.seed
        sessions = [SessionTrader(name, seed, world, self._scenario.rate) for name in TRADER_NAMES[:3]]
        unary = [UnaryTrader(name, seed, world) for name in TRADER_NAMES[3:]]
        silent = [Follower(f"silent-{name}", name, world) for name in TRADER_NAMES[:2]]
        probes, reader = [Probe(level, world) for level in LEVELS], Reader(world)
        nemesis = Nemesis(self.rig, world, [*silent, sessions[2]])
        traders = [*sessions, *unary]
        tasks = [asyncio.create_task(client.run()) for client in (*traders, *silent)]
        probing = [asyncio.create_task(probe.run()) for probe in (*probes, reader)]
        progress = asyncio.create_task(self._progress(nemesis, traders))
        try:
            await self._harm(nemesis)
            self._say(f"{self._clock():5.1f} s  healing; everything must recover")
            await nemesis.heal()
            await asyncio.sleep(1.0)
            world.stopping.set()
            await self._settle(traders, silent, probing)
        finally:
            progress.cancel()
            for task in (*tasks, *probing):
                task.cancel()
            results = await asyncio.gather(*tasks, *probing, return_exceptions=True)
        self._problems += [f"a client failed: {x!r}" for x in results if isinstance(x, Exception)]
        self._problems += world.problems
        self._say(f"{self._clock():5.1f} s  {reader.found} orders were asked for right after their ack, and found")
        return await self._judge(world, nemesis, probes, sessions)

    async def _harm(self, nemesis: Nemesis) -> None:
        began_s = self._clock()
        await nemesis.run(self._scenario.faults, began_s)
        await asyncio.sleep(max(0.0, began_s + self._scenario.seconds - self._clock()))

    async def _settle(self, traders, silent, probing) -> None:
        """Until every command has its answer, the log is applied, published and persisted, and every event told."""
        deadline = self._clock() + self._scenario.settle_s
        reasons = ["nothing was looked at"]
        while reasons and self._clock() < deadline:
            await asyncio.sleep(0.25)
            if (fault := self.rig.fault()) is not None:
                reasons = [f"the stack was given up: {fault}"]
                break
            reasons = await self._unsettled(traders, silent, probing)
        self._problems += [f"not settled after {self._scenario.settle_s:.0f} s: {reason}" for reason in reasons]

    async def _unsettled(self, traders, silent, probing) -> list[str]:
        reasons = [f"{t.name} has {t.unsettled} commands without an answer" for t in traders if t.unsettled]
        if not all(task.done() for task in probing):
            reasons.append("probes are under way")
        if reasons:
            return reasons
        try:
            heads = await self._heads()
        except (RedisError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            return [f"a store does not answer: {error!r}"]
        if len(set(heads.values())) > 1:
            return [f"log, engine and Postgres are not level: {heads}"]
        last = await self._last_sequences()
        readers = [(t.name, t.name, t.seen) for t in traders] + [(r.name, r.account, r.seen) for r in silent]
        return [
            f"{name} was told {seen} events of {last[account]}"
            for name, account, seen in readers
            if seen < last.get(account, 0)
        ]

    async def _heads(self) -> dict[str, str]:
        """How far everything has come."""
        client = Redis.from_url(self.rig.redis_url, socket_timeout=5)
        try:
            heads = {}
            for key in (Keys(0).commands, Keys(0).events):
                heads[key] = (await client.xinfo_stream(key))["last-generated-id"].decode()
        finally:
            await client.aclose()
        connection = await asyncpg.connect(self.rig.postgres_dsn, timeout=5)
        try:
            row = await connection.fetchrow("SELECT * FROM persister_offsets WHERE shard = 0")
        finally:
            await connection.close()
        heads["postgres commands"] = f"{row['commands_ms']}-{row['commands_seq']}"
        heads["postgres events"] = f"{row['events_ms']}-{row['events_seq']}"
        async with asyncio.timeout(5), open_engine(f"unix:{self.rig.engine_socket}") as channel:
            heads["engine"] = str((await read_engine(channel)).last_applied)
        return heads

    async def _last_sequences(self) -> dict[str, int]:
        """Last event of each account, as the orders of Postgres tell."""
        connection = await asyncpg.connect(self.rig.postgres_dsn)
        try:
            rows = await connection.fetch("SELECT account, max(last_event_seq) AS seq FROM orders GROUP BY account")
        finally:
            await connection.close()
        return {row["account"]: row["seq"] for row in rows}

    async def _judge(self, world: World, nemesis: Nemesis, probes, sessions) -> Outcome:
        self._say(f"{self._clock():5.1f} s  reading Redis, Postgres and the engine; replaying the log")
        record = self.rig.root / "commands.log"
        places = Places(
            self.rig.redis_url, self.rig.postgres_dsn, f"unix:{self.rig.engine_socket}", self.rig.binary,
            self.rig.instruments, record, self.rig.engine_options,
        )  # fmt: skip
        letters = await self._replay_letters()
        evidence = await read_evidence(places)
        self._say(f"{self._clock():5.1f} s  checking")
        verdict = check(read_histories(world.folder), evidence)
        verdict.findings += [Finding("lost", "run", problem) for problem in self._problems]
        injected: dict[str, int] = {}
        recoveries: dict[str, list[float]] = {}
        by_level = {probe.name: probe for probe in probes}
        for kind, since in nemesis.felt:
            injected[kind] = injected.get(kind, 0) + 1
            level = next((x for x, words in _FELT_AT.items() if any(w in kind for w in words)), "QUEUED")
            took = by_level[f"probe-{level.lower()}"].recovered_s(since)
            if took is not None:
                recoveries.setdefault(kind, []).append(took)
        return Outcome(
            verdict, injected, recoveries, nemesis.missed, sum(s.reconnects for s in sessions), self.rig.root,
            len(evidence.commands), len(evidence.events), len(evidence.database.trades), letters,
        )  # fmt: skip

    async def _replay_letters(self) -> int:
        """Writes what Postgres refused while rows were poisoned, as an operator would; how many letters there were."""
        try:
            connection = await asyncpg.connect(self.rig.postgres_dsn)
            try:
                count = await connection.fetchval("SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL")
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._problems.append(f"dead letters can't be asked for: {error!r}")
            return 0
        if count:
            argv = [sys.executable, "-m", "persistence", "dead-letters", "--postgres-dsn", self.rig.postgres_dsn]
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(*argv, "replay", "--all", stdout=pipe, stderr=pipe)
            out, err = await process.communicate()
            if process.returncode:
                self._problems.append(f"dead-letters replay failed: {(out + err).decode()[-400:]}")
        return count

    async def _progress(self, nemesis: Nemesis, traders) -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            kind = nemesis.felt[-1][0] if nemesis.felt else "none yet"
            open_commands, seen = sum(t.unsettled for t in traders), sum(t.seen for t in traders)
            self._say(
                f"{self._clock():5.1f} s  {len(nemesis.felt)} faults, the last: {kind}; {seen} events told, "
                f"{open_commands} commands wait for an answer"
            )
