"""One build at a time: tests may run in several processes, and Ninja does not lock its directory."""

from __future__ import annotations

import fcntl
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/engine"


@contextmanager
def building() -> Iterator[None]:
    """While it lasts, no other test builds in `build/engine`."""
    with (BUILD / ".tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(*targets: str) -> None:
    """Builds targets of the engine's build."""
    command = ["cmake", "--build", str(BUILD), "--target", *targets]
    with building():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
