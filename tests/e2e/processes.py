"""The processes of a gateway, as the kernel knows them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def child(parent: int, role: str) -> int:
    """Process id of the child of `ordergate gateway` that runs as `worker` or `relay`."""
    return children(parent, role)[0]


def children(parent: int, role: str) -> list[int]:
    """Process ids of all children in this role."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in pids if role.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


def wait_until_gone(pid: int, timeout_s: float = 30.0) -> None:
    """Returns when the process has ended."""
    deadline = time.monotonic() + timeout_s
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def freeze(pid: int) -> None:
    """Stops the process where it is; `thaw` lets it go on."""
    os.kill(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)
