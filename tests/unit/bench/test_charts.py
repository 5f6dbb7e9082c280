"""Charts of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.suite.charts import draw

LAG = {"offered": 100.0, "acked": 50, "told": 40, "relay_lag_s": 0.1, "persister_lag_s": 0.2}
TIMES = {f"{key}_{part}_ms": 1.5 for key in ("ack", "execution") for part in ("p50", "p99", "p99.9")}
SERIES = {
    "frames": [{"frame": 1.0, "acked_per_s": 10.0, "told_per_s": 9.0}],
    "rates": [{"rate": 100.0} | TIMES, {"rate": 1000.0} | TIMES],
    "sustained": [{"t": float(t)} | LAG for t in range(5)],
    "burst": [{"t": float(t)} | LAG for t in range(5)],
}


def test_a_chart_is_drawn_of_whatever_was_sampled(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    names = draw({"series": SERIES}, tmp_path, "run")
    assert names == ["run-throughput.svg", "run-latency.svg", "run-sustained.svg", "run-burst.svg"]
    assert all("<svg" in (tmp_path / name).read_text() for name in names)
    assert draw({"series": {"rates": SERIES["rates"]}}, tmp_path, "other") == ["other-latency.svg"]


def test_without_matplotlib_there_are_no_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert draw({"series": SERIES}, tmp_path, "run") == []
