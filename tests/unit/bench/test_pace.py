"""The rate that the bench offers, and what it takes for flat."""

from __future__ import annotations

import pytest

from bench.suite.backlog import Sample, lag_s
from bench.suite.pace import HIGH_S, STEP_S, Pace, is_flat, sustained_per_s
from gateway.streams import LogId


def simulate(pace: Pace, capacity: float, steps: int, lag: float = 0.0) -> float:
    """A path that does `capacity` orders a second; its lag at the end."""
    for _ in range(steps):
        lag = max(0.0, lag + STEP_S * (pace.rate - capacity) / capacity)
        pace.next(lag)
    return lag


def samples(*lags: float) -> list[Sample]:
    return [Sample(float(t), 1000.0, 0, 0, lag / 2, lag) for t, lag in enumerate(lags)]


@pytest.mark.parametrize("capacity", [8_000.0, 30_000.0, 100_000.0])
def test_the_search_finds_the_capacity_of_the_path(capacity: float) -> None:
    pace = Pace(5000.0)
    simulate(pace, capacity, 50)
    pace.settle()
    assert 0.7 * capacity < pace.rate < 1.1 * capacity


def test_the_rate_that_is_held_keeps_the_backlog_small() -> None:
    pace, capacity = Pace(5000.0), 20_000.0
    lag = simulate(pace, capacity, 50)
    pace.settle()
    while lag > 0:
        lag = max(0.0, lag - STEP_S)
    rates, lags = [], []
    for _ in range(120):
        lag = simulate(pace, capacity, 1, lag)
        rates.append(pace.rate)
        lags.append(lag)
    assert max(lags) < 1.5 * HIGH_S
    assert sum(rates) / len(rates) > 0.9 * capacity


def test_the_rate_follows_a_machine_that_becomes_slower() -> None:
    pace = Pace(20_000.0, searching=False)
    assert simulate(pace, 10_000.0, 60) < 2 * HIGH_S
    assert pace.rate < 12_000


def test_after_a_pause_of_the_machine_the_rate_comes_back() -> None:
    pace, capacity = Pace(19_000.0, searching=False), 20_000.0
    lag = simulate(pace, capacity, 4, lag=1.5)  # as a pause of 1.5 s leaves it
    while lag > 0:
        lag = simulate(pace, capacity, 1, lag)
    simulate(pace, capacity, 12, lag)
    assert 0.9 * 19_000 < pace.rate < 1.05 * capacity


def test_a_backlog_that_grows_or_is_large_is_not_flat() -> None:
    assert is_flat(samples(0.1, 0.3, 0.1, 0.2, 0.3, 0.2, 0.1, 0.2))
    assert not is_flat(samples(*(0.1 * t for t in range(16))))
    assert not is_flat(samples(0.1, 0.1, 0.1, 4.0, 0.1, 0.1, 0.1, 0.1))
    assert not is_flat(samples(0.1))


def test_orders_by_which_the_backlog_grew_do_not_count_as_sustained() -> None:
    assert sustained_per_s(1000.0, samples(0.0, 0.5, 0.0)) == 1000
    assert sustained_per_s(1000.0, samples(0.0, 0.5, 1.0)) == 500
    assert sustained_per_s(1000.0, samples(1.0, 0.5, 0.0)) == 1000


def test_the_lag_is_the_age_of_the_oldest_frame_that_is_left() -> None:
    assert lag_s(LogId(5000, 3), 6500) == 1.5
    assert lag_s(LogId(5000, 3), 5000) > 0
    assert lag_s(None, 5000) == 0
