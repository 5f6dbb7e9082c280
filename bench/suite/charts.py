"""Charts of a run, as SVG. matplotlib is needed by the bench alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_WIDTH, _HEIGHT = 7.0, 3.6


def draw(document: Mapping[str, Any], folder: Path, prefix: str) -> list[str]:
    """Draws what there are samples for; names of the files, none if matplotlib is missing."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - optional
    except ImportError:
        return []
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "ordergate", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3}
    series = document["series"]
    wanted: list[tuple[str, str, Callable[[Any, Any], None]]] = [
        ("frames", "throughput", _frames),
        ("rates", "latency", _rates),
        ("sustained", "sustained", _sustained),
        ("burst", "burst", _burst),
    ]
    names = []
    for key, name, paint in wanted:
        if series.get(key):
            file = f"{prefix}-{name}.svg"
            _figure(folder / file, lambda axes, paint=paint, key=key: paint(axes, series[key]))
            names.append(file)
    return names


def _figure(path: Path, paint: Callable[[Any], None]) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    paint(figure.subplots())
    figure.savefig(path, metadata={"Date": None})


def _frames(axes: Any, rows: list[dict[str, float]]) -> None:
    x = [row["frame"] for row in rows]
    axes.plot(x, [row["acked_per_s"] for row in rows], "o-", label="acknowledged (durable)")
    axes.plot(x, [row["told_per_s"] for row in rows], "s--", label="events delivered meanwhile")
    axes.set(xscale="log", xlabel="orders in a message", ylabel="orders/s", title="Throughput", ylim=(0, None))
    axes.legend()


def _rates(axes: Any, rows: list[dict[str, float]]) -> None:
    x = [row["rate"] for row in rows]
    for key, name, style in (("ack", "ack", "-"), ("execution", "execution event", "--")):
        for part, marker in (("p50", "o"), ("p99", "s"), ("p99.9", "^")):
            axes.plot(x, [row[f"{key}_{part}_ms"] for row in rows], marker + style, label=f"{name} {part}")
    axes.set(xscale="log", yscale="log", xlabel="offered, single orders/s", ylabel="ms", title="Latency, open loop")
    axes.legend(ncols=2)


def _sustained(axes: Any, rows: list[dict[str, float]]) -> None:
    _over_time(axes, rows, "Sustained load")
    right = axes.twinx()
    right.plot([row["t"] for row in rows], [row["offered"] for row in rows], "k:", label="offered")
    right.set(ylabel="orders/s offered", ylim=(0, None))
    right.grid(visible=False)


def _burst(axes: Any, rows: list[dict[str, float]]) -> None:
    _over_time(axes, rows, "Burst, and its backlog drained")
    right = axes.twinx()
    untold = [max(0.0, row["acked"] - row["told"]) for row in rows]
    right.plot([row["t"] for row in rows], untold, "k:", label="acknowledged, not executed yet")
    right.set(ylabel="orders acknowledged, event not delivered", ylim=(0, None))
    right.grid(visible=False)


def _over_time(axes: Any, rows: list[dict[str, float]], title: str) -> None:
    t = [row["t"] for row in rows]
    axes.plot(t, [row["relay_lag_s"] for row in rows], label="relay and engine")
    axes.plot(t, [row["persister_lag_s"] for row in rows], label="persister")
    axes.set(xlabel="s", ylabel="behind, seconds of log", title=title, ylim=(0, None))
    axes.legend(loc="upper left")
