"""`python -m bench.suite` (`make bench`, `make bench-quick`): see bench/README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import asyncpg
import redis
from rich.console import Console

from bench.demo.stack import StackFailed, Target
from bench.suite import scenes
from bench.suite.catching_up import persister
from bench.suite.charts import draw
from bench.suite.driver import PROGRAM, LoadFailed
from bench.suite.ghz import ghz
from bench.suite.goals import add_ratios, latest
from bench.suite.machine import facts
from bench.suite.peers import PeerFailed, baseline_server, echo_server, fresh_stack
from bench.suite.plan import FULL, QUICK
from bench.suite.report import goals_table, markdown, with_table
from bench.suite.scenes import Book
from gateway.stack.process import StackError

RESULTS = Path("bench/results")
README = Path("README.md")
FAILURES = (
    *(LoadFailed, StackFailed, StackError, PeerFailed, RuntimeError, OSError, asyncpg.PostgresError),
    *(redis.RedisError, ExceptionGroup),
)
"""A scene that fails so is told as such, and the others go on."""

Scene = tuple[str, Callable[[Book, Target], None]]
_err = Console(stderr=True, highlight=False)


def main() -> int:
    """Runs the bench. Exit status 0: measured; 1: measured with errors, or not all of it; 2: could not run."""
    given = _arguments()
    if not PROGRAM.exists():
        _err.print(f"no load tool at {PROGRAM}: build it with `make load`")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: in order
    began = time.monotonic()
    book = Book(QUICK if given.quick else FULL, lambda line: _err.print(f"  {line}", style="dim"))
    machine = facts()
    home = Path(tempfile.mkdtemp(prefix="ordergate-bench-"))
    try:
        _run(book, given.only, home)
    except KeyboardInterrupt:
        _err.print("interrupted; nothing was written")
        return 130
    finally:
        shutil.rmtree(home, ignore_errors=True)
    add_ratios(book.figures)
    document = {"machine": machine, "plan": asdict(book.plan), "seconds": time.monotonic() - began}
    document |= {"figures": book.figures, "faults": book.faults, "runs": book.runs, "series": book.series}
    _write(document, given)
    return 1 if book.faults else 0


def _run(book: Book, only: list[str], home: Path) -> None:
    wanted = [name for name in PARTS if not only or name in only]
    if "baseline" in wanted:
        with _scene(book, "baseline"), baseline_server(home / "baseline", book.plan) as address:
            scenes.baseline(book, address)
    if "ceilings" in wanted:
        with _scene(book, "ceilings"), echo_server() as address:
            scenes.ceilings(book, address)
    # A stack for the figures of single orders, and one for each scene that leaves millions of them behind.
    stacks: list[list[Scene]] = [
        [("latency", scenes.latency), ("submit", scenes.submit), ("singles", scenes.singles), ("ghz", ghz)],
        [("rates", scenes.rates), ("frames", scenes.frames)],
        [("burst", scenes.burst)],
        [("sustained", scenes.sustained)],
        [("persister", persister)],
    ]
    if book.plan is QUICK:
        stacks = [[scene for stack in stacks for scene in stack]]
    for number, stack in enumerate(stacks):
        _on_stack(book, home / f"stack-{number}", [scene for scene in stack if scene[0] in wanted])


PARTS = {
    "baseline": "the synchronous server",
    "ceilings": "the no-op echo, unary and bidi",
    "latency": "time to ack and to the event at 1000 orders/s, health checks beside it",
    "submit": "Submit, closed loop",
    "singles": "messages of one order in Sessions, closed loop",
    "ghz": "ghz with bench/ghz",
    "rates": "latency against the offered load",
    "frames": "throughput against the orders in a message",
    "burst": "as many orders as will be acknowledged, then the backlog drained and counted in Postgres",
    "sustained": "the highest rate with a flat backlog, held",
    "persister": "the persister catching up, beside COPY",
}


def _on_stack(book: Book, home: Path, wanted: list[Scene]) -> None:
    if not wanted:
        return
    with _scene(book, "stack"), fresh_stack(home, book.plan, book.say) as target:
        for name, scene in wanted:
            with _scene(book, name):
                scene(book, target)
    shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _scene(book: Book, name: str):
    if name in PARTS:
        _err.print(f"{name}: {PARTS[name]}")
    try:
        yield
    except FAILURES as error:
        book.faults.append(f"{name} could not be measured: {error}")
        _err.print(f"  {name}: {error}", style="red")


def _write(document: dict, given: argparse.Namespace) -> None:
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    machine = document["machine"]
    quick = "-quick" if document["plan"]["name"] == "quick" else ""
    name = f"{machine['date'][:10]}-{machine['commit'] or 'unknown'}{quick}"
    document["charts"] = draw(document, out, name)
    (out / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (out / f"{name}.md").write_text(markdown(document), encoding="utf-8")
    flat = json.dumps(latest(document["figures"]), indent=2) + "\n"
    (out / "latest.json").write_text(flat, encoding="utf-8")
    if given.readme:
        _update_readme(document, out)
    print(goals_table(document["figures"]))
    for fault in document["faults"]:
        _err.print(f"! {fault}", style="red")
    _err.print(f"{out / name}.md, after {document['seconds'] / 60:.1f} minutes")


def _update_readme(document: dict, out: Path) -> None:
    machine = document["machine"]
    text = f"Of {machine['date'][:10]}, commit {machine['commit']}, on {machine['cores']} × {machine['cpu']}:\n\n"
    text += goals_table(document["figures"])
    for chart in document["charts"]:
        if chart.endswith("-latency.svg"):
            shutil.copyfile(out / chart, out / "latency.svg")
            text += f"\n\n![Latency against offered load]({out}/latency.svg)"
    README.write_text(with_table(README.read_text(encoding="utf-8"), text), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parts = "\n".join(f"  {name:<10} {text}" for name, text in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench.suite",
        description="Measures everything in one go, on private servers that are started for it and removed afterwards.",
        epilog=f"parts:\n{parts}\n\nexit status: 0 measured; 1 measured with errors, or not all of it; 2 could not run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="at most two minutes, the same keys, noisier figures")
    parser.add_argument(
        "--only", action="append", choices=list(PARTS), default=[], help="only this part; again for more"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="DIR", help="for the results (default: %(default)s)"
    )
    parser.add_argument("--readme", action="store_true", help="put table and chart into README.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
