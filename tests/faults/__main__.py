"""`python -m tests.faults`: a private stack under load and faults, and the proof that it lost nothing."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from rich.console import Console

from gateway.stack.process import StackError
from tests.faults.plan import KINDS
from tests.faults.report import show
from tests.faults.rig import RigOptions
from tests.faults.run import Run, Scenario


def main() -> int:
    """Exit status 0: nothing lost, duplicated or mismatched; 1: something was; 2: it could not run."""
    given = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    scenario = Scenario.planned(
        given.seconds, given.seed, given.only or KINDS, rig=RigOptions(home=given.home), rate=given.rate
    )
    rerun = f"make faults SECONDS={given.seconds:g} SEED={given.seed}"
    kinds = len({fault.kind for fault in scenario.faults})
    console.print(f"{len(scenario.faults)} faults of {kinds} kinds in {given.seconds:g} s, seed {given.seed}")
    run = Run(scenario, lambda line: console.print(line, markup=False, highlight=False))
    try:
        outcome = asyncio.run(run.run())
    except StackError as error:
        console.print(f"The stack does not run: {error}", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print(f"Interrupted; what there is lies in {run.rig.root}")
        return 130
    show(console, outcome, rerun)
    if not outcome.verdict.findings and not given.home:
        shutil.rmtree(outcome.root, ignore_errors=True)
    return 1 if outcome.verdict.findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Starts a private stack, loads it, kills, stops, cuts and fills what it is made of, lets it heal, "
        "and checks histories, log, Postgres and engine against each other. The same seed gives the same plan.",
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the load (default 120: all twice)")
    parser.add_argument("--seed", type=int, default=1, help="of faults and commands (default 1)")
    parser.add_argument("--only", action="append", metavar="KIND", help='only this, such as "kill engine"; repeatable')
    parser.add_argument("--rate", type=float, default=40.0, help="commands per second of each session (default 40)")
    parser.add_argument("--home", type=Path, help="folder of the run; default: a new one in /tmp, kept on failure")
    given = parser.parse_args()
    if unknown := set(given.only or ()) - set(KINDS):
        parser.error(f"no such fault: {min(unknown)!r}; there are {', '.join(KINDS)}")
    if not 1 <= given.seconds <= 86_400:
        parser.error("--seconds must be 1 to 86400")
    return given


if __name__ == "__main__":
    sys.exit(main())
