"""The stack that the demo runs against: its own, started by `ordergate up`, or one that runs already."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PR_SET_PDEATHSIG = 1
_READY_S = 180.0
_STOP_S = 40.0


class StackFailed(Exception):
    """The stack did not come up; the message says where to look."""


@dataclass(slots=True)
class Target:
    """Where the demo goes."""

    address: str
    token: str
    postgres_dsn: str
    ready_file: Path | None = None
    """Facts of the demo's own stack, kept up to date by it; None for a stack that ran already."""
    facts: dict[str, Any] = field(default_factory=dict)

    def pids(self) -> dict[str, int]:
        """Process ids of the services of the demo's own stack, as they are now."""
        if self.ready_file is None or not self.ready_file.exists():
            return {}
        pids: dict[str, int] = json.loads(self.ready_file.read_text(encoding="utf-8"))["pids"]
        return pids


@contextlib.contextmanager
def own_stack(home: Path, accounts: Sequence[str], *, keep: bool, say: Callable[[str], None]) -> Iterator[Target]:
    """Starts `ordergate up` in the background and stops it at the end.

    Args:
        home: folder of its data.
        accounts: accounts of its development token.
        keep: go on with the data of an earlier run; else they are removed first.
        say: called with each line that it says while it starts.

    Raises:
        StackFailed: it ended, or was not ready in time.
    """
    home.mkdir(parents=True, exist_ok=True)
    ready, log = home / "ready.json", home / "up.log"
    ready.unlink(missing_ok=True)
    program = Path(sys.executable).with_name("ordergate")
    command = [program, "up", "--home", home, "--listen", "127.0.0.1:0", "--ready-file", ready]
    for account in accounts:
        command += ["--account", account]
    if not keep:
        command.append("--reset")
    # Settings of the user's own installation must not leak into the demo's.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ORDERGATE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*map(str, command)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
            preexec_fn=_end_with_us,  # noqa: PLW1509 - nothing else runs in this process yet
        )
    try:
        facts = _wait_ready(process, ready, log, say)
        yield Target(facts["address"], facts["token"], facts["postgres_dsn"], ready, facts)
    finally:
        _stop(process)


def _wait_ready(process: subprocess.Popen[bytes], ready: Path, log: Path, say: Callable[[str], None]) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_S
    said = 0
    while not ready.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines[said:]:
            say(line)
        said = len(lines)
        if process.poll() is not None or time.monotonic() > deadline:
            what = f"ended with status {process.returncode}" if process.returncode is not None else "is not ready"
            tail = "\n".join(f"  {line}" for line in lines[-12:])
            raise StackFailed(f"`ordergate up` {what}. The end of {log}:\n{tail}\nMore is in {ready.parent}/log.")
        time.sleep(0.05)
    facts: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
    return facts


def _end_with_us() -> None:
    """The stack ends in order when the demo is gone, however it went (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
