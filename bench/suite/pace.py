"""Finds the highest rate at which the backlog stays flat, and holds it. Pure: samples come in, a rate goes out.

The search goes up in large steps until the path falls behind, lets the backlog go by, and comes back in small steps;
what it takes for the crest allows for the time in which a backlog is seen. While the rate is held it is drawn down a
little as long as there is a backlog; once that is gone it comes back to a little below where the backlog began, since a
pause of the disk or of another process makes one at any rate, and from there goes up a very little: always one that the
machine carries.
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
FLAT_S = 3.0
"""A backlog that is never above this, and at the end no higher than at the beginning plus `LOW_S`, is flat."""
DRAIN_SHARE = 0.6
"""Share of the rate that is offered while a backlog is to go by."""
_OVERSHOT = (0.8, 0.97)
"""How far below the rate the crest lies when a backlog shows: after large steps, after small ones."""

_RETURN = 0.93
"""Where the rate comes back to, of what it was when a backlog showed: small enough for what can't be carried."""


@dataclass(slots=True)
class Pace:
    """The rate to offer."""

    rate: float
    searching: bool = True
    _falling: bool = False
    _crest: float = 0.0
    _before: float = 0.0
    _drawn_down: bool = False

    def next(self, lag_s: float) -> float:
        """The rate for the next `STEP_S`, given the largest lag of the path."""
        self.rate *= self._search(lag_s) if self.searching else self._hold(lag_s)
        return self.rate

    def _search(self, lag_s: float) -> float:
        """What to multiply the rate with."""
        if lag_s > HIGH_S:
            if self._falling:
                return 0.95 if lag_s > 2 * HIGH_S else 1.0
            self._falling = True
            self._crest = self.rate * _OVERSHOT[bool(self._crest)]
            return DRAIN_SHARE * self._crest / self.rate
        if lag_s > LOW_S:
            return 1.0
        if self._falling:
            self._falling = False
            return 0.93 * self._crest / self.rate
        return 1.01 if self._crest else 1.08

    def _hold(self, lag_s: float) -> float:
        if lag_s > HIGH_S:
            if not self._drawn_down:
                self._drawn_down, self._before = True, self.rate
            return 0.95
        if lag_s > LOW_S:
            return 0.99
        self._drawn_down = False
        return 1.03 if self.rate < _RETURN * self._before else 1.004

    def settle(self) -> float:
        """The search is over: a little below what it found, from here on in small steps."""
        self.searching = False
        if self._crest:
            self.rate = 0.95 * self._crest
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
