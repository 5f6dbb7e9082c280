"""What the soak takes for growth."""

from __future__ import annotations

import argparse

import pytest

from bench.soak import faults, findings, report, seconds
from bench.suite.ghz import summary


def run(*values: float, part: str = "gateway worker") -> list[dict[str, float]]:
    return [{"t": float(t), part: value} for t, value in enumerate(values)]


def test_memory_that_levels_off_is_bounded() -> None:
    assert faults(findings(run(50, 80, 100, 101, 102, 101, 103, 102))) == []


def test_memory_that_keeps_growing_is_told() -> None:
    assert faults(findings(run(*range(50, 130, 5)))) == ["gateway worker grows"]


def test_a_worker_above_its_goal_is_told_and_another_part_is_not() -> None:
    assert faults(findings(run(*[160.0] * 8))) == ["gateway worker is above 150 MB"]
    assert faults(findings(run(*[160.0] * 8, part="engine"))) == []


def test_the_report_names_the_verdict_of_each_part() -> None:
    both = [{"redis used": 9.0} | row for row in run(*range(50, 130, 5))]
    text = report(findings(both), 5_000_000)
    assert "5,000,000 orders" in text
    assert "gateway worker grows" in text
    assert "bounded" in text


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "10 m", "-5", "ten", "1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no duration"):
        seconds(text)


def test_of_ghz_rates_latencies_and_errors_are_kept() -> None:
    report = {
        "count": 100,
        "rps": 2000.5,
        "average": 1_500_000,
        "slowest": 9_000_000,
        "statusCodeDistribution": {"OK": 97, "Unavailable": 3},
        "errorDistribution": {"rpc error: connection lost": 3},
        "latencyDistribution": [{"percentage": 50, "latency": 1_000_000}, {"percentage": 99, "latency": 5_000_000}],
    }
    found = summary(report)
    assert found["error_count"] == 3
    assert found["errors"] == {"rpc error: connection lost": 3}
    assert found["latency_ms"] == {"p50": 1.0, "p99": 5.0}
    assert found["mean_ms"] == 1.5
