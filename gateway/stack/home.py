"""The folder of one stack (`.ordergate`): its lock, sockets, token key and the record of what runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gateway.stack.key import make_key
from gateway.stack.process import StackError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCKET_DIR_BYTES_MAX = 88
"""Linux takes 107 bytes for a socket's path; the longest name below this folder needs 18."""
_SURVIVOR_GRACE_S = 20.0


class Home:
    """Folder of one stack; made on first use, readable by its owner only."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.log = self.root / "log"
        """Folder of the services' logs."""
        self.state = self.root / "state.json"
        """What runs now; see `record`."""
        self._lock_fd = -1
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"--home {root}: {error.strerror}") from error

    @property
    def tag(self) -> str:
        """Short name that differs between homes."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:10]

    @property
    def run(self) -> Path:
        """Folder for sockets: `run` below the home, or one below /tmp where that path is too long for a socket."""
        folder = self.root / "run"
        if len(os.fsencode(folder)) > _SOCKET_DIR_BYTES_MAX:
            folder = short_folder(self.tag)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def lock(self) -> None:
        """Takes the home for this process, until it ends.

        Raises:
            StackError: another stack runs here.
        """
        fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(fd, 32, 0).decode().strip()
            os.close(fd)
            raise StackError(
                f"already running here as process {owner} ({self.root}): end that one, or give another --home"
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock_fd = fd

    def token_key(self) -> Path:
        """File with the key that signs tokens, made on first use."""
        return make_key(self.root / "token.key")

    def record(self, pids: Mapping[str, int]) -> None:
        """Remembers what runs, so that a later start can end what an unclean end left behind."""
        rows = {name: {"pid": pid, "born": _born(pid)} for name, pid in pids.items()}
        write_json(self.state, {"up": os.getpid(), "services": rows})

    def end_survivors(self) -> list[str]:
        """Ends services of an earlier stack of this home that outlived it; their names.

        Two Redis servers on one append-only file would ruin it, so nothing starts before this.
        """
        try:
            rows: dict[str, dict[str, int]] = orjson.loads(self.state.read_bytes())["services"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return []
        ours = {name: row for name, row in rows.items() if row["born"] and _born(row["pid"]) == row["born"]}
        for name, row in ours.items():
            _signal(row["pid"], signal.SIGINT if name == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + _SURVIVOR_GRACE_S
        for row in ours.values():
            while _born(row["pid"]) == row["born"]:
                if time.monotonic() > deadline:
                    _signal(row["pid"], signal.SIGKILL)
                time.sleep(0.02)
        return list(ours)


def short_folder(tag: str) -> Path:
    """A folder with a short path that only this user can enter.

    Raises:
        StackError: someone else has made it.
    """
    folder = Path("/tmp") / f"ordergate-{os.geteuid()}-{tag}"  # noqa: S108 - checked below
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{folder} belongs to someone else: remove it, or give a --home with a shorter path")
    return folder


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replaces `path` in one step, so that a reader never sees half of it; mode 0600."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    part.replace(path)


def _born(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 if there is none. With it a reused id is recognised."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == b"Z" else int(fields[19])


def _signal(pid: int, sig: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sig)
