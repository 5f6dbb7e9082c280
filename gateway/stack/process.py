"""One child process: how it is started, when it is ready, what it last said, and how it is stopped."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONFIGURATION_REFUSED = 78
"""Exit status of a service that will never start with this configuration (EX_CONFIG of sysexits.h)."""
BEHIND = 10
"""Niceness of persister and Postgres: nobody waits for a batch, while every ack waits for gateway and Redis."""
_LOG_BYTES_MAX = 16 * 2**20
"""A larger log is set aside as `<name>.log.1` at the next start, so that a long-lived home does not fill the disk."""
_POLL_S = 0.02
_TAIL_BYTES = 8192
_REFUSAL = re.compile(r"(ordergate|ordergate-engine|persistence): ")
"""How our programs begin the one line that says why they give up."""
_TELLING = ("error", "fatal", "panic")


class StackError(Exception):
    """The stack can't start or go on; the message is for the user and says what to do.

    Attributes:
        status: exit status of the command that gives up.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how to tell that it works."""

    name: str
    """One word, for messages and the log's name."""
    argv: Sequence[str]
    log: Path
    """File that takes stdout and stderr, appended."""
    ready: Callable[[], bool]
    """True once it serves; called from a thread, often, after the start. May block for a second."""
    prefix: Sequence[str] = ()
    """Put before `argv`, for example to become another account."""
    env: Mapping[str, str] | None = None
    """Its whole environment; None for that of this process."""
    prepare: Callable[[], None] | None = None
    """Runs before every start, for example to remove a stale socket."""
    leaving: Callable[[], bool] | None = None
    """True while it is on its way out because somebody else told it, but waits; the supervisor then hurries it."""
    stop_signal: signal.Signals = signal.SIGTERM
    """Asks for an orderly end; also sent by the kernel when this process dies."""
    stop_grace_s: float = 15.0
    """After it the end is forced."""
    start_timeout_s: float = 60.0
    nice: int = 0
    """How far it stands back from the others, 0 to 19, when there are not processors enough for all."""


class Process:
    """A program that runs, ran or will run; it can be started again after its end.

    Not thread-safe, except for `stop` and `died`. `start` must be called from the main thread: the kernel ends the
    child when the thread that started it ends.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_offset = 0
        self.started_at = 0.0
        """Monotonic time of the last start, seconds."""

    @property
    def pid(self) -> int:
        """Id of the process; 0 before the first start."""
        return self._popen.pid if self._popen else 0

    @property
    def died(self) -> int | None:
        """Exit status (negative: the signal), or None while it runs or before its first start."""
        return self._popen.poll() if self._popen else None

    def start(self) -> None:
        """Starts it and returns at once.

        Raises:
            StackError: the program can't be executed.
        """
        program = self.program
        if program.prepare:
            program.prepare()
        program.log.parent.mkdir(parents=True, exist_ok=True)
        if program.log.exists() and program.log.stat().st_size > _LOG_BYTES_MAX:
            program.log.replace(program.log.with_name(program.log.name + ".1"))
        with program.log.open("ab") as log:
            self._log_offset = log.tell()
            self.started_at = time.monotonic()
            try:
                self._popen = subprocess.Popen(
                    [*program.prefix, *_dies_with_us(program.stop_signal), *program.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=program.env,
                    start_new_session=True,  # Ctrl-C must reach us alone: we stop them in order
                )
            except OSError as error:
                raise StackError(f"{program.name}: can't run {program.argv[0]}: {error.strerror}") from error
        if program.nice:
            _stand_back(self._popen.pid, program.nice)

    def check_ready(self) -> bool:
        """True if it serves now.

        Raises:
            StackError: it has ended, or had its time; the message quotes its log.
        """
        status = self.died
        if status is not None:
            raise StackError(f"{self.program.name} {describe(status)}: {self.last_words()}", _exit_status(status))
        if self._popen and self.program.ready():
            return True
        if time.monotonic() - self.started_at > self.program.start_timeout_s:
            limit = self.program.start_timeout_s
            raise StackError(f"{self.program.name} is not ready after {limit:.0f} s: {self.last_words()}")
        return False

    def wait_ready(self) -> None:
        """Blocks until it serves; raises as `check_ready`."""
        while not self.check_ready():
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Asks it to end, waits, then forces it and whatever it left in its session. Safe to call twice."""
        if self._popen is None:
            return
        self.ask_to_stop()
        try:
            self._popen.wait(self.program.stop_grace_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self.end_remains()

    def ask_to_stop(self) -> None:
        """Asks it to end, and does not wait."""
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(self.program.stop_signal)
                self._popen.send_signal(signal.SIGCONT)  # a stopped process would sleep through its grace

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL), and waits for that."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def end_remains(self) -> None:
        """Ends what the dead process left behind in its own process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """The line of its log, since the last start, that best says why it ended, and where the rest is."""
        log = self.program.log
        lines = tail(log, self._log_offset)
        refusals = [line.partition(": ")[2] for line in lines if _REFUSAL.match(line)]
        errors = [line for line in lines if any(word in line.lower() for word in _TELLING)]
        line = (refusals or errors or lines or ["it said nothing"])[-1]
        return f"{line} (log: {log})"


def tail(log: Path, offset: int = 0) -> list[str]:
    """Non-empty lines among the last 8 KiB of `log`, at or after `offset` (bytes)."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(offset, size), size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _stand_back(pid: int, nice: int) -> None:
    """Gives a process that was just started the niceness; its children have it too.

    Where the kernel groups tasks by session (sched_autogroup), the niceness within a session says nothing about other
    sessions, and the group needs its own.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


def describe(status: int) -> str:
    """An exit status in words: `ended with status 1`, `was ended by SIGKILL`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _exit_status(status: int) -> int:
    return CONFIGURATION_REFUSED if status == CONFIGURATION_REFUSED else 1


def _dies_with_us(sig: signal.Signals) -> list[str]:
    """Prefix that has the kernel send `sig` to the child when we die; setpriv belongs to every Debian (util-linux).

    It must be the last one: the kernel forgets the wish when a process changes its account.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", sig.name.removeprefix("SIG"), "--"] if setpriv else []
