"""Finds the highest rate at which the backlog stays flat, and holds it. Pure: samples come in, a rate goes out.

Upwards in small steps while the path keeps up; down when it falls behind, and then no step up before the backlog is
gone. While measuring, the steps are smaller. So the rate is always one that the machine carries now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.suite.backlog import Sample

STEP_S = 0.5
LOW_S, HIGH_S = 0.35, 0.8
"""A backlog of less than the first, in seconds of log, is none; more than the second is one."""
FLAT_S = 1.5
"""A backlog that is never above this, and at the end no higher than at the beginning plus `LOW_S`, is flat."""


@dataclass(slots=True)
class Pace:
    """The rate to offer."""

    rate: float
    searching: bool = True
    _falling: bool = False
    _crest: float = 0.0

    def next(self, lag_s: float) -> float:
        """The rate for the next `STEP_S`, given the largest lag of the path."""
        self.rate *= self._search(lag_s) if self.searching else self._hold(lag_s)
        return self.rate

    def _search(self, lag_s: float) -> float:
        if lag_s > HIGH_S:
            was_falling, self._falling = self._falling, True
            if not was_falling:
                self._crest = self.rate
                return 0.8
            return 0.9 if lag_s > 2 * HIGH_S else 1.0
        if lag_s > LOW_S:
            return 1.0
        self._falling = False
        near = self._crest and self.rate > 0.85 * self._crest
        return 1.01 if near else 1.08

    @staticmethod
    def _hold(lag_s: float) -> float:
        if lag_s > HIGH_S:
            return 0.95
        return 0.99 if lag_s > LOW_S else 1.004

    def settle(self) -> float:
        """The search is over: a little below what it found, from here on in small steps."""
        self.searching = False
        if self._crest:
            self.rate = min(self.rate, 0.9 * self._crest)
        return self.rate


def is_flat(samples: Sequence[Sample]) -> bool:
    """Whether the backlog neither grew over the samples nor was ever large."""
    if len(samples) < 4:
        return False
    quarter = max(1, len(samples) // 4)
    first = sum(s.lag_s for s in samples[:quarter]) / quarter
    last = sum(s.lag_s for s in samples[-quarter:]) / quarter
    return last <= first + LOW_S and max(s.lag_s for s in samples) <= FLAT_S


def sustained_per_s(acked_per_s: float, samples: Sequence[Sample]) -> float:
    """Orders a second that went all the way: those acknowledged, less those by which the backlog has grown."""
    if len(samples) < 2:
        return 0.0
    seconds = samples[-1].t - samples[0].t
    grown_s = max(0.0, samples[-1].lag_s - samples[0].lag_s)
    return acked_per_s * max(0.0, 1 - grown_s / seconds) if seconds > 0 else 0.0
