"""The private stack of a run: every process started alone, every link between two of them behind a proxy.

    clients ─(clients/gateway)─▶ gateway-a, gateway-b: a worker and a relay each; one relay leads, the other stands by
    gateway-x ─(gateway-x/redis)─▶ redis        gateway-x ─(gateway-x/postgres)─▶ postgres
    gateway-x ─(relay-x/engine)─▶ engine        persister-x ─(persister-x/redis, /postgres)─▶ redis, postgres

What dies is started again, by the supervisor that `ordergate up` has.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import jwt
from redis.asyncio import Redis

from gateway.auth import ALGORITHM
from gateway.stack import services
from gateway.stack.find import find_postgres, find_redis
from gateway.stack.home import Home
from gateway.stack.postgres import DATABASE, USER, PrivatePostgres, create_database
from gateway.stack.process import Process, StackError
from gateway.stack.redis import PrivateRedis
from gateway.stack.services import ROOT
from gateway.stack.supervisor import Supervisor
from gateway.streams import Keys
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GATEWAYS = ("gateway-a", "gateway-b")
PERSISTERS = ("persister-a", "persister-b")
POSTGRES_SOCKET = ".s.PGSQL.5432"
CONNECTIONS_MAX = 40
"""Of Postgres: few, so that they can be used up."""
_START_S = 180.0
"""Longest time for a start, of a process and of the whole: the machine may be busy."""
_TOKEN_LIFE_S = 86_400
"""Longer than any run, and than any jump of a gateway's clock."""
_FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)


@dataclass(frozen=True, slots=True)
class RigOptions:
    """What a rig has besides the usual."""

    engine_options: tuple[str, ...] = ()
    """Further arguments of the engine."""
    gateway_environ: dict[str, str] = field(default_factory=dict)
    persister_environ: dict[str, str] = field(default_factory=dict)
    home: Path | None = None
    """Folder of the run; None for a new one in /tmp."""
    proxied: bool = True
    """False: no proxies between the services; clients still have theirs."""
    snapshot_every: int = 2_000
    """Commands between two snapshots of the engine."""


class Rig:
    """One private stack behind proxies. Belongs to the event loop of the main thread.

    Args:
        options: see there.
        say: takes one line of what the supervisor does.
    """

    def __init__(self, options: RigOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self.root = options.home or Path(tempfile.mkdtemp(prefix="og-faults-", dir="/tmp"))
        self.home = Home(self.root)
        self._changed_at = time.monotonic()
        self._supervisor = Supervisor(say, lambda _: None)
        self._stop = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.links: dict[str, Proxy] = {}
        """Proxies by link, such as `gateway-a/redis`."""
        self.binary = services.find_engine()
        self.instruments = ROOT / "instruments.toml"
        self.clock_file = self.root / "clock"
        self.redis = PrivateRedis(find_redis(), self.root / "redis", self.home.run, self.home.log / "redis.log")
        limits = {"shared_buffers": "64MB", "min_wal_size": "80MB", "max_connections": str(CONNECTIONS_MAX)}
        self.postgres = PrivatePostgres(find_postgres(), self.home, limits)
        self.engine_socket = self.home.run / "engine.sock"

    @property
    def redis_url(self) -> str:
        """The Redis itself, past every proxy."""
        return self.redis.url

    @property
    def postgres_dsn(self) -> str:
        """The Postgres itself, past every proxy."""
        return self.postgres.dsn

    @property
    def address(self) -> str:
        """Where clients connect: a proxy before all gateways."""
        return f"127.0.0.1:{self.links['clients/gateway'].port}"

    @property
    def engine_options(self) -> tuple[str, ...]:
        """What the engine was told besides the usual."""
        return self._options.engine_options

    async def start(self) -> None:
        """Starts everything, and returns when orders are taken and matched."""
        self.set_clock(0)
        await self._supervisor.start([self.redis.process, self.postgres.process])
        await create_database(self.postgres.dsn_of("postgres"), DATABASE)
        await self._open_links()
        data, log = self.root / "engine", self.home.log / "engine.log"
        engine = services.engine_program(self.binary, self.engine_socket, self.instruments, data, log)
        engine = replace(
            engine,
            argv=[*engine.argv, "--snapshot-every", str(self._options.snapshot_every), *self._options.engine_options],
        )
        persisters = [self._persister(name) for name in PERSISTERS]
        await self._supervisor.start([Process(engine), Process(persisters[0])])
        await self._supervisor.start([Process(persisters[1]), *(Process(self._gateway(name)) for name in GATEWAYS)])
        ports = [("127.0.0.1", self._ports[name]) for name in GATEWAYS]
        clients = self.links["clients/gateway"] = Proxy(("127.0.0.1", 0), list(ports))
        await clients.start()
        await self._wait_level()
        self._watching = asyncio.create_task(self._supervisor.watch(self._stop), name="rig-supervisor")

    async def _wait_level(self) -> None:
        """Until a relay leads and the engine is level with the log."""
        client = Redis.from_url(self.redis_url)
        try:
            async with asyncio.timeout(_START_S):
                while await client.hget(Keys(0).relay, "engine") != b"level":  # noqa: ASYNC110  another process sets it
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise StackError(f"no engine is level after {_START_S:.0f} s: see {self.home.log}") from None
        finally:
            await client.aclose()

    async def stop(self) -> None:
        """Stops everything."""
        self._stop.set()
        if self._watching is not None:
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._supervisor.stop()
        for link in self.links.values():
            await link.stop()

    def remove(self) -> None:
        """Removes its data."""
        shutil.rmtree(self.root, ignore_errors=True)

    def fault(self) -> BaseException | None:
        """Why the stack was given up; None while it lives."""
        if self._watching is None or not self._watching.done() or self._watching.cancelled():
            return None
        return self._watching.exception()

    def token(self, accounts: Sequence[str]) -> str:
        """A token that is old enough for a clock that is set back."""
        now = int(time.time())
        claims = {"iss": "ordergate", "aud": "ordergate", "sub": "faults", "accounts": sorted(accounts)}
        claims |= {"iat": now - _TOKEN_LIFE_S, "exp": now + _TOKEN_LIFE_S, "scopes": ["read", "trade"]}
        return jwt.encode(claims, self.home.token_key().read_bytes().strip(), algorithm=ALGORITHM)

    def pid(self, service: str) -> int:
        """Process id of a service."""
        return self._supervisor.pids[service]

    def child(self, gateway: str, role: str) -> int | None:
        """Process id of a gateway's `worker` or `relay`; None while there is none."""
        for pid in _children(self.pid(gateway)):
            if f"\0{role}\0" in _command_line(pid):
                return pid
        return None

    async def relay_holder(self) -> int | None:
        """Process id of the relay that has the lease; None if none has."""
        client = Redis.from_url(self.redis_url, socket_timeout=1)
        try:
            holder = await client.get(Keys(0).lease)
        finally:
            await client.aclose()
        return None if holder is None else int(holder.decode().partition("/")[0].split("-")[-2])

    def set_clock(self, offset_s: float) -> None:
        """Shifts the clock of gateway-b, if libfaketime is there."""
        write_clock(self.clock_file, offset_s)

    async def _open_links(self) -> None:
        """Proxies for every link of a service to another."""
        redis = self.home.run / "redis.sock"
        postgres = Path(parse_qs(urlsplit(self.postgres_dsn).query)["host"][0]) / POSTGRES_SOCKET
        self._ports = {name: _free_port() for name in GATEWAYS}
        for name in (*GATEWAYS, *PERSISTERS):
            self.links[f"{name}/redis"] = Proxy(self._link(name) / "redis.sock", [redis])
            self.links[f"{name}/postgres"] = Proxy(self._link(name) / POSTGRES_SOCKET, [postgres])
        for name in GATEWAYS:
            relay = name.replace("gateway", "relay")
            self.links[f"{relay}/engine"] = Proxy(self._link(name) / "engine.sock", [self.engine_socket])
        for link in self.links.values():
            await link.start()

    def _link(self, name: str) -> Path:
        return self.home.run / name

    def _settings(self, name: str) -> dict[str, str]:
        folder = self._link(name)
        redis, postgres = (
            f"unix://{folder}/redis.sock?db=0",
            f"postgresql://{USER}@/{DATABASE}?host={quote(str(folder))}",
        )
        proxied = self._options.proxied
        return {
            "ORDERGATE_REDIS_URL": redis if proxied else self.redis_url,
            "ORDERGATE_POSTGRES_DSN": postgres if proxied else self.postgres_dsn,
            "ORDERGATE_INSTRUMENTS": str(self.instruments),
        }

    def _persister(self, name: str):
        environ = self._settings(name) | self._options.persister_environ
        log = self.home.log / f"{name}.log"
        # Cheaper than its own check, a process that imports as much as the persister itself.
        said = lambda: log.exists() and re.search(r"\b(active|standby)\b", log.read_text(errors="replace")) is not None  # noqa: E731
        return replace(services.persister_program(log, environ), name=name, ready=said, start_timeout_s=_START_S)

    def _gateway(self, name: str):
        environ = self._settings(name) | {
            "ORDERGATE_LISTEN": f"127.0.0.1:{self._ports[name]}",
            "ORDERGATE_ENGINE": f"unix:{self._link(name) if self._options.proxied else self.home.run}/engine.sock",
            "ORDERGATE_TOKEN_SECRET_FILE": str(self.home.token_key()),
        }
        if self._options.proxied:
            # Small, so that a reader that stops for a while is moved to the log, and its beginning to Postgres.
            environ |= {"ORDERGATE_STREAM_BUFFER_BYTES": "65536", "ORDERGATE_EVENTS_WINDOW_BYTES": "500000"}
        if name == GATEWAYS[1] and self._options.proxied and find_faketime():
            environ |= faked_clock(self.clock_file)
        environ |= self._options.gateway_environ
        program = services.gateway_program(self.home.log / f"{name}.log", environ, services.ORDER_ENTRY)
        listens = lambda: _accepts(self._ports[name])  # noqa: E731
        return replace(program, name=name, ready=listens, start_timeout_s=_START_S)


def find_faketime() -> str | None:
    """The library that shifts a process' clock; None where it is not installed."""
    return next((path for path in _FAKETIME if Path(path).exists()), None)


def faked_clock(file: Path) -> dict[str, str]:
    """Environment of a process whose clock `file` shifts; its monotonic clock stays as it is."""
    return {
        "LD_PRELOAD": find_faketime() or "",
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def write_clock(file: Path, offset_s: float) -> None:
    """Shifts the clock of whoever reads `file`, within a second."""
    part = file.with_suffix(".part")
    part.write_text(f"{offset_s:+.3f}\n", encoding="ascii")
    part.replace(file)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
