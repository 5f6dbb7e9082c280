"""The plan of faults: the same for the same seed, complete, and with time to recover."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.faults.plan import KINDS, LANES, plan


def test_a_seed_gives_always_the_same_plan() -> None:
    assert plan(120, 7) == plan(120, 7)
    assert plan(120, 7) != plan(120, 8)


@pytest.mark.parametrize("seed", range(1, 20))
def test_every_kind_comes_twice_in_120_seconds(seed: int) -> None:
    counts = Counter(fault.kind for fault in plan(120, seed))
    assert counts == dict.fromkeys(KINDS, 2)


@pytest.mark.parametrize("seed", range(1, 20))
def test_faults_of_a_lane_do_not_overlap_and_each_round_ends_in_a_calm(seed: int) -> None:
    for lane in LANES:
        faults = [fault for fault in plan(120, seed) if fault.kind in lane]
        assert all(one.at_s + one.lasts_s <= other.at_s for one, other in pairwise(faults))
        for end_s in (60, 120):
            assert not [f for f in faults if f.at_s < end_s and f.at_s + f.lasts_s > end_s - 8.9]


@pytest.mark.parametrize("seed", range(1, 20))
def test_stops_last_1_to_15_seconds(seed: int) -> None:
    lengths = [fault.lasts_s for fault in plan(120, seed) if fault.kind.startswith("stop")]
    assert min(lengths) >= 0.5
    assert max(lengths) <= 15


def test_only_the_kinds_asked_for_come() -> None:
    assert [fault.kind for fault in plan(10, 1, {"kill engine"})] == ["kill engine"]
