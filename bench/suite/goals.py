"""The figures and what they are to reach. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Figures = dict[str, float | None]
"""Figures by their key; None: not measured."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One row of the table."""

    key: str
    text: str
    limit: float
    unit: str = ""
    at_least: bool = True

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


GOALS = (
    Goal("accepted_ratio", "orders acknowledged (durable) in a burst ÷ baseline", 50, "×"),
    Goal("sustained_ratio", "orders sustained end to end, backlog flat ÷ baseline", 20, "×"),
    Goal("single_message_ratio", "messages of one order, acks and events delivered ÷ echo (bidi)", 0.5),
    Goal("unary_ratio", "Submit ÷ echo (unary)", 0.65),
    Goal("unary_over_baseline", "Submit ÷ baseline", 1, "×"),
    Goal("ack_p50_ms", "time to ack at 1000 orders/s, p50", 1.5, "ms", at_least=False),
    Goal("ack_p99_ms", "time to ack at 1000 orders/s, p99", 5, "ms", at_least=False),
    Goal("execution_p50_ms", "time to execution event at 1000 orders/s, p50", 4, "ms", at_least=False),
    Goal("execution_p99_ms", "time to execution event at 1000 orders/s, p99", 12, "ms", at_least=False),
    Goal("health_p99_ms", "health Check at that load, p99", 1, "ms", at_least=False),
    Goal("persister_ratio", "persister's rows/s when catching up ÷ COPY into the same tables", 0.6),
    Goal("errors", "errors, lost orders included", 0, at_least=False),
)

LATEST = (
    *("accepted_ratio", "sustained_ratio", "sustained_per_s", "single_message_ratio", "unary_ratio"),
    *("ack_p50_ms", "ack_p99_ms", "execution_p50_ms", "execution_p99_ms", "health_p99_ms", "persister_ratio", "errors"),
)
"""Keys of latest.json, all of them always there."""

ORDINARY = {
    "baseline_per_s": "baseline: Submit → INSERT → engine, orders/s",
    "accepted_per_s": "accepted in a burst, orders/s",
    "sustained_per_s": "sustained end to end, orders/s",
    "single_message_per_s": "messages of one order in Sessions, /s",
    "echo_messages_per_s": "echo (bidi), messages/s",
    "unary_per_s": "Submit, calls/s",
    "echo_unary_per_s": "echo (unary), calls/s",
    "persister_rows_per_s": "persister catching up, rows/s",
    "copy_rows_per_s": "COPY into the same tables, rows/s",
    "drain_s": "backlog of the burst drained after, s",
    "lost": "acknowledged orders that are not in Postgres",
    "backlog_flat": "sustained: backlog flat (1: yes)",
    "worker_rss_mb": "gateway worker's memory after burst or sustained load, MB (goal: 150)",
}
"""What the ratios are made of."""


def ratio(part: float | None, whole: float | None) -> float | None:
    """Their ratio; None if one was not measured."""
    return None if part is None or not whole else part / whole


def add_ratios(figures: Figures) -> None:
    """Adds the ratios of what was measured."""
    for key, part, whole in (
        ("accepted_ratio", "accepted_per_s", "baseline_per_s"),
        ("sustained_ratio", "sustained_per_s", "baseline_per_s"),
        ("single_message_ratio", "single_message_per_s", "echo_messages_per_s"),
        ("unary_ratio", "unary_per_s", "echo_unary_per_s"),
        ("unary_over_baseline", "unary_per_s", "baseline_per_s"),
        ("persister_ratio", "persister_rows_per_s", "copy_rows_per_s"),
    ):
        figures[key] = ratio(figures.get(part), figures.get(whole))


def latest(figures: Mapping[str, float | None]) -> Figures:
    """The flat document of latest.json."""
    return {key: figures.get(key) for key in LATEST}


def verdict(goal: Goal, value: float | None) -> str:
    """Whether the goal is met, or by how much not."""
    if value is None:
        return "not measured"
    if goal.met(value):
        return "met"
    if not goal.limit:
        return f"missed by {number(value)}"
    if not goal.at_least and value > 2 * goal.limit:
        return f"missed: {number(value / goal.limit)} times as much"
    return f"missed by {100 * abs(value / goal.limit - 1):.0f} %"


def number(value: float | None) -> str:
    """A figure as text: three digits that count, no more."""
    if value is None:
        return "–"
    if (value == int(value) and abs(value) < 1e6) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
