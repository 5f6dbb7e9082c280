"""The scenes of a run: each puts its figures, and what the load tool said, into the book."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.suite.backlog import Path, Watch, rows
from bench.suite.driver import Driver, load
from bench.suite.memory import memory_mb
from bench.suite.pace import DRAIN_SHARE, LOW_S, STEP_S, Pace, is_flat, sustained_per_s
from bench.suite.peers import accounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.demo.stack import Target
    from bench.suite.driver import Result
    from bench.suite.goals import Figures
    from bench.suite.plan import Plan

BURST_FRAME = 100
_FIRST_RATE = 5000.0
_SHARE_OF_ACCEPTED = 0.25
"""Where the search for the sustained rate begins, of what was accepted in the burst."""


@dataclass(slots=True)
class Book:
    """What a run has found so far."""

    plan: Plan
    say: Callable[[str], None]
    figures: Figures = field(default_factory=dict)
    runs: dict[str, Result] = field(default_factory=dict)
    """Figures of every run of the load tool, as it wrote them."""
    series: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """Samples over time, and sweeps."""
    faults: list[str] = field(default_factory=list)
    """What went wrong, in sentences."""

    def keep(self, name: str, result: Result) -> Result:
        """Books a run of the load tool with its errors."""
        self.runs[name] = result
        count = int(result["error_count"])
        if count:
            reasons = ", ".join(f"{reason}: {n}" for reason, n in result["errors"].items())
            self.faults.append(f"{name}: {count} errors ({reasons})")
        self.add_errors(count)
        return result

    def add_errors(self, count: int) -> None:
        self.figures["errors"] = (self.figures.get("errors") or 0) + count


def baseline(book: Book, address: str) -> None:
    """Orders a second of the synchronous server, at the better of two loads."""
    best = 0.0
    for calls in (book.plan.calls, 2 * book.plan.calls):
        result = _unary(book, f"baseline-{calls}", address, calls, book.plan.baseline_s)
        best = max(best, result["acked_per_s"])
    book.figures["baseline_per_s"] = best


def ceilings(book: Book, address: str) -> None:
    """Calls and messages a second of a server that does nothing."""
    plan = book.plan
    figures = book.figures
    figures["echo_unary_per_s"] = _unary(book, "echo-unary", address, plan.calls, plan.ceiling_s)["acked_per_s"]
    result = load(
        address,
        echo=True,
        accounts=accounts(plan),
        streams=plan.streams,
        window=plan.window,
        warmup=plan.warmup_s,
        seconds=plan.ceiling_s,
    )
    figures["echo_messages_per_s"] = book.keep("echo-messages", result)["acked_per_s"]


def _unary(book: Book, name: str, address: str, calls: int, seconds: float, token: str = "") -> Result:
    plan = book.plan
    options: dict[str, object] = {"rpc": "submit", "streams": plan.streams, "window": calls, "warmup": plan.warmup_s}
    return book.keep(name, load(address, token, accounts=accounts(plan), seconds=seconds, **options))


def submit(book: Book, target: Target) -> None:
    """Unary Submit, closed loop."""
    plan = book.plan
    result = _unary(book, "submit", target.address, plan.calls, plan.submit_s, target.token)
    book.figures["unary_per_s"] = result["acked_per_s"]
    _level(book, target, "submit")


def singles(book: Book, target: Target) -> None:
    """Messages of one order, closed loop: the next goes out when an order's first event is here."""
    plan = book.plan
    options = {"streams": plan.streams, "window": plan.window, "until-event": True, "warmup": plan.warmup_s}
    result = book.keep("single-messages", _session(book, target, seconds=plan.singles_s, drain=plan.drain_s, **options))
    book.figures["single_message_per_s"] = min(result["acked_per_s"], result["told_per_s"])
    _level(book, target, "single messages")


def latency(book: Book, target: Target) -> None:
    """Time to ack and to the execution event in the open loop, with health checks beside it."""
    plan, figures = book.plan, book.figures
    options = {"rate": plan.latency_rate, "streams": plan.streams, "warmup": plan.warmup_s, "seconds": plan.latency_s}
    health = {"rpc": "health", "rate": 50, "streams": 1, "warmup": plan.warmup_s, "seconds": plan.latency_s}
    with Driver(target.address, "", health) as beside:
        result = book.keep("latency", _session(book, target, **options))
        checks = book.keep("health", beside.result(plan.latency_s + 60))
    for key in ("ack", "execution"):
        figures[f"{key}_p50_ms"] = result[f"{key}_ms"]["p50"]
        figures[f"{key}_p99_ms"] = result[f"{key}_ms"]["p99"]
    figures["health_p99_ms"] = checks["ack_ms"]["p99"]


def rates(book: Book, target: Target) -> None:
    """Latency against the offered load, single orders."""
    plan = book.plan
    for rate in plan.rates:
        options = {"rate": rate, "streams": plan.streams, "warmup": plan.warmup_s, "seconds": plan.rates_s}
        result = book.keep(f"rate-{rate}", _session(book, target, drain=plan.drain_s, **options))
        row = {"rate": float(rate), "acked_per_s": result["acked_per_s"]}
        for key in ("ack", "execution"):
            row |= {f"{key}_{p}_ms": result[f"{key}_ms"][p] for p in ("p50", "p99", "p99.9")}
        book.series.setdefault("rates", []).append(row)
        _level(book, target, f"{rate} orders/s")


def frames(book: Book, target: Target) -> None:
    """Throughput against the orders in a message."""
    plan = book.plan
    for frame in plan.frames:
        options = {"frame": frame, "streams": plan.streams, "window": max(plan.window, 40 * frame)}
        result = book.keep(
            f"frame-{frame}",
            _session(book, target, warmup=plan.warmup_s, seconds=plan.frames_s, drain=plan.drain_s, **options),
        )
        row = {"frame": float(frame), "acked_per_s": result["acked_per_s"], "told_per_s": result["told_per_s"]}
        book.series.setdefault("frames", []).append(row)
        _level(book, target, f"frames of {frame}")


def burst(book: Book, target: Target) -> None:
    """Acknowledged orders a second while the backlog may grow; then all of it must arrive."""
    plan, figures = book.plan, book.figures
    options = {"frame": BURST_FRAME, "streams": plan.streams, "window": 10_000, "warmup": 1, "drain": plan.drain_s}
    options |= {"seconds": plan.burst_s, "accounts": ",".join(accounts(plan))}
    began = time.monotonic()
    with Driver(target.address, target.token, options) as driver, Watch(target, driver) as watch:
        result = book.keep("burst", driver.result(plan.burst_s + plan.drain_s + 60))
        level = _level(book, target, "the burst")
    figures["drain_s"] = time.monotonic() - began - plan.burst_s - 1 if level else None
    figures["accepted_per_s"] = result["orders_per_s"]
    book.series["burst"] = watch.as_dicts()
    _note_memory(book, target)
    check_rows(book, target, "burst", result)


def sustained(book: Book, target: Target) -> None:
    """The highest rate at which the backlog stays flat: looked for, then held."""
    plan, figures = book.plan, book.figures
    pace = Pace(max(_FIRST_RATE, _SHARE_OF_ACCEPTED * (figures.get("accepted_per_s") or 0)))
    options = {"frame": BURST_FRAME, "streams": plan.streams, "rate": round(pace.rate), "control": True}
    options |= {"accounts": ",".join(accounts(plan)), "drain": plan.drain_s}
    with Driver(target.address, target.token, options) as driver, Watch(target, driver) as watch:
        _follow(driver, watch, pace, plan.search_s)
        driver.tell(f"rate {DRAIN_SHARE * pace.settle():.0f}")
        _wait_low(watch, plan.search_s)
        driver.tell(f"rate {pace.rate:.0f}")
        first = len(watch.samples)
        driver.tell(f"measure {plan.sustained_s:g}")
        _follow(driver, watch, pace, plan.sustained_s)
        measured = watch.samples[first : len(watch.samples)]
        result = book.keep("sustained", driver.result(plan.drain_s + 60))
        _level(book, target, "the sustained load")
    figures["sustained_per_s"] = sustained_per_s(result["orders_per_s"], measured)
    figures["backlog_flat"] = float(is_flat(measured))
    if not figures["backlog_flat"]:
        book.faults.append("sustained: the backlog was not flat")
    book.series["sustained"] = watch.as_dicts()
    figures["sustained_from_s"] = measured[0].t if measured else None
    _note_memory(book, target)
    check_rows(book, target, "sustained", result)


def _follow(driver: Driver, watch: Watch, pace: Pace, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and driver.running:
        time.sleep(STEP_S)
        if watch.samples:
            driver.tell(f"rate {pace.next(watch.samples[-1].lag_s):.0f}")


def _wait_low(watch: Watch, seconds: float) -> None:
    """Lets a backlog of the search go by."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and watch.samples and watch.samples[-1].lag_s > LOW_S:
        time.sleep(0.1)


def _note_memory(book: Book, target: Target) -> None:
    worker = memory_mb(target.pids()).get("gateway worker", 0.0)
    book.figures["worker_rss_mb"] = max(book.figures.get("worker_rss_mb") or 0.0, worker)


def check_rows(book: Book, target: Target, name: str, result: Result) -> None:
    """Every acknowledged order must be in Postgres, once."""
    found, dead = rows(target, result["run"])
    lost = int(result["orders"]) - int(result["refused"]) - found
    book.figures["lost"] = (book.figures.get("lost") or 0) + lost
    book.add_errors(abs(lost) + dead)
    if lost or dead:
        book.faults.append(f"{name}: {lost} acknowledged orders are not in Postgres, {dead} rows in dead_letters")


def _session(book: Book, target: Target, **options: Any) -> Result:
    return load(target.address, target.token, accounts=accounts(book.plan), **options)


def _level(book: Book, target: Target, after: str) -> bool:
    """Waits until the path has done all of it, so that nothing is left for the next scene to pay for."""
    with Path(target) as path:
        level = path.wait_level(book.plan.drain_s)
    if not level:
        book.faults.append(f"the backlog of {after} was not drained within {book.plan.drain_s:.0f} s")
        book.add_errors(1)
    return level
