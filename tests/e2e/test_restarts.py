"""Every process of the stack is killed, ended and frozen under load: no acknowledged order is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.stack import RunningStack, _new_home
from .conftest import instruments_toml, new_symbols
from .flow import flowing, reconcile
from .processes import child, freeze, thaw, wait_until_gone

SERVICES = ("engine", "persister", "gateway", "redis", "postgres")
FREEZE_S = 3.0
"""Longer than an append may take, and than the relay's lease lives."""


@pytest.fixture(scope="module")
def fragile(engine_binary: Path) -> Iterator[RunningStack]:
    """A stack of this module's own, that is killed piece by piece and mends itself."""
    home = _new_home()
    path = home / "instruments.toml"
    path.write_text(instruments_toml(), encoding="utf-8")
    running = RunningStack(home, ("--instruments", str(path)), {}, engine_binary)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_that_ends_costs_no_acknowledged_order(
    service: str, sig: signal.Signals, fragile: RunningStack
) -> None:
    async with flowing(fragile, new_symbols(2)) as flows:
        for flow in flows:
            await flow.more()
        old = fragile.kill(service, sig)
        await asyncio.to_thread(fragile.wait_restarted, service, old)
        for flow in flows:
            await flow.more()
    await reconcile(fragile.postgres_dsn, flows)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("role", ["worker", "relay"])
async def test_a_part_of_the_gateway_that_ends_costs_no_acknowledged_order(
    role: str, sig: signal.Signals, fragile: RunningStack
) -> None:
    async with flowing(fragile, new_symbols(2)) as flows:
        for flow in flows:
            await flow.more()
        pid = child(fragile.pids["gateway"], role)
        os.kill(pid, sig)
        await asyncio.to_thread(wait_until_gone, pid)
        for flow in flows:
            await flow.more()
    await reconcile(fragile.postgres_dsn, flows)


@pytest.mark.parametrize("service", ["engine", "persister", "redis", "worker", "relay"])
async def test_a_process_that_hangs_for_a_while_costs_no_acknowledged_order(
    service: str, fragile: RunningStack
) -> None:
    pids = fragile.pids
    pid = pids[service] if service in pids else child(pids["gateway"], service)
    async with flowing(fragile, new_symbols(2)) as flows:
        for flow in flows:
            await flow.more()
        freeze(pid)
        await asyncio.sleep(FREEZE_S)
        thaw(pid)
        for flow in flows:
            await flow.more()
    await reconcile(fragile.postgres_dsn, flows)


async def test_the_whole_stack_goes_on_with_its_data(stack_factory, tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(instruments_toml(), encoding="utf-8")
    first = stack_factory("--instruments", str(path))
    async with flowing(first, new_symbols(2)) as flows:
        for flow in flows:
            await flow.more()
    assert await asyncio.to_thread(first.stop) == 0
    second = await asyncio.to_thread(stack_factory, "--instruments", str(path), home=first.home)
    async with flowing(second, new_symbols(2)) as later:
        for flow in later:
            await flow.more()
    await reconcile(second.postgres_dsn, [*flows, *later])
