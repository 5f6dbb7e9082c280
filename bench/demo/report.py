"""What the demo shows: steps, progress bars, the tables at the end."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.demo.result import Result


_WIDTH_OF_A_FILE = 110
"""Columns where the output is no terminal."""

_PENNIES = "The tape's opening book holds bids below 0.01: they are refused (INVALID_FIELD), and so are their cancels."


class Bar:
    """A progress bar; `update` takes how much is done, or how much is left."""

    def __init__(self, update: Callable[[int], None]) -> None:
        self.update = update


class Report:
    """The demo's terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=_WIDTH_OF_A_FILE)

    def step(self, text: str) -> None:
        """One line about what is done now."""
        self._console.print(f"[bold cyan]▸[/] {text}")

    def detail(self, text: str) -> None:
        """A line of a program that the demo runs."""
        self._console.print(Text(f"    {text}", style="dim"))

    def fail(self, text: str) -> None:
        """Why the demo can't go on."""
        self._console.print(Panel(Text(text), title="The demo could not run", border_style="red"))

    @contextlib.contextmanager
    def progress(self, text: str, total: int) -> Iterator[Bar]:
        """A bar of `total` commands, with the rate."""
        columns = (
            TextColumn("  [bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[green]{task.fields[rate]}/s"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(text, total=total, rate="-")
            began = time.monotonic()

            def update(done: int) -> None:
                rate = f"{done / max(time.monotonic() - began, 1e-3):,.0f}"
                progress.update(task, completed=done, rate=rate)

            yield Bar(update)

    @contextlib.contextmanager
    def clock(self, text: str, seconds: float) -> Iterator[Bar]:
        """A bar of time; it counts acknowledged commands."""
        columns = (
            TextColumn("  [bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[acked]:,} acked  [green]{task.fields[rate]}/s"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(text, total=seconds, acked=0, rate="-")
            began = time.monotonic()

            def update(done: int) -> None:
                spent = time.monotonic() - began
                rate = f"{done / max(spent, 1e-3):,.0f}"
                progress.update(task, completed=min(spent, seconds), acked=done, rate=rate)

            yield Bar(update)
            progress.update(task, completed=seconds)

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[Bar]:
        """A spinner with what is left."""
        columns: tuple[ProgressColumn, ...] = (
            TextColumn("  [bold]{task.description}"),
            SpinnerColumn(),
            TextColumn("{task.fields[left]}"),
        )
        columns += (TimeElapsedColumn(),)
        quiet = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=quiet) as progress:
            task = progress.add_task(text, total=None, left="")
            yield Bar(lambda left: progress.update(task, left=f"{left:,} behind" if left else ""))

    def results(self, results: list[Result], json_file: str) -> None:
        """The tables, and what does not agree."""
        table = Table(title="Ordergate demo", title_style="bold", show_lines=False)
        table.add_column("")
        for result in results:
            table.add_column(_TITLES[result.part], justify="right")
        for name, cell in _ROWS:
            cells = [cell(result) for result in results]
            if any(cells):
                table.add_row(name, *cells)
        if any(result.part == "tape" and "INVALID_FIELD" in result.rejected_by_reason for result in results):
            table.caption, table.caption_justify = _PENNIES, "left"
        self._console.print()
        self._console.print(table)
        for result in results:
            if not result.passed:
                lines = "\n".join(result.fault_examples) or "The counts differ; see the table."
                self._console.print(
                    Panel(Text(lines), title=f"{_TITLES[result.part]}: first faults", border_style="red")
                )
        verdict = "[bold green]All agrees." if all(r.passed for r in results) else "[bold red]It does not agree."
        self._console.print(f"{verdict}[/] Figures: {json_file}")


def _rejections(result: Result) -> str:
    return "\n".join(f"{reason} {count:,}" for reason, count in result.rejected_by_reason.items())


def _tape_fills(result: Result) -> str:
    if result.tape_fills_expected is None:
        return ""
    return _judged(
        f"{result.tape_fills_agreed:,} of {result.tape_fills_expected:,}",
        ok=result.tape_fills_agreed == result.tape_fills_expected,
    )


def _posts(result: Result) -> str:
    if result.post_only_expected is None:
        return ""
    return _judged(
        f"{result.post_only_refused:,} of {result.post_only_expected:,}",
        ok=result.post_only_refused == result.post_only_expected,
    )


def _judged(text: str, *, ok: bool) -> str:
    return f"[bold {'green' if ok else 'red'}]{text}[/]"


_TITLES = {"tape": "1 · the tape", "generated": "2 · generated flow"}

_ROWS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("commands sent", lambda r: f"{r.commands_sent:,}"),
    ("acked (durable)", lambda r: f"{r.commands_acked:,}"),
    ("outcome unknown", lambda r: f"{r.outcome_unknown:,}" if r.outcome_unknown else ""),
    ("rejected", _rejections),
    ("executions", lambda r: f"{r.executions:,}"),
    ("executions as the exchange made them", _tape_fills),
    ("post-only refused as the exchange did", _posts),
    ("orders in Postgres", lambda r: f"{r.postgres_orders:,}"),
    ("executions in Postgres", lambda r: f"{r.postgres_executions:,}"),
    ("reconciled", lambda r: _judged("yes" if r.reconciled else f"no: {r.faults:,} faults", ok=r.reconciled)),
    ("commands/s acknowledged", lambda r: f"{r.commands_per_s:,.0f}"),
    ("commands/s until in Postgres", lambda r: f"{r.persisted_per_s:,.0f}"),
    ("time to ack p50", lambda r: f"{r.ack_p50_ms:,.1f} ms"),
    ("time to ack p99", lambda r: f"{r.ack_p99_ms:,.1f} ms"),
    ("streams lost and resumed", lambda r: f"{r.reconnects:,}" if r.reconnects else ""),
    ("commands sent again, applied once", lambda r: f"{r.duplicates:,}" if r.duplicates else ""),
)
