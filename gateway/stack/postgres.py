"""A private PostgreSQL: one cluster, reached through a unix socket that only its owner can enter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg

from gateway.stack.account import lodge
from gateway.stack.home import Home, short_folder
from gateway.stack.process import BEHIND, Process, Program, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.stack.find import Server

USER = "ordergate"
DATABASE = "ordergate"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    # Batches are written without pause: fewer, longer checkpoints, and less WAL for the full pages after each.
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    # Statements are short and many; compiling them, or splitting them over two cores, costs more than it saves.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "log_min_messages": "warning",
    "log_timezone": "UTC",
}
_SPARE = Path("/var/tmp")  # noqa: S108 - the folder below it belongs to PostgreSQL's account alone


class PrivatePostgres:
    """A PostgreSQL cluster of our own.

    Args:
        server: program to run.
        home: the stack's folder; data lies in its `postgres`, or where PostgreSQL's account can't enter that, below
            /var/tmp.
        settings: over `SETTINGS`.
    """

    def __init__(self, server: Server, home: Home, settings: Mapping[str, str] | None = None) -> None:
        lodging = lodge(server, *data_folders(home))
        self._account = lodging.account
        self._data = lodging.folder / "data"
        self._bin = lodging.server.path.parent
        self._socket_dir = lodging.folder / "run"
        if len(str(self._socket_dir)) > 88:
            self._socket_dir = short_folder(home.tag) / "postgres"
        options = {"unix_socket_directories": f'"{self._socket_dir}"', **SETTINGS, **(settings or {})}
        argv = [str(lodging.server.path), "-D", str(self._data)]
        argv += [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        # SIGINT is PostgreSQL's fast shutdown; after a SIGTERM it waits for clients, and ours never leave.
        self.program = Program(
            "postgres",
            argv,
            home.log / "postgres.log",
            self._ready,
            prefix=self._account.prefix,
            prepare=self._prepare,
            leaving=lambda: self._status() == "stopping",
            stop_signal=SIGINT,
            nice=BEHIND,
        )
        self.process = Process(self.program)

    @property
    def dsn(self) -> str:
        """The stack's database."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Where clients find a database of this cluster."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self._socket_dir))}"

    def _prepare(self) -> None:
        self._account.make_folder(self._socket_dir)
        if not (self._data / "PG_VERSION").exists():
            self._initdb()

    def _initdb(self) -> None:
        """Makes the cluster beside its place and moves it there, so that half of one is never taken for a whole."""
        part = self._data.with_name("data.part")
        shutil.rmtree(part, ignore_errors=True)
        argv = [*self._account.prefix, str(self._bin / "initdb"), "-D", str(part), "-U", USER, "-E", "UTF8"]
        argv += ["--locale=C", "--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise StackError(f"postgres: initdb failed: {' '.join(reason)}")
        part.rename(self._data)

    def _ready(self) -> bool:
        return self._status() == "ready"

    def _status(self) -> str:
        """What the postmaster says in its pid file, the way pg_ctl looks for it; "" before and after its life."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return ""
        ours = len(lines) > 7 and lines[0].strip() == str(self.process.pid)
        return lines[7].strip() if ours else ""


def data_folders(home: Home) -> tuple[Path, Path]:
    """Where the data of this home may lie."""
    return home.root / "postgres", _SPARE / f"ordergate-{home.tag}"


def data_major(home: Home) -> int | None:
    """Major version that made the data of this home, None if there are none yet."""
    for folder in data_folders(home):
        version = folder / "data" / "PG_VERSION"
        if version.exists():
            return int(version.read_text(encoding="ascii"))
    return None


async def create_database(dsn: str, name: str, template: str | None = None) -> bool:
    """Creates a database unless it exists.

    Args:
        dsn: any other database of the cluster.
        name: an identifier of ours, not input.
        template: copy this one, which nobody may be using.

    Returns:
        True if it was created.
    """
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        suffix = f' TEMPLATE "{template}"' if template else ""
        await connection.execute(f'CREATE DATABASE "{name}"{suffix}')
        return True
    finally:
        await connection.close()
