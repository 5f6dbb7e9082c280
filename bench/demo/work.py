"""What both parts do with a session."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from bench.demo.ledger import SENT
from bench.demo.settle import CATCH_UP_S, read_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bench.demo.ledger import Ledger
    from gateway.client import Session


@contextlib.asynccontextmanager
async def reading(session: Session, ledger: Ledger) -> AsyncIterator[None]:
    """Books the session's events while the block runs; a defect of the bookkeeping is raised at its end."""
    reader = asyncio.create_task(read_events(session, ledger), name="demo-events")
    try:
        yield
    finally:
        if not reader.done():
            reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader


async def drain(sessions: Sequence[Session], ledger: Ledger, update: Callable[[int], None]) -> None:
    """Waits until every command sent has its ack; one without is a fault."""
    deadline = time.monotonic() + CATCH_UP_S
    while (waiting := sum(session.unacknowledged for session in sessions)) and time.monotonic() < deadline:
        update(len(ledger) - waiting)
        await asyncio.sleep(0.005)
    update(len(ledger) - waiting)
    if missing := ledger.state.count(SENT):
        ledger.faults.add(f"{missing} commands have no ack after {CATCH_UP_S:.0f} s")
