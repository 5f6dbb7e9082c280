"""The end of a part: the last events, Postgres caught up, the comparison."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import asyncpg

from bench.demo.reconcile import Reconciliation, reconcile, wait_persisted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bench.demo.ledger import Ledger
    from gateway.client import Session

CATCH_UP_S = 120.0
"""Longest wait for the last events, and again for Postgres."""

_QUIET_S = 0.3
"""Events of one frame may come in several messages: this long without one counts as the end."""


async def read_events(session: Session, ledger: Ledger) -> None:
    """Books the events of a session until it ends."""
    async for batch in session.event_batches():
        ledger.on_events(batch)


async def wait_told(ledger: Ledger, progress: Callable[[int], None]) -> None:
    """Waits until every acknowledged command has its event, at most `CATCH_UP_S`; what lacks then is a fault."""
    deadline = time.monotonic() + CATCH_UP_S
    while ledger.awaited or time.monotonic() - ledger.last_event_at < _QUIET_S:
        progress(ledger.awaited)
        if time.monotonic() > deadline:
            ledger.faults.add(f"{ledger.awaited} acknowledged commands have no event after {CATCH_UP_S:.0f} s")
            return
        await asyncio.sleep(0.05)
    progress(0)


async def settle(dsn: str, ledger: Ledger, progress: Callable[[int], None]) -> tuple[Reconciliation, float]:
    """Waits until Postgres holds all, then compares. Returns what was found, and when Postgres held it (monotonic)."""
    async with postgres(dsn) as connection:
        if not await wait_persisted(connection, ledger, CATCH_UP_S, progress):
            ledger.faults.add(f"Postgres does not hold everything after {CATCH_UP_S:.0f} s: is the persister running?")
        held_at = time.monotonic()
        return await reconcile(connection, ledger), held_at


@contextlib.asynccontextmanager
async def postgres(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "ordergate-demo", "jit": "off"})
    try:
        yield connection
    finally:
        await connection.close()
