"""Fixtures: the whole stack, as a user starts it.

stack           session; a running `ordergate up`, shared: take an account of your own, kill nothing
stack_factory   makes stacks for tests that kill, stop or configure; ended after the test
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from gateway.auth import issue_token
from gateway.stack.services import ROOT, serving
from gateway.streams import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_TIMEOUT_S = 120.0
"""A start takes 4 s; the machine may be busy with other tests' builds."""
STOP_TIMEOUT_S = 60.0


class RunningStack:
    """An `ordergate up` with a home of its own.

    Args:
        home: its folder; give one again to start on the data of a stack that was stopped.
        options: further arguments of `up`.
        environ: added to the environment.
        binary: engine's program.
    """

    def __init__(self, home: Path, options: tuple[str, ...], environ: dict[str, str], binary: Path) -> None:
        self.home = home
        self._ready_file = home / "ready.json"
        self._output = home / "up.log"
        home.mkdir(exist_ok=True)
        self._ready_file.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "gateway.app", "up", "--home", str(home), "--ready-file", str(self._ready_file)]
        if "--listen" not in options:
            argv += ["--listen", "127.0.0.1:0"]
        env = {k: v for k, v in os.environ.items() if not k.startswith("ORDERGATE_")}
        with self._output.open("ab") as output:
            self._popen = subprocess.Popen(
                [*argv, *options],
                cwd=ROOT,
                env={**env, "ORDERGATE_ENGINE_BINARY": str(binary), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def facts(self) -> dict[str, Any]:
        """What `up` wrote when it was ready; read anew, since process ids change."""
        return json.loads(self._ready_file.read_text())

    @property
    def address(self) -> str:
        return self.facts["address"]

    @property
    def redis_url(self) -> str:
        return self.facts["redis_url"]

    @property
    def postgres_dsn(self) -> str:
        return self.facts["postgres_dsn"]

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by service: redis, postgres, engine, persister, gateway."""
        return self.facts["pids"]

    @property
    def up_pid(self) -> int:
        """Process id of `ordergate up` itself."""
        return self._popen.pid

    @property
    def output(self) -> str:
        """What `up` has printed so far."""
        return self._output.read_text()

    def token(self, *accounts: str, scopes: tuple[str, ...] = ("trade", "read"), ttl_s: float = 3600) -> str:
        """A token for `accounts` (default: demo)."""
        key = Path(self.facts["token_key"]).read_bytes().strip()
        return issue_token(key, subject="test", accounts=accounts or ("demo",), scopes=scopes, ttl_s=ttl_s)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Blocks until the stack's gateway serves, at first or again after a kill."""
        deadline = time.monotonic() + timeout_s
        while not (self._ready_file.exists() and serving(self.address)):
            if self._popen.poll() is not None:
                pytest.fail(f"ordergate up ended with {self._popen.returncode}:\n{self.output}\n{self.logs()}")
            if time.monotonic() > deadline:
                pytest.fail(f"ordergate up is not ready after {timeout_s} s:\n{self.output}\n{self.logs()}")
            time.sleep(0.05)

    def kill(self, service: str, sig: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to a service's main process; its process id."""
        pid = self.pids[service]
        os.kill(pid, sig)
        return pid

    def wait_restarted(self, service: str, old_pid: int, timeout_s: float = 30.0) -> int:
        """Blocks until the service runs under another process id; that id."""
        deadline = time.monotonic() + timeout_s
        while (pid := self.pids[service]) == old_pid:
            assert time.monotonic() < deadline, f"{service} was not started again:\n{self.output}"
            time.sleep(0.02)
        return pid

    async def trim_events(self) -> None:
        """Takes what Postgres holds of the events out of Redis, as the janitor does when its window is full."""
        keys = Keys(0)
        async with Redis.from_url(self.redis_url) as redis:
            persisted = await redis.hget(keys.persisted, "events")
            await redis.xtrim(keys.events, minid=persisted, approximate=False)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Ends the stack in order; the exit status. Safe to call twice."""
        if self._popen.poll() is None:
            self._popen.send_signal(sig)
        try:
            return self._popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Exit status of a stack that ends by itself."""
        return self._popen.wait(timeout_s)

    def logs(self) -> str:
        """The last lines of every service, for a failing test's report."""
        parts = []
        for path in sorted((self.home / "log").glob("*.log")):
            parts += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-15:]]
        return "\n".join(parts)


def _new_home() -> Path:
    return Path(tempfile.mkdtemp(prefix="og-", dir="/tmp"))


@pytest.fixture
def stack_factory(engine_binary: Path) -> Iterator[Callable[..., RunningStack]]:
    """`make(*options, home=None, wait=True, environ=None)` starts a stack; all are ended after the test."""
    made: list[RunningStack] = []

    def make(
        *options: str, home: Path | None = None, wait: bool = True, environ: dict[str, str] | None = None
    ) -> RunningStack:
        running = RunningStack(home or _new_home(), options, environ or {}, engine_binary)
        made.append(running)
        if wait:
            running.wait_ready()
        return running

    yield make
    for running in made:
        running.stop()
    for running in made:
        shutil.rmtree(running.home, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(engine_binary: Path) -> Iterator[RunningStack]:
    running = RunningStack(_new_home(), (), {}, engine_binary)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()
        shutil.rmtree(running.home, ignore_errors=True)
