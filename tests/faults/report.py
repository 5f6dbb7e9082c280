"""What a run says at its end: a table of what happened and what was found, and the last line."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from tests.faults.plan import KINDS

if TYPE_CHECKING:
    from rich.console import Console

    from tests.faults.run import Outcome

_EXAMPLES = 12


def show(console: Console, outcome: Outcome, rerun: str) -> None:
    """Prints all of it.

    Args:
        console: where to.
        outcome: of the run.
        rerun: the command that runs it again.
    """
    console.print(_faults(outcome))
    console.print(_totals(outcome))
    findings = outcome.verdict.findings
    for finding in findings[:_EXAMPLES]:
        console.print(f"{finding.kind}: {finding.text} ({finding.rule})", markup=False, highlight=False)
    if len(findings) > _EXAMPLES:
        console.print(f"… and {len(findings) - _EXAMPLES} more")
    if findings:
        console.print(
            f"Histories are in {outcome.root}/history, logs in {outcome.root}/log. Again: {rerun}", markup=False
        )
    console.print(outcome.verdict.last_line, highlight=False)


def _faults(outcome: Outcome) -> Table:
    table = Table(title="Faults, and seconds until orders were acknowledged again", title_justify="left")
    table.add_column("fault")
    for name in ("injected", "min", "p50", "max"):
        table.add_column(name, justify="right")
    for kind in KINDS:
        times = outcome.recoveries.get(kind, [])
        figures = [f"{f(times):.2f}" if times else "" for f in (min, median, max)]
        if kind in outcome.injected or kind in outcome.missed:
            table.add_row(kind, str(outcome.injected.get(kind, 0)), *figures)
    return table


def _totals(outcome: Outcome) -> Table:
    verdict = outcome.verdict
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "operations": verdict.operations,
        "acknowledged": verdict.acknowledged,
        "refused, not applied": verdict.refused,
        "unknown, fenced at the end": verdict.fenced,
        "unknown to the end": verdict.unknown,
        "commands in the log": outcome.commands,
        "events": outcome.events,
        "trades": outcome.trades,
        "session reconnects": outcome.reconnects,
        "dead letters, replayed at the end": outcome.letters,
        "faults injected": sum(outcome.injected.values()),
        "lost": verdict.count("lost"),
        "duplicated": verdict.count("duplicated"),
        "mismatched": verdict.count("mismatched"),
    }
    for name, value in rows.items():
        table.add_row(name, f"{value:,}")
    return table
