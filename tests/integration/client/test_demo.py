"""`make demo`, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.stack.services import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import RunningStack

pytestmark = pytest.mark.e2e

TAPE = """\
add,1,B,10000,200000000
add,2,S,10100,100000000
new,3,B,10100,50000000,POST
new,4,S,0,50000000,IOC
fill,1,10000,50000000
new,5,B,99999999900,300000000,IOC
fill,2,10100,100000000
cut,1,100000000
new,6,B,10000,100000000,GTC
new,7,S,10000,120000000,IOC
fill,1,10000,100000000
fill,6,10000,20000000
del,6
"""


def demo(*arguments: object, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "bench.demo", *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)


@pytest.mark.usefixtures("engine_binary")
def test_flow_is_reconciled_although_engine_gateway_and_persister_are_killed(short_path: Path) -> None:
    figures = short_path / "demo.json"
    done = demo("--part", "flow", "--seconds", 6, "--chaos", "--home", short_path / "home", "--json", figures)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())["parts"]["generated"]
    assert found["passed"]
    assert found["reconnects"] >= 1
    assert found["executions"] == found["postgres_executions"] > 0
    assert done.stdout.count("kill -9 ") >= 4


def test_a_tape_goes_to_a_running_stack_and_again(stack: RunningStack, tmp_path: Path) -> None:
    tape, figures = tmp_path / "tape.txt", tmp_path / "demo.json"
    tape.write_text(TAPE)
    where = ("--address", stack.address, "--postgres-dsn", stack.postgres_dsn, "--token", stack.token("d-1", "d-2"))
    for _ in range(2):
        done = demo("--part", "tape", "--tape", tape, "--json", figures, *where)
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(figures.read_text())["parts"]["tape"]
        assert (found["tape_fills_agreed"], found["tape_fills_expected"], found["post_only_refused"]) == (4, 4, 1)


def test_a_fill_that_the_engine_does_not_make_fails_the_demo(stack: RunningStack, tmp_path: Path) -> None:
    tape, figures = tmp_path / "tape.txt", tmp_path / "demo.json"
    tape.write_text(TAPE.replace("fill,1,10000,50000000", "fill,1,10000,49999999"))
    where = ("--address", stack.address, "--postgres-dsn", stack.postgres_dsn, "--token", stack.token("d-1"))
    done = demo("--part", "tape", "--tape", tape, "--json", figures, *where)
    assert done.returncode == 1
    assert "order 4 of the tape" in done.stdout
    assert not json.loads(figures.read_text())["passed"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--tape", "/no/such/file"), 2, "/no/such/file"),
        (("--address", "127.0.0.1:1"), 2, "go together"),
        (("--address", "127.0.0.1:1", "--token", "t", "--postgres-dsn", "postgresql:///x", "--tape", "{tape}"), 2, ""),
    ],
)
def test_what_cannot_run_says_why(tmp_path: Path, arguments: tuple[str, ...], status: int, message: str) -> None:
    tape = tmp_path / "tape.txt"
    tape.write_text(TAPE)
    done = demo(*(argument.format(tape=tape) for argument in arguments), "--home", tmp_path, "--seconds", 1)
    assert done.returncode == status, done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
