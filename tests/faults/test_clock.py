"""The clock of a gateway can be set forward and back while it runs, as `make faults` does; its monotonic one can't."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.rig import faked_clock, find_faketime, write_clock

if TYPE_CHECKING:
    from pathlib import Path

_SHOW = """
import asyncio, time, uvloop

async def show():
    while True:
        print(time.time() - time.monotonic(), flush=True)
        await asyncio.sleep(0.1)

uvloop.run(show())
"""


@pytest.mark.skipif(find_faketime() is None, reason="libfaketime is not installed; make setup does it on a Debian")
async def test_a_clock_jumps_and_jumps_back(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    write_clock(clock, 0)
    environ = {**os.environ, **faked_clock(clock)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SHOW, env=environ, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            honest = float(await process.stdout.readline())
            for offset_s in (3600.0, -3600.0, 0.0):
                write_clock(clock, offset_s)
                while abs(float(await process.stdout.readline()) - honest - offset_s) > 1.0:
                    pass
    finally:
        process.kill()
        await process.communicate()
