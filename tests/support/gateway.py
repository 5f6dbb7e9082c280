"""A gateway alone: real workers and relay on a Redis of its own, without engine and Postgres.

gateway          session; shared: take an account of your own, kill nothing
gateway_factory  makes gateways for tests that kill, stop, fill or configure; ended after the test
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.auth import issue_token
from gateway.stack.find import find_redis
from gateway.stack.home import Home
from gateway.stack.services import ROOT

from .servers import RedisServer, restart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT_S = 60.0
KEY = b"a key of tests that is long enough for HS256, and for HS512 as well: 64 bytes"


class RunningGateway:
    """An `ordergate gateway` with a Redis of its own and a home in /tmp.

    Args:
        options: further arguments of `gateway`.
        redis_url: use this Redis; None starts a private one.
    """

    def __init__(self, options: tuple[str, ...] = (), redis_url: str | None = None) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="og-", dir="/tmp"))
        self.redis: RedisServer | None = None
        self._output = self.home / "gateway.log"
        self._key = self.home / "token.key"
        self._key.write_bytes(KEY)
        if redis_url is None:
            home = Home(self.home)
            self.redis = RedisServer(find_redis(), home.root / "redis", home.run, home.log / "redis.log")
            restart(self.redis.process)
            redis_url = self.redis.url
        self.redis_url = redis_url
        self._popen = self._start(options)

    def _start(self, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
        defaults = {
            "--listen": "127.0.0.1:0",
            "--redis-url": self.redis_url,
            "--engine": f"unix:{self.home}/no-engine.sock",
            "--postgres-dsn": f"postgresql:///nothing?host={self.home}",
            "--token-secret-file": str(self._key),
        }
        given = [part for name, value in defaults.items() if name not in options for part in (name, value)]
        env = {k: v for k, v in os.environ.items() if not k.startswith("ORDERGATE_")}
        with self._output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "gateway.app", "gateway", *given, *options],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it has written so far, logs included."""
        return self._output.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Process id of the parent of workers and relay."""
        return self._popen.pid

    @property
    def address(self) -> str:
        """host:port; waits until the gateway listens."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            for line in self.output.splitlines():
                if line.startswith("ready "):
                    return line.split()[1]
            if self._popen.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the gateway does not listen (exit status {self._popen.poll()}):\n{self.output}")
            time.sleep(0.05)

    def token(self, *accounts: str, scopes: tuple[str, ...] = ("trade", "read"), ttl_s: float = 3600) -> str:
        """A token for `accounts` (default: demo)."""
        return issue_token(KEY, subject="test", accounts=accounts or ("demo",), scopes=scopes, ttl_s=ttl_s)

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Exit status of a gateway that ends."""
        return self._popen.wait(timeout_s)

    def signal(self, sig: signal.Signals) -> None:
        """Sends a signal to the parent of the workers."""
        self._popen.send_signal(sig)

    def stop(self) -> None:
        """Ends everything. Safe to call twice."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(TIMEOUT_S)
            self._popen.kill()
            self._popen.wait()
        if self.redis is not None:
            self.redis.process.stop()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def gateway() -> Iterator[RunningGateway]:
    running = RunningGateway()
    try:
        assert running.address
        yield running
    finally:
        running.stop()


@pytest.fixture
def gateway_factory() -> Iterator[Callable[..., RunningGateway]]:
    """`make(*options, redis_url=None)` starts a gateway."""
    made: list[RunningGateway] = []

    def make(*options: str, redis_url: str | None = None) -> RunningGateway:
        made.append(RunningGateway(options, redis_url))
        return made[-1]

    yield make
    for running in made:
        running.stop()
