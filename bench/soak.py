"""`python -m bench.soak` (`make soak`): what the services keep in memory under a steady load, and whether it grows.

Orders are sent at a fixed rate, a third of them trading, and those that rest are canceled after a while, so that the
book stays as it is: whatever grows is not the user's data. Redis has the limit that `ordergate up` gives it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from rich.console import Console

from bench.demo.stack import StackFailed, own_stack
from bench.suite.backlog import Path as LogPath
from bench.suite.driver import PROGRAM, Driver, LoadFailed
from bench.suite.machine import facts
from bench.suite.memory import memory_mb
from bench.suite.peers import accounts
from bench.suite.plan import FULL
from bench.suite.report import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.demo.stack import Target

RESULTS = Path("bench/results")
WORKER_MB_MAX = 150.0
"""Goal for a gateway worker after five million orders."""
GROWTH_MAX = 0.10
"""A part that has grown by more between the second and the last quarter of the run grows."""
GROWTH_MB_MIN = 10.0
"""Less than this is no growth: allocators breathe."""
WINDOWS_S = 480.0
"""In a shorter run Redis is still filling the windows that it keeps."""
_SAMPLE_S = 2.0
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_err = Console(stderr=True, highlight=False)

Sample = dict[str, float]
"""Memory in MB by the part's name, and `t`, seconds."""


def main() -> int:
    """Exit status 0: bounded; 1: not, or errors; 2: could not run."""
    given = _arguments()
    if not PROGRAM.exists():
        _err.print(f"no load tool at {PROGRAM}: build it with `make load`")
        return 2
    home = Path(tempfile.mkdtemp(prefix="ordergate-soak-"))
    try:
        with own_stack(home, accounts(FULL), keep=False, say=_err.print) as target:
            samples, result = _soak(target, given.duration, given.rate, given.frame)
    except (StackFailed, LoadFailed, OSError) as error:
        _err.print(str(error), style="red")
        return 2
    finally:
        shutil.rmtree(home, ignore_errors=True)
    found = findings(samples)
    document = {"machine": facts(), "orders": result["orders"], "load": result, "parts": found, "samples": samples}
    RESULTS.mkdir(parents=True, exist_ok=True)
    out = RESULTS / f"{document['machine']['date'][:10]}-{document['machine']['commit']}-soak.json"
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(report(found, result["orders"]))
    if given.duration < WINDOWS_S:
        print(
            f"\nRedis fills its windows in the first minutes: {WINDOWS_S / 60:.0f} are needed to tell whether it grows."
        )
    print(f"\n{result['error_count']} errors {result['errors'] or ''}; {out}")
    return 0 if not faults(found) and not result["error_count"] else 1


def _soak(target: Target, duration_s: float, rate: float, frame: int) -> tuple[list[Sample], dict[str, Any]]:
    options = {"rate": rate, "frame": frame, "cancel-after": 2000, "seconds": duration_s, "warmup": 0, "drain": 60}
    options |= {"accounts": ",".join(accounts(FULL))}
    samples: list[Sample] = []
    began = said = time.monotonic()
    with LogPath(target) as log, Driver(target.address, target.token, options) as driver:
        while driver.running:
            time.sleep(_SAMPLE_S)
            now = time.monotonic()
            if (memory := memory_mb(target.pids())) and driver.running:
                samples.append({"t": round(now - began, 1)} | memory | {"redis used": redis_mb(log)})
            if now - said >= 30:
                said = now
                sent = driver.progress.get("orders", 0)
                parts = ", ".join(f"{name} {mb:.0f}" for name, mb in samples[-1].items() if name != "t")
                _err.print(f"{now - began:6.0f} s  {sent:,} orders, MB: {parts}", style="dim")
        return samples, driver.result(60)


def redis_mb(log: LogPath) -> float:
    """What Redis uses; 0 while it does not answer."""
    try:
        return log.memory_mb()
    except redis.RedisError:
        return 0.0


def findings(samples: Sequence[Sample]) -> dict[str, Sample]:
    """For each part: memory in the second and in the last quarter of the run (means), at the end and at most, in MB."""
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    parts = {name: None for sample in samples for name in sample if name != "t"}

    def mean(rows: Sequence[Sample], part: str) -> float:
        values = [row[part] for row in rows if part in row]
        return sum(values) / len(values) if values else 0.0

    return {
        part: {
            "second_quarter": mean(second, part),
            "last_quarter": mean(last, part),
            "end": next((row[part] for row in reversed(samples) if part in row), 0.0),
            "most": max(row.get(part, 0.0) for row in samples),
        }
        for part in parts
    }


def grows(found: Sample) -> bool:
    """Whether a part has grown."""
    growth = found["last_quarter"] - found["second_quarter"]
    return growth > max(GROWTH_MB_MIN, GROWTH_MAX * found["second_quarter"])


def faults(found: dict[str, Sample]) -> list[str]:
    """What is not as it should be, by part."""
    wrong = [f"{part} grows" for part, row in found.items() if grows(row)]
    wrong += [f"{part} is above {WORKER_MB_MAX:g} MB" for part, row in found.items() if _too_large(part, row)]
    return wrong


def _too_large(part: str, row: Sample) -> bool:
    return part == "gateway worker" and row["end"] > WORKER_MB_MAX


def report(found: dict[str, Sample], orders: int) -> str:
    """Table of the parts, with what is wrong with them."""
    keys = ("second_quarter", "last_quarter", "end", "most")
    rows = [
        [part, *(f"{row[key]:.0f}" for key in keys), ", ".join(w for w in faults({part: row})) or "bounded"]
        for part, row in found.items()
    ]
    head = ("MB", "second quarter", "last quarter", f"after {orders:,} orders", "at most", "")
    return table(head, rows)


def seconds(text: str) -> float:
    """Seconds of a duration such as 90, 90s, 10m or 1h."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 90, 90s, 10m or 1h")
    return float(match[1]) * _UNITS[match[2]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak",
        description="Memory of every service under a steady load, and whether it grows.",
        epilog="exit status: 0 bounded; 1 not, or errors; 2 could not run",
    )
    parser.add_argument("--duration", type=seconds, default=600.0, help="such as 90s, 10m (default), 1h")
    parser.add_argument("--rate", type=float, default=12_000, help="commands a second, cancels included: five million "
                        "orders in ten minutes at the default of %(default)g")  # fmt: skip
    parser.add_argument("--frame", type=int, default=20, help="commands in a message (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
