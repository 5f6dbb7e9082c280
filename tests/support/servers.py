"""Fixtures: a Redis, a PostgreSQL and the engine's program, found and started as `ordergate up` does it.

redis_server      session; `.url`, `.process`, `.kill()`, `.restart()`
redis_url         its URL; empty when a test begins, and alive even if the test before killed it
postgres_server   session; `.dsn_of(name)`, `.process`, `.kill()`, `.restart()`
postgres_dsn      a database of this test's own, empty
engine_binary     session; path of the engine's program, built if it is missing
short_path        a new folder per test whose path is short enough for unix sockets
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import redis

from gateway.stack.find import find_postgres, find_redis
from gateway.stack.home import Home
from gateway.stack.postgres import PrivatePostgres, create_database
from gateway.stack.process import StackError
from gateway.stack.redis import PrivateRedis
from gateway.stack.services import ROOT, find_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway.stack.process import Process

_SMALL = {"shared_buffers": "64MB", "min_wal_size": "80MB"}
_names = (f"test_{number}" for number in itertools.count())


class RedisServer(PrivateRedis):
    """A private Redis that a test may kill."""

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Ends it in order if it runs, then starts it on the same data."""
        restart(self.process)


class PostgresServer(PrivatePostgres):
    """A private PostgreSQL that a test may kill."""

    def kill(self) -> None:
        """Ends its main process as a crash would; the others follow."""
        self.process.kill()

    def restart(self) -> None:
        """Ends it in order if it runs, then starts it on the same data."""
        restart(self.process)


def restart(process: Process) -> None:
    """Stops `process` if it runs, starts it, waits until it serves.

    PostgreSQL refuses to start while a child of its killed predecessor still holds the shared memory, hence the tries.
    """
    process.stop()
    for tries_left in reversed(range(20)):
        process.start()
        try:
            process.wait_ready()
        except StackError:
            if not tries_left:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def short_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="og-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _server_home() -> Iterator[Home]:
    folder = Path(tempfile.mkdtemp(prefix="og-", dir="/tmp"))
    yield Home(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(_server_home: Home) -> Iterator[RedisServer]:
    home = _server_home
    server = RedisServer(_found(find_redis), home.root / "redis", home.run, home.log / "redis.log")
    restart(server.process)
    yield server
    server.process.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    if redis_server.process.died is not None:
        redis_server.restart()
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.config_set("maxmemory", "512mb")
        client.config_set("maxmemory-policy", "volatile-lru")
        client.config_set("appendfsync", "always")
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server(_server_home: Home) -> Iterator[PostgresServer]:
    server = PostgresServer(_found(find_postgres), _server_home, _SMALL)
    restart(server.process)
    yield server
    server.process.stop()


@pytest.fixture
async def postgres_dsn(postgres_server: PostgresServer) -> AsyncIterator[str]:
    if postgres_server.process.died is not None:
        postgres_server.restart()
    name, root = next(_names), postgres_server.dsn_of("postgres")
    await create_database(root, name)
    yield postgres_server.dsn_of(name)
    if postgres_server.process.died is None:
        connection = await asyncpg.connect(root)
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.close()


@pytest.fixture(scope="session")
def engine_binary() -> Path:
    try:
        return find_engine()
    except StackError:
        done = subprocess.run(["make", "engine"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"make engine failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return find_engine()


def _found(find):
    try:
        return find()
    except StackError as error:
        pytest.fail(str(error))
