"""`python -m bench.demo`: see bench/README.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench.demo.chaos import chaos
from bench.demo.generated import SYMBOL as FLOW_SYMBOL
from bench.demo.generated import generated
from bench.demo.replay import SYMBOL as TAPE_SYMBOL
from bench.demo.replay import replay
from bench.demo.report import Report
from bench.demo.stack import StackFailed, Target, own_stack
from bench.demo.sweep import NotClean, accounts_of, sweep
from bench.record import RecordError, record
from bench.tape.records import TapeError, read_tape
from bench.tape.source import tape_file
from gateway.client import OrdergateError

if TYPE_CHECKING:
    from bench.demo.result import Result

HOME = Path(".ordergate/demo")
JSON_FILE = Path(".ordergate/demo.json")
_ACCOUNTS = tuple(f"demo-{number}" for number in range(1, 9))


def main() -> int:
    """Runs the demo. Exit status 0: all agrees; 1: it does not; 2: it could not run."""
    given = _arguments()
    report = Report()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: in order
    try:
        tape_path = given.tape or tape_file()
        with contextlib.ExitStack() as stack:
            target = _target(given, report, stack)
            results = uvloop.run(_run(given, target, tape_path, report))
    except (TapeError, StackFailed, NotClean, RecordError, OrdergateError, OSError) as error:
        report.fail(str(error))
        return 2
    except KeyboardInterrupt:
        report.fail("Interrupted. Run it again at any time: its data are its own.")
        return 130
    _write_json(given.json, results)
    report.results(results, str(given.json))
    return 0 if all(result.passed for result in results) else 1


def _target(given: argparse.Namespace, report: Report, stack: contextlib.ExitStack) -> Target:
    if given.address:
        report.step(f"Going to the gateway at [bold]{given.address}[/]")
        return Target(given.address, given.token, given.postgres_dsn)
    fate = "going on with its data" if given.keep else "its data of an earlier run are removed; --keep keeps them"
    report.step(f"Starting Redis, Postgres, engine, persister and gateway in [bold]{given.home}[/] ({fate})")
    return stack.enter_context(own_stack(given.home, _ACCOUNTS, keep=given.keep, say=report.detail))


async def _run(given: argparse.Namespace, target: Target, tape_path: Path, report: Report) -> list[Result]:
    run = f"{time.time_ns() // 1_000_000:x}"
    results: list[Result] = []
    accounts = await accounts_of(target)
    await sweep(target, accounts, (TAPE_SYMBOL, FLOW_SYMBOL), report)
    if given.part in {"tape", "all"}:
        report.step(f"Part 1: the tape {tape_path}, through one session, owners spread over {len(accounts)} accounts")
        results.append(await replay(target, read_tape(tape_path), run, accounts, report))
    if given.part in {"flow", "all"}:
        report.step(f"Part 2: generated flow, {len(accounts)} accounts, a session each, {given.seconds:g} s")
        if pids := target.pids():
            victims = ", ".join(f"{name} {pid}" for name, pid in pids.items() if name not in {"redis", "postgres"})
            report.detail(f"kill -9 any of these if you like: {victims}")
        async with contextlib.AsyncExitStack() as stack:
            if given.chaos:
                await stack.enter_async_context(chaos(target, given.seconds, report))
            results.append(await generated(target, run, accounts, given.seconds, report))
    if given.record:
        frames = await record(target.facts["redis_url"], given.record, postgres_dsn=target.facts["postgres_dsn"])
        report.step(f"Recorded {frames} frames of commands: ordergate-engine --replay [bold]{given.record}[/]")
    return results


def _write_json(path: Path, results: list[Result]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "passed": all(result.passed for result in results),
        "parts": {result.part: result.as_json() for result in results},
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.demo",
        description="Replays half an hour of an exchange's orders through the whole way and reconciles every one.",
    )
    parser.add_argument("--tape", type=Path, metavar="FILE", help="a tape in the format of bench/tape/records.py")
    parser.add_argument("--part", choices=("all", "tape", "flow"), default="all", help="run only one part")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the generated flow (default 20)")
    parser.add_argument("--chaos", action="store_true", help="kill -9 engine, gateway and persister during the flow")
    parser.add_argument("--home", type=Path, default=HOME, help=f"folder of the demo's own stack (default {HOME})")
    parser.add_argument("--keep", action="store_true", help="go on with the data of an earlier run")
    parser.add_argument("--json", type=Path, default=JSON_FILE, metavar="FILE", help=f"figures (default {JSON_FILE})")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="write the log at the end, for the engine's --replay"
    )
    running = parser.add_argument_group("a stack that runs already", "all three are needed")
    running.add_argument("--address", metavar="HOST:PORT", help="its gateway")
    running.add_argument("--token", help="a token with the scope trade; its accounts are used")
    running.add_argument("--postgres-dsn", metavar="DSN", help="its Postgres")
    given = parser.parse_args()
    if any((given.address, given.token, given.postgres_dsn)):
        if not all((given.address, given.token, given.postgres_dsn)):
            parser.error("--address, --token and --postgres-dsn go together")
        if given.chaos:
            parser.error("--chaos kills only what the demo started itself")
        if given.record:
            parser.error("--record is of the demo's own stack; `python -m bench.record` takes any Redis")
    return given


if __name__ == "__main__":
    sys.exit(main())
