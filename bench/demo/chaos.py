"""kill -9 of the services while the generated flow runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.demo.report import Report
    from bench.demo.stack import Target

_VICTIMS = ("engine", "gateway", "persister")


@contextlib.asynccontextmanager
async def chaos(target: Target, seconds: float, report: Report) -> AsyncIterator[None]:
    """Kills engine, gateway and persister, one after the other, spread over `seconds`, while the block runs."""
    task = asyncio.create_task(_kill(target, seconds, report), name="demo-chaos")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _kill(target: Target, seconds: float, report: Report) -> None:
    for name in _VICTIMS:
        await asyncio.sleep(seconds / (len(_VICTIMS) + 1))
        pid = target.pids()[name]
        os.kill(pid, signal.SIGKILL)
        report.step(f"kill -9 {name} (process {pid})")
