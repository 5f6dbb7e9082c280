"""The load tool, against a real stack, the baseline and the echo."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.demo.stack import Target
from bench.suite.backlog import Path as LogPath
from bench.suite.backlog import rows
from bench.suite.peers import baseline_server, echo_server
from bench.suite.plan import QUICK
from gateway.stack.services import ROOT
from tests.support.building import build
from tests.support.stack import RunningStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PROGRAM = ROOT / "build/engine/load/ordergate-load"


@pytest.fixture(scope="module", autouse=True)
def built(engine_binary: Path) -> None:
    build("ordergate-load")


def load(address: str, *options: object, token: str = "") -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "--address", address, "--json", "-", "--progress", "none", "--warmup", "0", "--drain", "90"]
    environ = os.environ | {"ORDERGATE_TOKEN": token}
    command += ["--seconds", "1"]
    return subprocess.run(
        [*map(str, command), *map(str, options)], capture_output=True, text=True, check=False, timeout=240, env=environ
    )


def measured(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["errors"] == {}
    assert found["acked"] == found["sent"] > 0
    return found


def test_sessions_in_the_open_loop_lose_nothing_and_trade_as_asked(stack: RunningStack) -> None:
    done = load(stack.address, "--rate", 400, "--frame", 10, "--trading", 0.25, token=stack.token("load-1", "load-2"))
    found = measured(done)
    assert found["offered_per_s"] == 400
    assert 300 <= found["sent"] <= 420
    assert found["told"] == found["sent"]
    assert found["filled"] == pytest.approx(found["sent"] / 4, abs=4 * 4)
    assert 0 < found["ack_ms"]["p50"] <= found["execution_ms"]["p50"] <= found["execution_ms"]["max"]
    target = Target(stack.address, "", stack.postgres_dsn, facts=stack.facts)
    with LogPath(target) as path:
        assert path.wait_level(60)
    assert rows(target, found["run"]) == (found["orders"], 0)


def test_the_closed_loop_keeps_to_its_window_and_cancels(stack: RunningStack) -> None:
    options = ("--frame", 20, "--window", 60, "--streams", 2, "--cancel-after", 50, "--until-event")
    found = measured(load(stack.address, *options, token=stack.token("load-3")))
    assert found["orders"] < found["sent"]
    assert found["told"] == found["sent"]


def test_submit_and_health_checks(stack: RunningStack) -> None:
    token = stack.token("load-4")
    found = measured(load(stack.address, "--rpc", "submit", "--window", 4, "--streams", 2, token=token))
    assert found["execution_ms"]["count"] == 0
    measured(load(stack.address, "--rpc", "health", "--rate", 50, "--streams", 1))


def test_refusals_are_counted_by_their_reason(stack: RunningStack) -> None:
    token = stack.token("load-5")
    for rpc in ("session", "submit"):
        options = ("--rpc", rpc, "--rate", 50, "--streams", 1, "--symbols", "NOPE")
        done = load(stack.address, *options, token=token)
        assert done.returncode == 1, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert found["errors"] == {"UNKNOWN_SYMBOL": found["sent"]}
        assert found["acked"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rpc", "submit", "--frame", "2"), "--frame"),
        (("--frame", "100", "--window", "50"), "--window"),
        (("--run", "abc"), "--run"),
        (("--token-file", "/no/such/file"), "/no/such/file"),
        (("--trading", "0.9"), "--trading"),
        ((), "Session is refused: UNAUTHENTICATED"),
    ],
)
def test_what_can_not_be_measured_is_refused(stack: RunningStack, options: tuple[str, ...], said: str) -> None:
    done = load(stack.address, *options)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr


def test_the_echo_answers_calls_and_messages() -> None:
    with echo_server() as address:
        measured(load(address, "--echo", "--accounts", "a,b", "--window", 50))
        measured(load(address, "--rpc", "submit", "--accounts", "a", "--window", 5))


@pytest.fixture
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with baseline_server(tmp_path_factory.mktemp("baseline"), QUICK) as address:
        yield address


def test_the_baseline_takes_orders(baseline: str) -> None:
    found = measured(load(baseline, "--rpc", "submit", "--accounts", "bench-0,bench-1", "--window", 8, "--streams", 2))
    assert found["orders"] == found["acked"]
