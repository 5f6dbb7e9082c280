"""Figures of one part of the demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.demo.ledger import ACKED, UNKNOWN

if TYPE_CHECKING:
    from array import array

    from bench.demo.ledger import Ledger
    from bench.demo.reconcile import Reconciliation


@dataclass(slots=True)
class Result:
    """What one part sent, got and found. Field names are the keys of demo.json."""

    part: str
    commands_sent: int
    commands_acked: int
    outcome_unknown: int
    rejected_by_reason: dict[str, int]
    events: int
    executions: int
    orders_sent: int
    postgres_orders: int
    postgres_executions: int
    commands_per_s: float
    """Commands acknowledged per second, from the first sent to the last ack."""
    persisted_per_s: float
    """Commands per second, from the first sent until Postgres held all of it."""
    ack_p50_ms: float
    ack_p99_ms: float
    reconnects: int
    duplicates: int
    faults: int
    reconciled: bool
    fault_examples: list[str] = field(default_factory=list)
    tape_fills_expected: int | None = None
    tape_fills_agreed: int | None = None
    post_only_refused: int | None = None
    post_only_expected: int | None = None

    @property
    def passed(self) -> bool:
        """True if all agrees."""
        tape = self.tape_fills_agreed == self.tape_fills_expected and self.post_only_refused == self.post_only_expected
        return self.reconciled and tape

    def as_json(self) -> dict[str, Any]:
        """For demo.json."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value is not None} | {"passed": self.passed}


def result_of(
    part: str, ledger: Ledger, found: Reconciliation, *, rate: float, held_s: float, reconnects: int
) -> Result:
    """Figures from the books and the comparison.

    Args:
        part: name of the part.
        ledger: its books.
        found: the comparison.
        rate: commands acknowledged per second, while they were sent.
        held_s: time from the first command until Postgres held everything.
        reconnects: streams opened again.
    """
    ledger.faults.extend(found.faults)
    p50, p99 = percentiles(ledger.latencies_s)
    acked = ledger.counts[ACKED]
    return Result(
        part=part,
        commands_sent=len(ledger),
        commands_acked=acked,
        outcome_unknown=ledger.counts[UNKNOWN],
        rejected_by_reason=dict(ledger.rejected.most_common()),
        events=ledger.events,
        executions=len(found.trades),
        orders_sent=ledger.orders(),
        postgres_orders=found.rows,
        postgres_executions=found.executions,
        commands_per_s=round(rate, 1),
        persisted_per_s=round(acked / held_s, 1),
        ack_p50_ms=round(p50 * 1e3, 3),
        ack_p99_ms=round(p99 * 1e3, 3),
        reconnects=reconnects,
        duplicates=ledger.duplicates,
        faults=ledger.faults.count,
        reconciled=ledger.faults.count == 0,
        fault_examples=ledger.faults.told,
    )


def percentiles(samples: array[float]) -> tuple[float, float]:
    """Median and 99th percentile; zeros if there is no sample."""
    if not samples:
        return 0.0, 0.0
    ordered = sorted(samples)
    last = len(ordered) - 1
    return ordered[last // 2], ordered[last * 99 // 100]
