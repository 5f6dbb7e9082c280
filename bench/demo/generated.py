"""Part two: generated flow from several accounts, a session each, at full speed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from bench.demo import commands
from bench.demo.ledger import ACKED, Ledger
from bench.demo.result import result_of
from bench.demo.settle import settle, wait_told
from bench.demo.work import drain, reading
from bench.flow.generator import Cancel, Flow
from gateway.client import OrderClient, Reason, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.demo.report import Report
    from bench.demo.result import Result
    from bench.demo.stack import Target
    from gateway.client import Session
    from ordergate.v1.command_pb2 import Ack, Command

SYMBOL = "ETH-USD"
_CHUNK = 100
_WINDOW = 250
"""Commands under way in one session."""


class _Trader:
    """One account: its flow, its session."""

    def __init__(self, account: int, ledger: Ledger) -> None:
        self._account = account
        self._name = ledger.accounts[account]
        self._ledger = ledger
        self._flow = Flow(seed=account)
        self.paused_until = 0.0
        self.reconnects = 0

    def on_acks(self, acks: Sequence[Ack]) -> None:
        """Books acks; a full queue asks for a pause."""
        self._ledger.on_acks(acks)
        for ack in acks:
            if ack.failure.reason == Reason.QUEUE_FULL.value:
                wait_s = max(ack.failure.retry_after.ToTimedelta().total_seconds(), 0.1)
                self.paused_until = time.monotonic() + wait_s

    async def trade(self, session: Session, until: float) -> None:
        """Sends flow as fast as the session takes it."""
        while time.monotonic() < until:
            await session.ready()
            if (pause_s := min(self.paused_until, until) - time.monotonic()) > 0:
                await asyncio.sleep(pause_s)
            session.send_many([self._next() for _ in range(_CHUNK)])
            await asyncio.sleep(0)

    async def withdraw(self, session: Session, numbers: Sequence[int]) -> None:
        """Cancels what rests."""
        for first in range(0, len(numbers), _CHUNK):
            await session.ready()
            session.send_many([self._cancel(self._ledger.id_of(n)) for n in numbers[first : first + _CHUNK]])

    def _next(self) -> Command:
        step = self._flow.next()
        if isinstance(step, Cancel):
            return self._cancel(step.client_order_id)
        command_id = self._ledger.new(self._account)
        if step.kind in {"GTC", "POST"}:
            self._flow.rests(command_id)
        buy, price, quantity, kind = step
        return commands.order(
            command_id, self._name, SYMBOL, buy=buy, price_ticks=price, quantity_lots=quantity, kind=kind
        )

    def _cancel(self, client_order_id: str) -> Command:
        return commands.cancel(self._ledger.new(self._account, cancel=True), self._name, client_order_id)


async def generated(target: Target, run: str, accounts: Sequence[str], seconds: float, report: Report) -> Result:
    """Sends generated flow for `seconds`, cancels what rests, and compares Postgres with the events."""
    ledger = Ledger(f"{run}g", accounts)
    traders = [_Trader(index, ledger) for index in range(len(accounts))]
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await _open(stack, target, trader, ledger, accounts[i]) for i, trader in enumerate(traders)]
        began = time.monotonic()
        with report.clock("generated flow", seconds) as bar:
            ticker = asyncio.create_task(_tick(ledger, sessions, bar.update))
            pairs = zip(traders, sessions, strict=True)
            await asyncio.gather(*(trader.trade(session, began + seconds) for trader, session in pairs))
            await _drain_all(sessions, ledger)
            ticker.cancel()
        acked, acked_s = ledger.counts[ACKED], time.monotonic() - began
        with report.waiting("last events") as wait:
            await wait_told(ledger, wait.update)
            await _withdraw_all(traders, sessions, ledger)
            await wait_told(ledger, wait.update)
        reconnects = sum(session.reconnects for session in sessions)
    with report.waiting("Postgres catching up") as wait:
        found, held_at = await settle(target.postgres_dsn, ledger, wait.update)
    return result_of("generated", ledger, found, rate=acked / acked_s, held_s=held_at - began, reconnects=reconnects)


async def _open(
    stack: contextlib.AsyncExitStack, target: Target, trader: _Trader, ledger: Ledger, account: str
) -> Session:
    client = await stack.enter_async_context(
        OrderClient(target.address, token=target.token, name=f"ordergate-demo/{account}")
    )
    options = SessionOptions(accounts=(account,), window=_WINDOW, on_acks=trader.on_acks, give_up_after_s=120.0)
    session = await stack.enter_async_context(client.session(options))
    await stack.enter_async_context(reading(session, ledger))
    return session


async def _tick(ledger: Ledger, sessions: Sequence[Session], update: Callable[[int], None]) -> None:
    while True:
        update(len(ledger) - sum(s.unacknowledged for s in sessions))
        await asyncio.sleep(0.1)


async def _withdraw_all(traders: Sequence[_Trader], sessions: Sequence[Session], ledger: Ledger) -> None:
    by_owner: list[list[int]] = [[] for _ in traders]
    for number in ledger.open_orders():
        by_owner[ledger.owner[number]].append(number)
    work = zip(traders, sessions, by_owner, strict=True)
    await asyncio.gather(*(trader.withdraw(session, numbers) for trader, session, numbers in work))
    await _drain_all(sessions, ledger)


async def _drain_all(sessions: Sequence[Session], ledger: Ledger) -> None:
    await drain(sessions, ledger, lambda _: None)
