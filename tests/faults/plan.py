"""Which fault when: a pure function of the length of the run and its seed.

Three lanes work at the same time, each one fault after another, so that faults of the stores, of the processes and of
the links meet each other in all ways. Every round has each kind once, in an order of its own, and ends with a calm in
which everything must recover.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PROCESSES = ("worker", "relay", "engine", "persister")
STORES = ("redis", "postgres")
LINKS = (
    "clients/gateway",
    "gateway/redis",
    "relay/engine",
    "persister/redis",
    "persister/postgres",
    "gateway/postgres",
)

LANES: tuple[tuple[str, ...], ...] = (
    (
        *(f"kill {name}" for name in STORES),
        *(f"stop {name}" for name in STORES),
        "redis memory",
        "postgres connections",
    ),
    (*(f"kill {name}" for name in PROCESSES), *(f"stop {name}" for name in PROCESSES)),
    (*(f"cut {link}" for link in LINKS), *(f"delay {link}" for link in LINKS), "poison rows", "silent client", "clock"),
)
KINDS = tuple(kind for lane in LANES for kind in lane)

ROUND_S = 60.0
"""A round needs about this long: the longest lane has 15 faults."""
_CALM = 0.15
"""Part of a round without faults, at its end."""
_BUSY = 0.7
"""Most of a lane's time that its faults may take; what they would take more, all of them lose in proportion."""
_STOP_S = (1.0, 15.0)
"""Shortest and longest time for which a process is stopped; most are stopped for a few seconds."""
_SOFT_S = (1.0, 4.0)
"""The same for everything else that lasts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan."""

    at_s: float
    """When, from the beginning of the load."""
    kind: str
    lasts_s: float
    """How long; 0 for a kill."""
    variant: float
    """A number from 0 to 1 by which the nemesis chooses what the kind leaves open: which of two, how much."""


def plan(seconds: float, seed: int, kinds: Collection[str] = KINDS) -> list[Fault]:
    """Faults by time. Every one of `kinds` comes once a round; a run of 120 s has two rounds."""
    source = random.Random(seed)
    rounds = max(1, round(seconds / ROUND_S))
    length_s = seconds / rounds
    faults: list[Fault] = []
    for number in range(rounds):
        for lane in LANES:
            chosen = [kind for kind in lane if kind in kinds]
            source.shuffle(chosen)
            faults += _lane(chosen, number * length_s, length_s * (1 - _CALM), source)
    return sorted(faults, key=lambda fault: fault.at_s)


def _lane(kinds: list[str], start_s: float, length_s: float, source: random.Random) -> Iterator[Fault]:
    """One fault after another, none of which begins before the one before has ended."""
    lengths = [_lasts_s(kind, source) for kind in kinds]
    scale = min(1.0, _BUSY * length_s / max(sum(lengths), 0.001))
    gap_s = (length_s - scale * sum(lengths)) / max(len(kinds), 1)
    at_s = start_s
    for kind, lasts_s in zip(kinds, lengths, strict=True):
        at_s += gap_s * source.uniform(0.5, 1.0)
        yield Fault(round(at_s, 3), kind, round(lasts_s * scale, 3), source.random())
        at_s += lasts_s * scale


def _lasts_s(kind: str, source: random.Random) -> float:
    if kind.startswith("kill"):
        return 0.0
    if kind.startswith("stop"):
        shortest, longest = _STOP_S
        return min(shortest + source.expovariate(1 / 3.5), longest)
    return source.uniform(*_SOFT_S)
