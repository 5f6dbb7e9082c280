"""How long each part of a run takes, and how much load it gets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Times are seconds; the defaults are those of `make bench`."""

    name: str = "full"
    baseline_s: float = 6
    ceiling_s: float = 6
    singles_s: float = 8
    submit_s: float = 8
    latency_s: float = 20
    latency_rate: float = 1000
    """Orders a second in the latency figures."""
    ghz_s: float = 3
    burst_s: float = 20
    search_s: float = 20
    """Time in which the sustained rate is looked for."""
    sustained_s: float = 60
    persister_s: float = 6
    """Time in which the persister's backlog is made."""
    frames: tuple[int, ...] = (1, 3, 10, 30, 100, 300)
    frames_s: float = 3
    rates: tuple[int, ...] = (250, 500, 1000, 2000, 4000, 8000)
    rates_s: float = 4
    warmup_s: float = 2
    drain_s: float = 120
    """Longest wait for a backlog."""
    streams: int = 4
    accounts: int = 4
    window: int = 250
    """Single-order messages under way on a stream; the echo gets the same."""
    calls: int = 16
    """Unary calls under way on each connection; the same for gateway, baseline and echo."""
    queue_memory: str = "4gb"
    """Redis' maxmemory: a burst is to meet the limit of the path, not that of a small queue."""


FULL = Plan()
QUICK = Plan(
    name="quick",
    baseline_s=3,
    ceiling_s=2,
    singles_s=4,
    submit_s=3,
    latency_s=6,
    ghz_s=1,
    burst_s=4,
    search_s=8,
    sustained_s=10,
    persister_s=2,
    frames=(1, 10, 100),
    frames_s=1.5,
    rates=(500, 1000, 2000),
    rates_s=2,
    warmup_s=1,
    drain_s=60,
)
