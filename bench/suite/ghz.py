"""ghz, the common load generator of gRPC, with the configurations of `bench/ghz`.

Its latencies are of a closed loop, and a stream is one sample to it; it is here because users have it, and to show
that a foreign client sees no errors. The load tool's figures are the ones that count.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.stack.services import issue_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.demo.stack import Target
    from bench.suite.scenes import Book

FOLDER = Path(__file__).parents[1] / "ghz"
CONFIGURATIONS = ("submit", "session", "get_order", "health")
ACCOUNT = "bench-0"
_TOOLS = Path(".ordergate/tools/bin")
_NS_PER_MS = 1e6
_GRACE_S = 60.0


def find_ghz() -> str | None:
    """ghz of `make bench`, or on the PATH."""
    return shutil.which("ghz", path=f"{_TOOLS}{os.pathsep}{os.environ.get('PATH', '')}")


def ghz(book: Book, target: Target) -> None:
    """Runs every configuration."""
    program = find_ghz()
    if program is None:
        book.say("ghz is not here (Go was missing at `make bench`): its figures are left out")
        return
    token = issue_token(Path(target.facts["token_key"]), (ACCOUNT,))
    for name in CONFIGURATIONS:
        if name == "get_order":
            run(program, "submit", target.address, token, total=1, data=_one_order())
        report = run(program, name, target.address, token, duration_s=book.plan.ghz_s)
        found = summary(report)
        book.runs[f"ghz-{name}"] = found
        book.add_errors(int(found["error_count"]))
        if found["error_count"]:
            book.faults.append(f"ghz {name}: {found['error_count']} errors ({found['errors']})")


def run(
    program: str, name: str, address: str, token: str, *, duration_s: float = 0, total: int = 0, data: str = ""
) -> dict[str, Any]:
    """ghz's own report of one configuration.

    Args:
        program: path of ghz.
        name: configuration, a file of `FOLDER`.
        address: host:port.
        token: bearer token of one account.
        duration_s: how long; calls under way at the end are awaited.
        total: how many calls, if no duration is given.
        data: in place of the configuration's.

    Raises:
        RuntimeError: ghz could not run.
    """
    metadata = json.dumps({"authorization": f"Bearer {token}"})
    with tempfile.TemporaryDirectory(prefix="ordergate-ghz-") as folder:
        out = Path(folder) / "report.json"
        command = [
            program,
            "--config",
            str(FOLDER / f"{name}.json"),
            "--metadata",
            metadata,
            "-O",
            "json",
            "-o",
            str(out),
        ]
        if duration_s:
            command += ["--duration", f"{duration_s:g}s", "--duration-stop", "wait"]
        if total:
            command += ["--total", str(total), "--concurrency", "1", "--connections", "1"]
        if data:
            command += ["--data", data]
        done = subprocess.run(
            [*command, address], capture_output=True, text=True, check=False, timeout=duration_s + _GRACE_S
        )
        if done.returncode or not out.exists():
            raise RuntimeError(f"ghz {name}: {(done.stderr or done.stdout).strip()[-500:]}")
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return report


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of ghz's report: rate, latencies in ms, errors by status or text."""
    errors = {code: count for code, count in (report.get("statusCodeDistribution") or {}).items() if code != "OK"}
    latencies = {
        f"p{row['percentage']}": row["latency"] / _NS_PER_MS for row in report.get("latencyDistribution") or ()
    }
    return {
        "calls": report["count"],
        "calls_per_s": report["rps"],
        "mean_ms": report["average"] / _NS_PER_MS,
        "max_ms": report["slowest"] / _NS_PER_MS,
        "latency_ms": latencies,
        "error_count": sum(errors.values()),
        "errors": dict(report.get("errorDistribution") or errors),
    }


def _one_order() -> str:
    document = json.loads((FOLDER / "submit.json").read_text(encoding="utf-8"))["data"]
    document["command"]["command_id"] = "ghz-get-order"
    return json.dumps(document)
