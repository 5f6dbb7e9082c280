"""The report of a run: Markdown for people, JSON for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.suite.goals import GOALS, ORDINARY, number, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TABLE_BEGIN, TABLE_END = "<!-- bench: table -->", "<!-- bench: end -->"


def goal_rows(figures: Mapping[str, float | None]) -> list[tuple[str, str, str, str]]:
    """Figure, what was found, goal, verdict."""
    rows = []
    for goal in GOALS:
        value = figures.get(goal.key)
        limit = f"{'≥' if goal.at_least else '≤'} {number(goal.limit)} {goal.unit}".rstrip()
        found = f"{number(value)} {goal.unit}".rstrip() if value is not None else "–"
        rows.append((goal.text, found, limit, verdict(goal, value)))
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned for those who read it raw."""
    cells = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def goals_table(figures: Mapping[str, float | None]) -> str:
    """The one table of a run: figures against goals."""
    return table(("figure", "found", "goal", ""), goal_rows(figures))


def markdown(document: Mapping[str, Any]) -> str:
    """The whole report."""
    machine, figures = document["machine"], document["figures"]
    changed = ", with changes" if machine["changed"] else ""
    place = f"{machine['cores']} × {machine['cpu']}, {machine['memory']}, Linux {machine['kernel']}"
    servers = f"Python {machine['python']}, Redis {machine['redis']}, PostgreSQL {machine['postgres']}"
    parts = [
        f"# Bench of {machine['date'][:10]}, commit {machine['commit']}{changed}",
        f"Plan `{document['plan']['name']}`. {place}, {servers}; load average at the beginning "
        f"{machine['load_average']:.1f}. Load generator, gateway (one worker), Redis (`appendfsync always`), engine, "
        "persister and Postgres share the machine.",
        goals_table(figures),
        "## What the ratios are made of",
        table(("figure", "found"), [(text, number(figures.get(key))) for key, text in ORDINARY.items()]),
        "## Runs of the load tool",
        table(
            ("run", "loop", "frame", "acked/s", "ack p50", "p99", "event p50", "p99", "tool µs/ack"),
            load_rows(document),
        ),
    ]
    if rows := ghz_rows(document):
        parts += [
            "## ghz (closed loop; a stream is one call)",
            table(("call", "calls/s", "p50 ms", "p99 ms", "errors"), rows),
        ]
    parts += ["## What went wrong", "\n".join(f"- {fault}" for fault in document["faults"]) or "Nothing."]
    parts += [f"![{name}]({name})" for name in document.get("charts", ())]
    return "\n\n".join(parts) + "\n"


def load_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row for each run of the load tool."""
    return [
        (
            name,
            run["loop"] if run["loop"] == "closed" else f"open, {number(run['offered_per_s'])}/s",
            str(run["frame"]),
            number(run["acked_per_s"]),
            *(number(run["ack_ms"][p]) for p in ("p50", "p99")),
            *(number(run["execution_ms"][p]) if run["execution_ms"]["count"] else "–" for p in ("p50", "p99")),
            number(run["cpu_us_per_ack"]),
        )
        for name, run in document["runs"].items()
        if "loop" in run
    ]


def ghz_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row for each run of ghz."""
    return [
        (
            name.removeprefix("ghz-"),
            number(run["calls_per_s"]),
            number(run["latency_ms"].get("p50")),
            number(run["latency_ms"].get("p99")),
            str(run["error_count"]),
        )
        for name, run in document["runs"].items()
        if name.startswith("ghz-")
    ]


def with_table(readme: str, text: str) -> str:
    """`readme` with `text` between the marks `TABLE_BEGIN` and `TABLE_END`.

    Raises:
        ValueError: a mark is missing.
    """
    head, begin, rest = readme.partition(TABLE_BEGIN)
    _, end, tail = rest.partition(TABLE_END)
    if not (begin and end):
        raise ValueError(f"the marks {TABLE_BEGIN} and {TABLE_END} are missing")
    return f"{head}{begin}\n{text}\n{end}{tail}"
