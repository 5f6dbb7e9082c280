"""The short form of `make faults`: every process killed once, and what else fits into a quarter of a minute."""

from __future__ import annotations

import shutil

import pytest

from tests.faults.plan import PROCESSES, STORES
from tests.faults.run import Run, Scenario

pytestmark = pytest.mark.e2e

KINDS = {
    *(f"kill {name}" for name in (*PROCESSES, *STORES)),
    *("stop redis", "stop relay", "redis memory"),
    *("cut clients/gateway", "cut gateway/redis", "cut relay/engine", "poison rows", "silent client"),
}


@pytest.mark.timeout(400)
async def test_nothing_is_lost_or_done_twice_whatever_dies(engine_binary: object) -> None:
    # A busy machine may take long to recover, which is no fault: the run waits for it.
    scenario = Scenario.planned(15.0, 1, KINDS, settle_s=180.0)
    lines: list[str] = []
    outcome = await Run(scenario, lines.append).run()
    told = "\n".join([*lines, *(f"{finding}" for finding in outcome.verdict.findings), outcome.verdict.last_line])
    assert outcome.verdict.findings == [], f"{told}\nhistories and logs: {outcome.root}"
    assert set(outcome.injected) == KINDS, told
    assert outcome.verdict.acknowledged > 0
    shutil.rmtree(outcome.root)
