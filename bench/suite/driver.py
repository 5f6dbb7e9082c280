"""The load tool as a child process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

PROGRAM = Path("build/engine/load/ordergate-load")
_GRACE_S = 60.0

Result = dict[str, Any]
"""What the load tool writes with --json."""


class LoadFailed(Exception):
    """The load tool could not measure; the message is its own."""


class Driver:
    """One run of the load tool, in the background.

    Args:
        address: host:port of the server.
        token: bearer token, may be empty.
        options: of the load tool, by name without the dashes; True for a flag.
    """

    def __init__(self, address: str, token: str, options: Mapping[str, object]) -> None:
        self._json = Path(tempfile.mkstemp(prefix="ordergate-load-", suffix=".json")[1])
        command = [str(PROGRAM), "--address", address, "--json", str(self._json), "--progress", "json"]
        for name, value in options.items():
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,  # what was not written when the tool has ended must not be written when its pipe is closed
            env=os.environ | {"ORDERGATE_TOKEN": token},
        )
        self.progress: Result = {}
        """Its last line of progress."""
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._json.unlink(missing_ok=True)
        if self._process.stdin:
            self._process.stdin.close()

    def _read(self, lines: IO[bytes]) -> None:
        with lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace")
                if line.startswith("{"):
                    self.progress = json.loads(line)
                else:
                    self._said.append(line.rstrip())

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def tell(self, line: str) -> None:
        """Gives it a line, see its --control; ignored if it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())

    def result(self, timeout_s: float) -> Result:
        """Waits for its end.

        Raises:
            LoadFailed: it could not measure, or did not end in time.
        """
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"the load tool did not end within {timeout_s:.0f} s") from None
        self._reader.join()
        if status not in {0, 1}:
            raise LoadFailed(" ".join(self._said) or f"the load tool ended with status {status}")
        result: Result = json.loads(self._json.read_text(encoding="utf-8"))
        return result


def load(address: str, token: str = "", *, accounts: Sequence[str] = (), **options: object) -> Result:
    """Runs the load tool to its end; options as `Driver`, with _ for -.

    Raises:
        LoadFailed: it could not measure.
    """
    given = {name.replace("_", "-"): value for name, value in options.items()}
    if accounts:
        given["accounts"] = ",".join(accounts)
    longest = sum(
        float(str(given.get(name, default))) for name, default in (("warmup", 2), ("seconds", 10), ("drain", 30))
    )
    with Driver(address, token, given) as driver:
        return driver.result(longest + _GRACE_S)
