"""`python -m tests.faults.selftest`: is the checker worth anything? Known defects, one at a time, which it must catch.

Each is planted from outside, in a process of a private stack or beside it, never by a switch in the product; then the
faults come under which it does its harm.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from gateway.stack.process import StackError
from tests.faults.plan import Fault
from tests.faults.rig import RigOptions
from tests.faults.run import Run, Scenario

if TYPE_CHECKING:
    from tests.faults.run import Outcome

_PLANTS = str(Path(__file__).parent / "defects")
_SETTLE_S = 20.0
"""A stack with a defect may never settle; that alone proves nothing, so it is not waited for long."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect."""

    name: str
    harm: str
    """What the checker must find: lost or duplicated."""
    faults: tuple[Fault, ...]
    """Under which it does harm."""
    gateway: str = ""
    """Defect of sitecustomize.py, planted in the gateways' processes."""
    persister: str = ""
    """The same, in the persisters'."""
    engine: tuple[str, ...] = ()
    """Options that make the engine so."""
    retry_s: float = 0.3
    """Pause of the clients before a retry."""

    def scenario(self, seed: int) -> Scenario:
        """The run that shows it."""
        rig = RigOptions(self.engine, _environ(self.gateway), _environ(self.persister))
        seconds = max(fault.at_s + fault.lasts_s for fault in self.faults) + 4.0
        return Scenario(seconds, seed, self.faults, rig, settle_s=_SETTLE_S, retry_s=self.retry_s)


def _environ(defect: str) -> dict[str, str]:
    return {"PYTHONPATH": _PLANTS, "FAULTS_DEFECT": defect} if defect else {}


DEFECTS = (
    Defect(
        "redis-py retries an append by itself",
        "duplicated",
        (Fault(2, "stop redis", 4.0, 0), Fault(9, "stop redis", 4.0, 0)),
        gateway="retries",
    ),
    Defect(
        "the offset is committed outside the transaction",
        "lost",
        tuple(Fault(2 + 3.0 * number, "kill persister", 0, 0) for number in range(4)),
        persister="offset",
    ),
    Defect("the log is trimmed with MAXLEN", "lost", (Fault(2, "stop engine", 5.0, 0),), gateway="trimming"),
    Defect("Redis evicts any key (allkeys-lru)", "lost", (Fault(2, "evict", 2.0, 0),)),
    Defect(
        "the engine forgets ids",
        "duplicated",
        (Fault(2, "stop redis", 4.0, 0), Fault(10, "stop redis", 4.0, 0)),
        engine=("--ids-window", "1024", "--ids-age", "1", "--ended-orders", "1"),
        retry_s=3.0,
    ),
    Defect("the relay skips a frame", "lost", (Fault(3, "kill worker", 0, 0),), gateway="skipping"),
)


def main() -> int:
    """Exit status 0: every defect was caught; 1: one was not; 2: a stack did not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.selftest", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the commands (default 1)")
    parser.add_argument("--only", metavar="WORD", default="", help="only defects with this word in their name")
    given = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title="Defects, and what the checker says of each", title_justify="left", show_lines=True)
    for name in ("defect", "caught", "how"):
        table.add_column(name)
    missed = 0
    for defect in [x for x in DEFECTS if given.only in x.name]:
        console.print(f"[bold]{defect.name}[/]")
        try:
            caught, how = _try(defect, given.seed, console)
        except StackError as error:
            console.print(f"The stack does not run: {error}", markup=False)
            return 2
        missed += not caught
        table.add_row(defect.name, "yes" if caught else "NO", how)
    console.print(table)
    console.print(f"{len(table.rows) - missed} of {len(table.rows)} defects caught", highlight=False)
    return 1 if missed else 0


def _try(defect: Defect, seed: int, console: Console) -> tuple[bool, str]:
    run = Run(defect.scenario(seed), lambda line: console.print(f"  {line}", markup=False, highlight=False))
    outcome = asyncio.run(run.run())
    shutil.rmtree(outcome.root, ignore_errors=True)
    return _judge(defect, outcome)


def _judge(defect: Defect, outcome: Outcome) -> tuple[bool, str]:
    """Whether a check found the harm; a stack that just does not settle is no proof."""
    proofs = [f for f in outcome.verdict.findings if f.kind == defect.harm and f.rule != "run"]
    if not proofs:
        return False, outcome.verdict.last_line
    rules = ", ".join(f"{count} by {rule!r}" for rule, count in Counter(f.rule for f in proofs).items())
    return True, f"{outcome.verdict.last_line} ({defect.harm}: {rules}). {proofs[0].text}"


if __name__ == "__main__":
    sys.exit(main())
