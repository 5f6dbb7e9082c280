"""Figures, goals and the report of the bench."""

import json

import pytest

from bench.suite.goals import GOALS, LATEST, Goal, add_ratios, latest, number, verdict
from bench.suite.report import TABLE_BEGIN, TABLE_END, goals_table, markdown, table, with_table

SPEED = Goal("speed", "orders/s", 50, "×")
DELAY = Goal("delay", "time", 4, "ms", at_least=False)
ERRORS = Goal("errors", "errors", 0, at_least=False)


@pytest.mark.parametrize(
    ("goal", "value", "said"),
    [
        (SPEED, 50.0, "met"),
        (SPEED, 45.0, "missed by 10 %"),
        (DELAY, 4.0, "met"),
        (DELAY, 5.0, "missed by 25 %"),
        (DELAY, 40.0, "missed: 10 times as much"),
        (ERRORS, 0.0, "met"),
        (ERRORS, 3.0, "missed by 3"),
        (SPEED, None, "not measured"),
    ],
)
def test_the_verdict_says_by_how_much_a_goal_is_missed(goal: Goal, value: float | None, said: str) -> None:
    assert verdict(goal, value) == said


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (12.0, "12"), (0.41234, "0.412"), (123456.7, "123,457"), (2.0, "2")]
)
def test_numbers_have_as_many_digits_as_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_ratios_are_of_what_was_measured() -> None:
    figures: dict[str, float | None] = {"accepted_per_s": 100_000.0, "baseline_per_s": 2000.0, "unary_per_s": 3000.0}
    add_ratios(figures)
    assert figures["accepted_ratio"] == 50
    assert figures["unary_over_baseline"] == 1.5
    assert figures["unary_ratio"] is None
    assert figures["persister_ratio"] is None


def test_latest_has_all_its_keys_and_no_other() -> None:
    document = json.loads(json.dumps(latest({"errors": 0, "ack_p50_ms": 1.2, "drain_s": 3.0})))
    assert " ".join(document) == (
        "accepted_ratio sustained_ratio sustained_per_s single_message_ratio unary_ratio ack_p50_ms ack_p99_ms "
        "execution_p50_ms execution_p99_ms health_p99_ms persister_ratio errors"
    )
    assert document["errors"] == 0
    assert document["accepted_ratio"] is None


def test_every_figure_of_latest_has_a_goal_but_the_plain_rate() -> None:
    assert set(LATEST) - {goal.key for goal in GOALS} == {"sustained_per_s"}


def test_the_table_names_what_is_missed() -> None:
    text = goals_table({"accepted_ratio": 60.0, "ack_p50_ms": 3.0})
    assert "| 60 ×  | ≥ 50 ×" in text
    assert "missed by 100 %" in text
    assert text.count("\n") == len(GOALS) + 1


def test_a_table_is_aligned() -> None:
    assert table(("a", "bb"), [("long", "1")]).splitlines() == ["| a    | bb |", "|------|----|", "| long | 1  |"]


def test_the_readme_gets_the_table_between_its_marks() -> None:
    readme = f"before\n{TABLE_BEGIN}\nold\n{TABLE_END}\nafter\n"
    once = with_table(readme, "new")
    assert once == f"before\n{TABLE_BEGIN}\nnew\n{TABLE_END}\nafter\n"
    assert with_table(once, "new") == once
    with pytest.raises(ValueError, match="marks"):
        with_table("no marks", "new")


def test_the_report_tells_runs_faults_and_ghz() -> None:
    times = {"count": 5, "p50": 1.0, "p99": 2.5}
    run = {
        "loop": "open",
        "offered_per_s": 1000,
        "frame": 1,
        "acked_per_s": 999.7,
        "ack_ms": times,
        "cpu_us_per_ack": 9.9,
    }
    run["execution_ms"] = times | {"count": 0}
    ghz = {"calls_per_s": 3000.0, "latency_ms": {"p50": 1.5}, "error_count": 7}
    machine = {
        "date": "2026-01-02T03:04:05",
        "commit": "abc",
        "changed": True,
        "cores": 2,
        "cpu": "C",
        "memory": "8 GB",
    }
    machine |= {"kernel": "6", "python": "3", "redis": "7", "postgres": "15", "load_average": 0.5}
    document = {
        "machine": machine,
        "plan": {"name": "full"},
        "figures": {"errors": 7},
        "faults": ["ghz submit: 7 errors"],
    }
    text = markdown(document | {"runs": {"latency": run, "ghz-submit": ghz}, "charts": ["x.svg"]})
    assert "commit abc, with changes" in text
    assert "| latency | open, 1,000/s | 1" in text
    assert "| submit | 3,000" in text
    assert "- ghz submit: 7 errors" in text
    assert "![x.svg](x.svg)" in text
