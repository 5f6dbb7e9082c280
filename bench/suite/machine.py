"""What a run was made on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from gateway.stack.find import Server, find_postgres, find_redis

PACKAGES = ("grpcio", "protobuf", "redis", "hiredis", "asyncpg", "uvloop", "orjson")


def facts() -> dict[str, Any]:
    """Machine, versions and the commit; a key that can't be known is None."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=10", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "load_average": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "redis": _name(find_redis()),
        "postgres": _name(find_postgres()),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def _name(server: Server) -> str:
    """Without its folder, which says nothing to whoever reads the report."""
    return f"{server.path.name} {'.'.join(map(str, server.version))}"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _field(file: str, name: str) -> str | None:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
