"""Injects the faults of a plan, writes each into the history, and heals everything at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.faults.clients import POISON_TAG
from tests.faults.history import What
from tests.faults.rig import GATEWAYS, PERSISTERS, find_faketime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.faults.clients import Follower, SessionTrader, World
    from tests.faults.plan import Fault
    from tests.faults.rig import Rig
    from tests.support.proxy import Proxy

MEMORY = "512mb"
_CLOCK_JUMPS_S = (-3600.0, -5.0, 5.0, 3600.0)
_DELAYS_S = (0.02, 0.5)
_TRIES = 120
_PAUSE_S = 0.25
"""A fault that finds its victim away tries again so often, with this pause: it may be just starting."""


class Nemesis:
    """What does the harm.

    Args:
        rig: the stack.
        world: the clients' world.
        silent: readers that can be told to stop reading.
    """

    def __init__(self, rig: Rig, world: World, silent: Sequence[Follower | SessionTrader]) -> None:
        self._rig = rig
        self._world = world
        self._silent = silent
        self._recorder = world.recorder("nemesis")
        self._under_way: set[asyncio.Task[None]] = set()
        self.felt: list[tuple[str, float]] = []
        """Kind and time, from which on things could recover, of every fault that was injected."""
        self.missed: list[str] = []
        """Kinds that found nothing to harm."""
        self._stopped: set[int] = set()

    async def run(self, faults: Sequence[Fault], began_s: float) -> None:
        """Injects faults at their times, each in a task of its own; returns when the last has ended.

        Raises:
            Exception: a fault could not be injected: a defect of the harness.
        """
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, began_s + fault.at_s - self._world.clock()))
                group.create_task(self._inject(fault), name=fault.kind)

    async def heal(self) -> None:
        """Everything may work again."""
        for pid in list(self._stopped):
            self._go_on(pid)
        for link in self._rig.links.values():
            link.heal()
        for reader in self._silent:
            reader.reading.set()
        self._rig.set_clock(0)
        await self._limit_memory(MEMORY)
        self._world.poisoned = False
        await self._constrain("DROP CONSTRAINT IF EXISTS poison")

    async def _inject(self, fault: Fault) -> None:
        verb, _, target = fault.kind.partition(" ")
        act: dict[str, Callable[[Fault, str], Any]] = {
            "kill": self._kill,
            "stop": self._stop,
            "cut": self._cut,
            "delay": self._delay,
            "redis": self._fill_memory,
            "postgres": self._use_up_connections,
            "poison": self._poison,
            "silent": self._silence,
            "clock": self._jump,
            "evict": self._evict,
        }
        what = await act[verb](fault, target)
        if what is None:
            self.missed.append(fault.kind)
            return
        self.felt.append((fault.kind, self._world.clock()))
        self._recorder.write(
            What.FAULT, fault={"kind": fault.kind, "what": what, "lasts_s": fault.lasts_s, "at_s": fault.at_s}
        )

    async def _kill(self, fault: Fault, target: str) -> str | None:
        pid = await self._find(target, fault)
        return None if pid is None or not _signal(pid, signal.SIGKILL) else f"kill -9 {pid}"

    async def _stop(self, fault: Fault, target: str) -> str | None:
        pid = await self._find(target, fault)
        if pid is None:
            return None
        # Postgres is many processes; to stop the first alone would stop nobody's work.
        pids = [pid, *_descendants(pid)] if target == "postgres" else [pid]
        self._stopped.update(pids)
        for one in pids:
            _signal(one, signal.SIGSTOP)
        await asyncio.sleep(fault.lasts_s)
        for one in pids:
            self._go_on(one)
        return f"SIGSTOP {pid} for {fault.lasts_s} s"

    def _go_on(self, pid: int) -> None:
        self._stopped.discard(pid)
        _signal(pid, signal.SIGCONT)

    async def _find(self, target: str, fault: Fault) -> int | None:
        """The process to harm; tries for a while, since it may just be starting again."""
        for _ in range(_TRIES):
            with contextlib.suppress(RedisError, OSError, KeyError):
                pid = await self._look_up(target, fault)
                if pid:
                    return pid
            await asyncio.sleep(_PAUSE_S)
        return None

    async def _look_up(self, target: str, fault: Fault) -> int | None:
        if target == "worker":
            return self._rig.child(_one_of(GATEWAYS, fault), "worker")
        if target == "relay":
            return await self._rig.relay_holder()
        if target == "persister":
            return self._rig.pid(await asyncio.to_thread(active_persister, self._rig))
        return self._rig.pid(target)

    async def _cut(self, fault: Fault, target: str) -> str:
        name, link = self._link(fault, target)
        if fault.variant * 10 % 1 < 0.3:
            link.hold()
            how = "held"
        else:
            link.cut()
            how = "cut"
        await asyncio.sleep(fault.lasts_s)
        link.heal()
        return f"{name} {how} for {fault.lasts_s} s"

    async def _delay(self, fault: Fault, target: str) -> str:
        name, link = self._link(fault, target)
        shortest, longest = _DELAYS_S
        delay_s = round(shortest + (longest - shortest) * (fault.variant * 10 % 1), 3)
        link.delay(delay_s)
        await asyncio.sleep(fault.lasts_s)
        link.heal()
        return f"{name} delayed by {delay_s} s for {fault.lasts_s} s"

    def _link(self, fault: Fault, pair: str) -> tuple[str, Proxy]:
        """One of the links of a pair: with several gateways and persisters there are several."""
        near, _, far = pair.partition("/")
        names = [name for name in self._rig.links if re.fullmatch(rf"{near}(-[ab])?/{far}", name)]
        name = _one_of(sorted(names), fault)
        return name, self._rig.links[name]

    async def _fill_memory(self, fault: Fault, _: str) -> str | None:
        used = await self._limit_memory(None)
        if used is None:
            return None
        await asyncio.sleep(fault.lasts_s)
        await self._limit_memory(MEMORY)
        return f"maxmemory {used} for {fault.lasts_s} s"

    async def _evict(self, fault: Fault, _: str) -> str:
        """What allkeys-lru does at the memory limit. Only for the self-test: a gateway refuses to start with it."""
        async with _redis(self._rig) as client:
            await client.config_set("maxmemory-policy", "allkeys-lru")
            await client.config_set("maxmemory", (await client.info("memory"))["used_memory"] - 2**20)
        await asyncio.sleep(fault.lasts_s)
        async with _redis(self._rig) as client:
            await client.config_set("maxmemory-policy", "volatile-lru")
        await self._limit_memory(MEMORY)
        return f"allkeys-lru at the memory limit for {fault.lasts_s} s"

    async def _limit_memory(self, limit: str | None) -> str | None:
        """Sets maxmemory, by default to what is used now; what it was set to, None if Redis does not answer."""
        for _ in range(_TRIES):
            with contextlib.suppress(RedisError, OSError):
                async with _redis(self._rig) as client:
                    wanted = limit or str((await client.info("memory"))["used_memory"])
                    await client.config_set("maxmemory", wanted)
                    return wanted
            await asyncio.sleep(_PAUSE_S)
        return None

    async def _use_up_connections(self, fault: Fault, _: str) -> str | None:
        """Takes all connections of Postgres, and ends those that the stack has, so that it needs new ones."""
        held: list[Any] = []
        try:
            for link in self._postgres_links():
                link.cut()
            full = await self._take_connections(held)
            for link in self._postgres_links():
                link.heal()
            if not full:
                return None
            await asyncio.sleep(fault.lasts_s)
        finally:
            for connection in held:
                connection.terminate()
        return f"{len(held)} connections for {fault.lasts_s} s"

    async def _take_connections(self, held: list[Any]) -> bool:
        """Opens connections until Postgres has none left; False if it does not answer."""
        failures = 0
        while failures < _TRIES:
            try:
                held.append(await asyncpg.connect(self._rig.postgres_dsn, timeout=2))
            except asyncpg.TooManyConnectionsError:
                return True
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                failures += 1
                await asyncio.sleep(_PAUSE_S)
        return False

    def _postgres_links(self) -> list[Proxy]:
        return [link for name, link in self._rig.links.items() if name.endswith("/postgres")]

    async def _poison(self, fault: Fault, _: str) -> str | None:
        """Postgres refuses rows that the traders make meanwhile."""
        check = f"ADD CONSTRAINT poison CHECK (tag IS DISTINCT FROM '{POISON_TAG}') NOT VALID"
        if not await self._constrain(check):
            return None
        self._world.poisoned = True
        await asyncio.sleep(fault.lasts_s)
        self._world.poisoned = False
        await self._constrain("DROP CONSTRAINT IF EXISTS poison")
        return f"{POISON_TAG} orders refused for {fault.lasts_s} s"

    async def _constrain(self, change: str) -> bool:
        for _ in range(_TRIES):
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                connection = await asyncpg.connect(self._rig.postgres_dsn, timeout=2)
                try:
                    await connection.execute("SET lock_timeout = '1s'", timeout=2)
                    await connection.execute(f"ALTER TABLE orders {change}", timeout=3)
                    return True
                finally:
                    connection.terminate()
            await asyncio.sleep(_PAUSE_S)
        return False

    async def _silence(self, fault: Fault, _: str) -> str:
        reader = _one_of(self._silent, fault)
        reader.reading.clear()
        await asyncio.sleep(fault.lasts_s)
        reader.reading.set()
        return f"{reader.name} read nothing for {fault.lasts_s} s"

    async def _jump(self, fault: Fault, _: str) -> str | None:
        if find_faketime() is None:
            return None
        offset_s = _one_of(_CLOCK_JUMPS_S, fault)
        self._rig.set_clock(offset_s)
        await asyncio.sleep(fault.lasts_s)
        self._rig.set_clock(0)
        return f"clock of {GATEWAYS[1]} {offset_s:+.0f} s for {fault.lasts_s} s"


def active_persister(rig: Rig) -> str:
    """Name of the persister that has the shard, by what it last said."""
    for name in PERSISTERS:
        log = (rig.home.log / f"{name}.log").read_text(errors="replace")
        words = re.findall(r"\b(active|standby|persister stopped|interrupted)\b", log)
        if words and words[-1] == "active":
            return name
    return PERSISTERS[0]


def _one_of(choices: Sequence[Any], fault: Fault) -> Any:
    return choices[min(int(fault.variant * len(choices)), len(choices) - 1)]


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [grandchild for child in children for grandchild in _descendants(child)]


@contextlib.asynccontextmanager
async def _redis(rig: Rig) -> AsyncIterator[Redis]:
    client = Redis.from_url(rig.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        yield client
    finally:
        await client.aclose()
