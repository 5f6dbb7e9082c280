"""The parent of the gateway's processes: starts workers and relays, restarts what dies, stops them in order.

It never imports grpc: grpc does not survive a fork, and a parent without it can start children at any time. Children
are new interpreters (`ordergate worker`, `ordergate relay`) that die with their parent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway import metrics
from gateway.exits import REFUSED, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.settings import Settings

_log = structlog.get_logger(__name__)

_BACKOFF_S = 0.1
_BACKOFF_MAX_S = 5.0
_STEADY_S = 10.0
"""A child that lived this long starts with the shortest pause again."""


@dataclass(slots=True)
class _Child:
    name: str
    arguments: list[str]
    process: asyncio.subprocess.Process | None = None
    address: str = ""
    pause_s: float = _BACKOFF_S
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Gateway:
    """Workers and relays of one installation."""

    def __init__(self, settings: Settings, ready: Callable[[str], None]) -> None:
        """Prepares; nothing is started before `run`.

        Args:
            settings: of the installation.
            ready: called once with host:port when every worker listens.
        """
        self._settings = settings
        self._ready = ready
        self._stop = asyncio.Event()
        self._status = 0
        self._forced = False

    def stop(self) -> None:
        """Asks everything to drain; a second call ends it at once."""
        if self._stop.is_set():
            self._forced = True
        self._stop.set()

    async def run(self) -> int:
        """Runs until `stop`, or until a child refuses its configuration; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        with ExitStack() as held:
            listen = self._reserve(held)
            workers = [
                _Child(f"worker-{n}", ["worker", "--index", str(n), *(["--shared-port"] if self._shared else [])])
                for n in range(self._settings.workers)
            ]
            relays = [
                _Child(f"relay-{n}", ["relay", "--shard", str(n), "--ready"])
                for n in range(self._settings.shards if self._settings.relay else 0)
            ]
            environ = environment(self._settings, listen=listen)
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="ordergate-")))
            sockets = {child.name: folder / child.name for child in (*workers, *relays)}
            if self._settings.metrics_listen:
                for child in (*workers, *relays):
                    child.arguments += ["--metrics-socket", str(sockets[child.name])]
            async with metrics.served(self._settings.metrics_listen, lambda: metrics.gather(sockets)) as address:
                if address:
                    _log.info("metrics", url=f"http://{address}/metrics")
                await self._live_and_end(workers, relays, environ)
        return self._status

    async def _live_and_end(self, workers: list[_Child], relays: list[_Child], environ: dict[str, str]) -> None:
        keepers = [asyncio.create_task(self._keep(c, environ), name=c.name) for c in (*workers, *relays)]
        telling = asyncio.create_task(self._tell(workers))
        await self._stop.wait()
        telling.cancel()
        await self._end(workers)
        await self._end(relays)
        await asyncio.gather(*keepers)

    @property
    def _shared(self) -> bool:
        return self._settings.workers > 1

    def _reserve(self, held: ExitStack) -> str:
        """The address for the children; with several workers and port 0, one that all of them can share."""
        host, _, port = self._settings.listen.rpartition(":")
        if not (self._shared and port == "0"):
            return self._settings.listen
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        reserved = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host.strip("[]"), 0))
        return f"{host}:{reserved.getsockname()[1]}"

    async def _tell(self, workers: list[_Child]) -> None:
        for worker in workers:
            await worker.ready.wait()
        self._ready(workers[0].address)

    async def _keep(self, child: _Child, environ: dict[str, str]) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            status = await self._live(child, environ)
            if self._stop.is_set():
                return
            if status == REFUSED:
                self._status = REFUSED
                self._stop.set()
                return
            if time.monotonic() - started > _STEADY_S:
                child.pause_s = _BACKOFF_S
            _log.warning("child died, starting it again", child=child.name, status=status, pause_s=child.pause_s)
            try:
                async with asyncio.timeout(child.pause_s):
                    await self._stop.wait()
            except TimeoutError:
                child.pause_s = min(2 * child.pause_s, _BACKOFF_MAX_S)

    async def _live(self, child: _Child, environ: dict[str, str]) -> int:
        """One life of a child, from start to exit."""
        child.process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.app",
            *child.arguments,
            "--parent",
            str(os.getpid()),
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        while line := await process.stdout.readline():
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word == "ready":
                child.address = rest
                child.ready.set()
                _log.info("child ready", child=child.name, pid=process.pid, address=rest)
        return await process.wait()

    async def _end(self, children: list[_Child]) -> None:
        """SIGTERM, the grace, then SIGKILL; SIGKILL at once if stopping was asked for twice."""
        deadline = time.monotonic() + self._settings.drain_grace_s + 10
        living = [c.process for c in children if c.process is not None]
        for process in living:
            _signal(process, signal.SIGTERM)
        while any(p.returncode is None for p in living):
            if self._forced or time.monotonic() > deadline:
                for process in living:
                    _signal(process, signal.SIGKILL)
                self._status = self._status or 1
            await asyncio.sleep(0.02)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        try:
            process.send_signal(number)
        except ProcessLookupError:
            return
