"""The servers of a run: the private stack, the baseline, the echo."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from bench.demo.stack import Target, own_stack
from bench.suite.loop import run
from gateway.exits import grpc_polling
from gateway.stack.find import find_postgres
from gateway.stack.home import Home
from gateway.stack.postgres import DATABASE, PrivatePostgres, create_database
from gateway.stack.process import Process, Program
from gateway.stack.services import accepts, find_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.suite.plan import Plan

INSTRUMENTS = Path("instruments.toml")
_STOP_S = 10.0


class PeerFailed(Exception):
    """A server of the bench did not come up; the message says why."""


def accounts(plan: Plan) -> list[str]:
    """Accounts that trade."""
    return [f"bench-{n}" for n in range(plan.accounts)]


@contextlib.contextmanager
def fresh_stack(home: Path, plan: Plan, say: Callable[[str], None]) -> Iterator[Target]:
    """A new stack without data of an earlier one; its queue has room for a burst."""
    with own_stack(home, accounts(plan), keep=False, say=say) as target:
        with redis.Redis.from_url(str(target.facts["redis_url"])) as client:
            client.config_set("maxmemory", plan.queue_memory)
        yield target


@contextlib.contextmanager
def echo_server() -> Iterator[str]:
    """Address of the no-op ceilings."""
    address = _free_address()
    with _python("bench.baseline.echo", "--listen", address):
        yield address


@contextlib.contextmanager
def baseline_server(home: Path, plan: Plan) -> Iterator[str]:
    """Address of the synchronous baseline, with a Postgres and an engine of its own and nothing else running."""
    place = Home(home)
    with contextlib.ExitStack() as stack:
        postgres = PrivatePostgres(find_postgres(None), place)
        _start(stack, postgres.process)
        run(create_database(postgres.dsn_of("postgres"), DATABASE))
        engine = _engine(place)
        _start(stack, Process(engine))
        address = _free_address()
        options = ["--listen", address, "--postgres-dsn", postgres.dsn, "--engine", engine.argv[2]]
        for name in accounts(plan):
            options += ["--account", name]
        with _python("bench.baseline.synchronous", *options):
            yield address


def _engine(place: Home) -> Program:
    """An engine without snapshots: the ancestor had none."""
    path = place.run / "engine.sock"
    argv = [str(find_engine()), "--listen", f"unix:{path}", "--instruments", str(INSTRUMENTS.absolute())]
    argv += ["--data-dir", "", "--die-with-parent"]
    log = place.log / "engine.log"
    return Program("engine", argv, log, lambda: accepts(path), prepare=lambda: path.unlink(missing_ok=True))


def _start(stack: contextlib.ExitStack, process: Process) -> None:
    stack.callback(process.stop)
    process.start()
    process.wait_ready()


@contextlib.contextmanager
def _python(module: str, *options: str) -> Iterator[None]:
    """A server of the bench that prints `ready` when it serves."""
    command = [sys.executable, "-m", module, *options]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ORDERGATE_")}
    environ = {**grpc_polling(), **environ}  # as the gateway's workers have it
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise PeerFailed(f"{module} did not start, see above")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
