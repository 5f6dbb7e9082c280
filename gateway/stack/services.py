"""Engine, persister and gateway as child processes of the stack."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.stack.process import BEHIND, Program, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, where there is one."""
ENGINE_BINARY_KEY = "ORDERGATE_ENGINE_BINARY"
ORDER_ENTRY = "ordergate.v1.OrderEntryService"
"""Health name that is SERVING while orders are queued and matched: Redis, relay and engine are there."""
PROCESS = ""
"""Health name that is SERVING while the gateway takes calls."""
_COMMAND_TIMEOUT_S = 30.0


def find_engine() -> Path:
    """The matching engine's program: $ORDERGATE_ENGINE_BINARY, build/engine, or PATH.

    Raises:
        StackError: there is none; the message says how to build it.
    """
    named = os.environ.get(ENGINE_BINARY_KEY)
    path = Path(named) if named else ROOT / "build/engine/ordergate-engine"
    if os.access(path, os.X_OK):
        return path.absolute()
    on_path = None if named else shutil.which("ordergate-engine")
    if on_path:
        return Path(on_path)
    raise StackError(f"no matching engine at {path}: build it with `make engine`, or give --engine ADDRESS")


def engine_program(binary: Path, path: Path, instruments: Path, data: Path, log: Path, shard: int = 0) -> Program:
    """Matching engine of one shard, on the unix socket `path`, with its snapshots in `data`."""
    argv = [str(binary), "--listen", f"unix:{path}", "--instruments", str(instruments), "--data-dir", str(data)]
    argv += ["--shard", str(shard), "--die-with-parent"]
    return Program(
        "engine", argv, log, lambda: accepts(path), prepare=lambda: path.unlink(missing_ok=True), env=environment({})
    )


def persister_program(log: Path, settings: Mapping[str, str]) -> Program:
    """The persister, configured through its environment alone; ready once its schema is there and it works."""
    argv, env = [sys.executable, "-m", "persistence"], environment(settings)
    return Program("persister", argv, log, lambda: _runs([*argv, "--check"], env).returncode == 0, env=env, nice=BEHIND)


def gateway_program(log: Path, settings: Mapping[str, str], service: str) -> Program:
    """Workers and relay; ready once `service` is SERVING."""
    argv = [sys.executable, "-m", "gateway.app", "gateway"]
    address = settings["ORDERGATE_LISTEN"]
    return Program("gateway", argv, log, lambda: serving(address, service), env=environment(settings), stop_grace_s=25)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process' environment with `settings` over it, less what only the stack reads."""
    return {key: value for key, value in os.environ.items() if key != ENGINE_BINARY_KEY} | dict(settings)


def accepts(path: Path) -> bool:
    """True if somebody listens on the unix socket `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        return connection.connect_ex(str(path)) == 0


def serving(address: str, service: str = ORDER_ENTRY) -> bool:
    """True if the gateway at `address` (host:port) says that `service` is SERVING."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()  # cheaper than the probe, and first
    except OSError:
        return False
    return ordergate("healthcheck", "--address", address, "--service", service).returncode == 0


def ordergate(*args: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of ours in a process of its own, since those import grpc and the stack must not."""
    return _runs([sys.executable, "-m", "gateway.app", *args], environment({}))


def _runs(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        check=False,
        env=env,
    )


def issue_token(key: Path, accounts: Sequence[str]) -> str:
    """A development token, signed with the key in file `key`.

    Raises:
        StackError: the command `token` refused; the message is its own.
    """
    args = [part for name in accounts for part in ("--account", name)]
    done = ordergate("token", "--key-file", str(key), *args)
    if done.returncode:
        raise StackError(f"no token: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout.strip()
