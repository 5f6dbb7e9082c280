"""A persister as a child process over the tests' Redis and Postgres, and the log that it reads."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import redis

from persistence.streams import Keys, LogId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persistence.streams import Entry

ROOT = Path(__file__).parents[3]
WAIT_S = 30.0
"""Longest wait of a test; a slow machine needs some, a right persister never all of it."""


class Log:
    """The streams of one shard, written as gateway and relay write them."""

    def __init__(self, client: redis.Redis, shard: int = 0) -> None:
        self.client = client
        self.keys = Keys(shard)

    def commands(self, *entries: Entry) -> None:
        self._append(self.keys.commands, entries)

    def events(self, *entries: Entry) -> None:
        self._append(self.keys.events, entries)

    def _append(self, key: str, entries: tuple[Entry, ...]) -> None:
        pipe = self.client.pipeline(transaction=False)
        for entry in entries:
            pipe.xadd(
                key, {"f": entry.frame, "n": entry.rows} if entry.frame is not None else {"x": 1}, id=str(entry.id)
            )
        pipe.execute()


@dataclass
class Sidecar:
    """`python -m persistence`, started with settings of its own."""

    settings: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *args: str, **settings: object) -> subprocess.Popen[str]:
        given = {f"ORDERGATE_{key.upper()}": str(value) for key, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "persistence", *([] if "dead-letters" in args else ["--die-with-parent"]), *args],
            cwd=ROOT,
            env={**os.environ, **self.settings, **given},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, *args: str, **settings: object) -> tuple[int, str]:
        """Runs it to its end: exit status, and all that it said."""
        process = self.start(*args, **settings)
        out, err = process.communicate(timeout=WAIT_S)
        return process.returncode, out + err

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def stop(process: subprocess.Popen[str]) -> str:
    """Ends it in order; what it had said."""
    process.terminate()
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    return err


@pytest.fixture
def log(redis_url: str) -> Iterator[Log]:
    with redis.Redis.from_url(redis_url) as client:
        yield Log(client)


@pytest.fixture
def sidecar(redis_url: str, postgres_dsn: str) -> Iterator[Sidecar]:
    made = Sidecar(
        {
            "ORDERGATE_REDIS_URL": redis_url,
            "ORDERGATE_POSTGRES_DSN": postgres_dsn,
            "ORDERGATE_INSTRUMENTS": str(ROOT / "instruments.toml"),
            "ORDERGATE_BATCH_LINGER_MS": "50",
        }
    )
    yield made
    made.end()


class Database:
    """What a test asks of Postgres; connects anew for each question, so that it outlives a restart."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    async def fetch(self, sql: str, *args: object) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [dict(row) for row in await connection.fetch(sql, *args)]
        finally:
            await connection.close()

    async def execute(self, *statements: str) -> None:
        """Runs several statements in one session, each by itself."""
        connection = await asyncpg.connect(self.dsn)
        try:
            for sql in statements:
                await connection.execute(sql)
        finally:
            await connection.close()

    async def value(self, sql: str, *args: object) -> Any:
        """First column of the first row; None if there is no row."""
        rows = await self.fetch(sql, *args)
        return next(iter(rows[0].values())) if rows else None

    async def until(self, sql: str, expected: object) -> None:
        """Waits until a question has the expected answer."""
        deadline = time.monotonic() + WAIT_S
        answer: object = None
        while time.monotonic() < deadline:
            try:
                answer = await self.value(sql)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                answer = error
            if answer == expected:
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"{sql}: {answer!r} instead of {expected!r}")

    async def until_persisted(self, commands: LogId, events: LogId) -> None:
        """Waits until the offset of shard 0 is there."""
        sql = (
            "SELECT commands_ms || '-' || commands_seq || ' ' || events_ms || '-' || events_seq FROM persister_offsets"
        )
        await self.until(sql + " WHERE shard = 0", f"{commands} {events}")


@pytest.fixture
def database(postgres_dsn: str) -> Database:
    return Database(postgres_dsn)
