"""A clean book to start from: what an earlier run left resting is canceled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.demo.settle import postgres
from gateway.client import AckLevel, OrderClient, OrderStatus, SessionOptions, cancel_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.demo.report import Report
    from bench.demo.stack import Target

_CHUNK = 500
_OPEN = [OrderStatus.QUEUED.value, OrderStatus.OPEN.value, OrderStatus.PARTIALLY_FILLED.value]
_QUERY = "SELECT account, client_order_id, symbol FROM orders WHERE symbol = ANY($1) AND status = ANY($2)"


class NotClean(Exception):
    """Orders of others rest where the demo wants to trade."""


async def accounts_of(target: Target) -> list[str]:
    """Accounts of the demo's token, in order."""
    options = SessionOptions(events=False)
    async with OrderClient(target.address, token=target.token) as client, client.session(options) as session:
        return sorted(session.accounts)


async def sweep(target: Target, accounts: Sequence[str], symbols: Sequence[str], report: Report) -> None:
    """Cancels our resting orders of these symbols.

    Raises:
        NotClean: orders of accounts that the token does not cover rest there.
    """
    async with postgres(target.postgres_dsn) as connection:
        rows = await connection.fetch(_QUERY, list(symbols), _OPEN)
    foreign = [row for row in rows if row["account"] not in accounts]
    if foreign:
        raise NotClean(
            f"{len(foreign)} orders of other accounts rest in {foreign[0]['symbol']} (the first is of account "
            f"{foreign[0]['account']!r}). The demo needs these books for itself: cancel them, or leave out --keep."
        )
    if not rows:
        return
    report.step(f"Canceling {len(rows):,} orders that an earlier run left")
    cancels = [
        cancel_order(account=row["account"], client_order_id=row["client_order_id"], ack_level=AckLevel.ENGINE)
        for row in rows
    ]
    options = SessionOptions(events=False)
    async with OrderClient(target.address, token=target.token) as client, client.session(options) as session:
        for first in range(0, len(cancels), _CHUNK):
            await session.send_many(cancels[first : first + _CHUNK])
