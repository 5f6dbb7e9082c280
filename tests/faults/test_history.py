"""Histories: what is written can be read again, and what became of each command follows from its attempts."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.faults.history import Recorder, Step, Told, What, operations, plain, read_histories, streams

if TYPE_CHECKING:
    from pathlib import Path

OK, FAILED, UNKNOWN = What.OK, What.FAILED, What.UNKNOWN


def test_a_history_can_be_read_again(tmp_path: Path) -> None:
    ticks = itertools.count()
    recorder = Recorder(tmp_path / "one.jsonl", "one", lambda: float(next(ticks)))
    event = Told("a", 1, "ACCEPTED", "c1", version=1)
    recorder.write(What.INVOKE, command_id="c1", account="a", op="new")
    recorder.write(What.OK, command_id="c1", account="a", level="QUEUED")
    recorder.write(What.EVENT, told=event)
    recorder.write(What.FAULT, fault={"kind": "kill engine"})
    recorder.close()
    steps = read_histories(tmp_path)
    assert steps == [
        Step(0.0, "one", What.INVOKE, "c1", "a", "new"),
        Step(1.0, "one", What.OK, "c1", "a", level="QUEUED"),
        Step(2.0, "one", What.EVENT, told=event),
        Step(3.0, "one", What.FAULT, fault={"kind": "kill engine"}),
    ]
    assert streams(steps) == {("one", "a"): [event]}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([OK], OK),
        ([FAILED], FAILED),
        ([UNKNOWN], UNKNOWN),
        ([None], UNKNOWN),
        ([UNKNOWN, OK], OK),
        ([UNKNOWN, FAILED], UNKNOWN),
        ([FAILED, FAILED], FAILED),
        ([FAILED, None], UNKNOWN),
        ([FAILED, OK], OK),
        ([UNKNOWN, FAILED, OK], OK),
    ],
)
def test_an_outcome_follows_from_all_attempts(answers: list[What | None], outcome: What) -> None:
    steps = []
    for answer in answers:
        steps.append(Step(0.0, "one", What.INVOKE, "c1", "a", "new"))
        if answer is not None:
            steps.append(Step(1.0, "one", answer, "c1", "a"))
    assert operations(steps)["a", "c1"].outcome is outcome


@pytest.mark.parametrize(
    ("number", "text"), [("10.00", "10"), ("0.50", "0.5"), ("100", "100"), ("0", "0"), ("1E+2", "100"), (None, "")]
)
def test_a_number_has_one_text(number: str | None, text: str) -> None:
    assert plain(None if number is None else Decimal(number)) == text
