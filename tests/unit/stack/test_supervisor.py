"""The supervisor restarts what dies, gives up on a refused configuration, and stops in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from gateway.stack.process import Process, Program, StackError
from gateway.stack.supervisor import Supervisor


class Watched:
    """A supervisor that watches shell scripts, and what it said."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.said = []
        self.starts = []
        self.supervisor = Supervisor(self.said.append, self.starts.append)
        self.stop = asyncio.Event()

    def process(self, name, script, ready=True, **options):
        return Process(Program(name, ["sh", "-c", script], self.tmp_path / f"{name}.log", lambda: ready, **options))

    @contextlib.asynccontextmanager
    async def watching(self, *processes):
        await self.supervisor.start(processes)
        task = asyncio.create_task(self.supervisor.watch(self.stop))
        try:
            yield task
        finally:
            self.stop.set()
            await asyncio.gather(task, return_exceptions=True)
            await self.supervisor.stop()

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - processes raise no event here
                await asyncio.sleep(0.01)


@pytest.fixture
async def watched(tmp_path):
    return Watched(tmp_path)


async def test_a_killed_service_is_started_again_under_a_new_id(watched):
    process = watched.process("a", "sleep 60")
    async with watched.watching(process):
        before = process.pid
        os.kill(before, signal.SIGKILL)
        await watched.until(lambda: process.pid != before)
        assert watched.supervisor.pids == {"a": process.pid}
        assert watched.starts[-1] == {"a": process.pid}
    assert any("a was ended by SIGKILL" in line for line in watched.said)


async def test_a_service_that_dies_again_and_again_waits_longer_each_time(watched):
    async with watched.watching(watched.process("a", "sleep 0.05; echo 'error: no luck'; exit 1")):
        await watched.until(lambda: len(watched.said) >= 3)
    waits = [float(line.partition("again in ")[2].partition(" s")[0]) for line in watched.said[:3]]
    assert waits == [0.2, 0.4, 0.8]
    assert "error: no luck" in watched.said[0]


async def test_a_service_that_waits_on_its_way_out_is_hurried(watched):
    leaving = watched.tmp_path / "leaving"
    process = watched.process("a", "sleep 60", leaving=leaving.exists)
    async with watched.watching(process):
        before = process.pid
        leaving.touch()
        await watched.until(lambda: process.died is not None)
        leaving.unlink()
        await watched.until(lambda: process.pid != before)


async def test_a_refused_configuration_ends_the_watch(watched):
    async with watched.watching(watched.process("a", "sleep 0.2; echo 'ordergate: no AOF'; exit 78")) as task:
        with pytest.raises(StackError, match="a: no AOF") as caught:
            await task
    assert caught.value.status == 78


async def test_a_death_during_the_start_is_not_tried_again(watched):
    with pytest.raises(StackError, match="a ended with status 1"):
        await watched.supervisor.start([watched.process("a", "exit 1", ready=False), watched.process("b", "sleep 60")])
    await watched.supervisor.stop()


async def test_services_stop_in_reverse_order(watched):
    order = watched.tmp_path / "order"
    script = "trap 'echo {0} >> {1}; exit 0' TERM; while :; do sleep 0.02; done"
    for name in ("first", "second", "third"):
        await watched.supervisor.start([watched.process(name, script.format(name, order))])
    await asyncio.sleep(0.2)
    await watched.supervisor.stop()
    assert order.read_text().split() == ["third", "second", "first"]


async def test_a_second_stop_does_nothing(watched):
    await watched.supervisor.start([watched.process("a", "sleep 60")])
    await watched.supervisor.stop()
    await watched.supervisor.stop()
