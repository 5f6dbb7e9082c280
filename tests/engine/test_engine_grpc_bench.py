"""The bench of the gRPC service, on a small workload."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from engine_driver import engine_binary

from tests.support.building import build

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TABLE = """\
{
  "w1": {"ratio": 2.5, "valid": true},
  "grpc": {"valid": false},
  "m1": {"ratio": 3}
}
"""


@pytest.fixture(scope="module")
def programs() -> Path:
    """Where the bench's programs are."""
    if given := os.environ.get("ORDERGATE_BENCH_DIR"):
        return Path(given)
    directory = engine_binary().parent
    build("grpc_bench", "gen_workload")
    return directory / "bench"


@pytest.fixture(scope="module")
def workload(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("workload") / "small.bin"
    options = ["--ops", "20000", "--symbols", "3", "--resting", "500"]
    subprocess.run([programs / "gen_workload", "--out", path, *options], check=True, capture_output=True)
    return path


def bench(programs: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(programs / "grpc_bench"), "--runs", "1", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_engine_comes_to_the_state_of_a_run_without_grpc(programs: Path, workload: Path, tmp_path: Path) -> None:
    table = tmp_path / "engine.json"
    table.write_text(TABLE)
    small = ("--commands", 20_000, "--frame", 64, "--alone", 30, "--window", 4)
    done = bench(programs, "--engine", engine_binary(), "--workload", workload, "--json", table, *small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " VALID" in done.stdout
    found = json.loads(table.read_text())
    assert list(found) == ["w1", "m1", "grpc"]
    assert found["w1"] == {"ratio": 2.5, "valid": True}
    grpc = found["grpc"]
    assert grpc["valid"]
    shares = [grpc[f"{part}_share"] for part in ("protobuf", "matching", "grpc")]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert grpc["events_per_s"] > grpc["commands_per_s"] > grpc["orders_per_s"] > 1000
    assert 0 < grpc["round_trip_p50_us"] <= grpc["round_trip_p99_us"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--engine", "/no/such/engine"), "the engine does not start"),
        (("--engine", "/bin/true"), "the engine does not start"),
        (("--workload", "/no/such/file"), "/no/such/file"),
        (("--frame", "0"), "--frame"),
        (("--json", "/dev/null/x"), "/dev/null/x"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(
    programs: Path, workload: Path, change: tuple[str, str], named: str
) -> None:
    options = {"--engine": engine_binary(), "--workload": workload, "--commands": 10_000} | dict([change])
    done = bench(programs, *(word for option in options.items() for word in option))
    assert done.returncode == 2, done.stdout + done.stderr
    assert named in done.stdout + done.stderr


def test_a_file_that_is_not_the_benchs_is_left_as_it_is(programs: Path, workload: Path, tmp_path: Path) -> None:
    table = tmp_path / "other.json"
    table.write_text('{"precious": 1}\n')
    done = bench(programs, "--engine", engine_binary(), "--workload", workload, "--json", table, "--commands", 10_000)
    assert done.returncode == 2
    assert str(table) in done.stderr
    assert table.read_text() == '{"precious": 1}\n'
