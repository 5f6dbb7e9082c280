"""One stack: which services it has, what each is told, and its life from start to end."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from gateway.stack import services
from gateway.stack.find import find_postgres, find_redis
from gateway.stack.home import Home, write_json
from gateway.stack.postgres import DATABASE, PrivatePostgres, create_database, data_folders, data_major
from gateway.stack.process import Process, StackError
from gateway.stack.redis import PrivateRedis
from gateway.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from gateway.stack.process import Program

_DIAL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `ordergate up` was told; its help says what each means."""

    home: Path
    listen: str
    instruments: Path
    workers: int = 1
    redis_url: str | None = None
    postgres_dsn: str | None = None
    engine: str | None = None
    accounts: tuple[str, ...] = ("demo",)
    ready_file: Path | None = None
    reset: bool = False
    metrics_listen: str = ""


class Stack:
    """Everything that one Ordergate needs on this machine.

    Args:
        options: see there.
        say: takes one line for the user.
        ready: called once with the facts of a stack that serves: address, token, redis_url, postgres_dsn, engine,
            home, pids by service.
    """

    def __init__(self, options: Options, say: Callable[[str], None], ready: Callable[[dict[str, Any]], None]) -> None:
        self._options = options
        self._say = say
        self._ready = ready
        self._stop = asyncio.Event()
        self._facts: dict[str, Any] = {}
        self._supervisor = Supervisor(say, self._changed)
        self._home = Home(options.home)

    async def run(self) -> None:
        """Starts all, watches until SIGINT or SIGTERM, stops all.

        Raises:
            StackError: it can't start, or a service refuses its configuration; all has been stopped.
        """
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(sig, self._stop.set)
        try:
            if await self._unless_stopped(self._start()):
                await self._supervisor.watch(self._stop)
                self._say("stopping; data stay in " + str(self._home.root))
        finally:
            await self._supervisor.stop()
            self._home.record({})
            if self._options.ready_file:
                self._options.ready_file.unlink(missing_ok=True)

    async def _start(self) -> None:
        self._home.lock()
        address = free_address(self._options.listen)
        gateway_metrics, persister_metrics = metrics_addresses(self._options.metrics_listen)
        instruments = self._options.instruments.absolute()
        if not instruments.is_file():
            raise StackError(f"--instruments {self._options.instruments}: no such file")
        binary = None if self._options.engine else services.find_engine()
        for name in self._home.end_survivors():
            self._say(f"{name} of an earlier run was still there: ended it")
        if self._options.reset:
            self._remove_data()
        redis_url, postgres_dsn = await self._start_stores()
        engine = await self._start_engine(binary, instruments) if binary else str(self._options.engine)
        key = self._home.token_key()
        settings = {
            "ORDERGATE_REDIS_URL": redis_url,
            "ORDERGATE_POSTGRES_DSN": postgres_dsn,
            "ORDERGATE_INSTRUMENTS": str(instruments),
        }
        told = {"ORDERGATE_METRICS_LISTEN": persister_metrics}
        await self._launch(services.persister_program(self._home.log / "persister.log", settings | told))
        settings |= {
            "ORDERGATE_METRICS_LISTEN": gateway_metrics,
            "ORDERGATE_LISTEN": address,
            "ORDERGATE_ENGINE": engine,
            "ORDERGATE_WORKERS": str(self._options.workers),
            "ORDERGATE_TOKEN_SECRET_FILE": str(key),
        }
        # An engine that is not ours may come later: until then orders are queued.
        service = services.ORDER_ENTRY if binary else services.PROCESS
        await self._launch(services.gateway_program(self._home.log / "gateway.log", settings, service))
        token = await asyncio.to_thread(services.issue_token, key, self._options.accounts)
        facts: dict[str, Any] = {"address": address, "token": token, "token_key": str(key), "redis_url": redis_url}
        facts |= {"postgres_dsn": postgres_dsn, "engine": engine, "home": str(self._home.root)}
        if gateway_metrics:
            facts["metrics"] = [f"http://{place}/metrics" for place in (gateway_metrics, persister_metrics)]
        self._facts = facts | {"pids": {}}
        self._changed(self._supervisor.pids)
        self._ready(self._facts)

    async def _start_stores(self) -> tuple[str, str]:
        """URL of Redis and DSN of Postgres, both serving."""
        options, home = self._options, self._home
        redis_url, postgres_dsn = options.redis_url, options.postgres_dsn
        ours: list[Process] = []
        if redis_url is None:
            redis = PrivateRedis(find_redis(), home.root / "redis", home.run, home.log / "redis.log")
            redis_url = redis.url
            ours.append(redis.process)
        else:
            await asyncio.to_thread(_dial_redis, redis_url)
        if postgres_dsn is None:
            postgres = PrivatePostgres(find_postgres(data_major(home)), home)
            ours.append(postgres.process)
            await self._supervise(ours)
            await create_database(postgres.dsn_of("postgres"), DATABASE)
            postgres_dsn = postgres.dsn
        else:
            await _dial_postgres(postgres_dsn)
            await self._supervise(ours)
        return redis_url, postgres_dsn

    async def _start_engine(self, binary: Path, instruments: Path) -> str:
        """Address of the engine, serving."""
        path = self._home.run / "engine.sock"
        data, log = self._home.root / "engine", self._home.log / "engine.log"
        await self._launch(services.engine_program(binary, path, instruments, data, log))
        return f"unix:{path}"

    async def _launch(self, program: Program) -> None:
        await self._supervise([Process(program)])

    async def _supervise(self, processes: Sequence[Process]) -> None:
        began = time.monotonic()
        await self._supervisor.start(processes)
        for process in processes:
            self._say(f"{process.program.name:<10} ready after {time.monotonic() - began:.1f} s")

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Does `work`; False if it had to be given up because the user stops."""
        task = asyncio.create_task(work, name="start")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            return task.done()
        finally:
            task.cancel()
            stopped.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    def _changed(self, pids: dict[str, int]) -> None:
        self._home.record(pids)
        if self._facts:
            self._facts["pids"] = pids
            if self._options.ready_file:
                write_json(self._options.ready_file, self._facts)

    def _remove_data(self) -> None:
        for folder in (self._home.root / "redis", self._home.root / "engine", *data_folders(self._home)):
            if folder.exists():
                self._say(f"--reset removes {folder}")
                shutil.rmtree(folder)


def metrics_addresses(listen: str) -> tuple[str, str]:
    """Addresses for the metrics of gateway and persister; empty if none are asked for.

    Raises:
        StackError: as `free_address`.
    """
    if not listen:
        return "", ""
    first = free_address(listen, "--metrics-listen")
    host, _, port = first.rpartition(":")
    return first, free_address(f"{host}:{0 if listen.endswith(':0') else int(port) + 1}", "--metrics-listen")


def free_address(listen: str, option: str = "--listen") -> str:
    """`listen` with a real port, which nobody listens on now.

    Raises:
        StackError: it is malformed, or somebody does. Asked before anything starts: workers share their port, so
            they would not notice a stranger on it.
    """
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65_536):
        raise StackError(f"{option} {listen}: must be host:port")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
            return f"{host}:{probe.getsockname()[1]}"
    except OSError as error:
        reason = error.strerror or str(error)
        raise StackError(f"{option} {listen}: {reason.lower()}; end what uses it, or give another {option}") from None


def _dial_redis(url: str) -> None:
    import redis  # noqa: PLC0415 - only where a Redis is given
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        with redis.Redis.from_url(url, socket_timeout=_DIAL_TIMEOUT_S, retry=Retry(NoBackoff(), 0)) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StackError(f"--redis-url: {error}") from None


async def _dial_postgres(dsn: str) -> None:
    try:
        connection = await asyncpg.connect(dsn, timeout=_DIAL_TIMEOUT_S)
        await connection.close()
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackError(f"--postgres-dsn: {str(error) or type(error).__name__}") from None
