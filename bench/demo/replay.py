"""Part one: the tape, through one session, against the exchange's own fills."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.demo import commands
from bench.demo.ledger import ACKED, Ledger
from bench.demo.result import result_of
from bench.demo.settle import settle, wait_told
from bench.demo.work import drain, reading
from bench.tape.records import Cut, Enter, Fill
from gateway.client import OrderClient, Reason, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.demo.ledger import Trade
    from bench.demo.report import Report
    from bench.demo.result import Result
    from bench.demo.stack import Target
    from bench.tape.records import Step, Tape
    from gateway.client import Session
    from ordergate.v1.command_pb2 import Command

SYMBOL = "BTC-USD"
_WINDOW = 2000
"""Commands under way at a time: enough to keep the way full, few enough that the time to ack means something."""
_CHUNK = 100


class _Replay:
    """Turns the tape into commands, and keeps which order of the tape became which command."""

    def __init__(self, tape: Tape, ledger: Ledger) -> None:
        self._tape = tape
        self._ledger = ledger
        self.number_of: dict[int, int] = {}
        """Command's number by the exchange's order id."""

    def chunks(self) -> Iterator[list[Command]]:
        """The tape's commands in order, a hundred at a time."""
        steps = self._tape.steps
        for first in range(0, len(steps), _CHUNK):
            yield [self._command(step) for step in steps[first : first + _CHUNK]]

    def _command(self, step: Step) -> Command:
        ledger = self._ledger
        if isinstance(step, Enter):
            account = len(ledger) % len(ledger.accounts)
            self.number_of[step.order] = len(ledger)
            return commands.order(
                ledger.new(account),
                ledger.accounts[account],
                SYMBOL,
                buy=step.buy,
                price_ticks=step.price_cents,
                quantity_lots=step.quantity,
                kind="MARKET" if step.is_market else step.tif,
            )
        number = self.number_of[step.order]
        owner, order = ledger.owner[number], ledger.id_of(number)
        command_id, name = ledger.new(owner, cancel=True), ledger.accounts[owner]
        if isinstance(step, Cut):
            return commands.amend(command_id, name, order, SYMBOL, quantity_lots=step.total)
        return commands.cancel(command_id, name, order)


async def replay(target: Target, tape: Tape, run: str, accounts: Sequence[str], report: Report) -> Result:
    """Replays the tape and compares: with the exchange's fills, and Postgres with the events."""
    ledger = Ledger(f"{run}t", accounts)
    work = _Replay(tape, ledger)
    options = SessionOptions(window=_WINDOW, on_acks=ledger.on_acks)
    async with (
        OrderClient(target.address, token=target.token, name="ordergate-demo") as client,
        client.session(options) as session,
        reading(session, ledger),
    ):
        began = time.monotonic()
        with report.progress("the tape", len(tape.steps)) as bar:
            await _send(session, work, ledger, bar.update)
            acked_s = time.monotonic() - began
        with report.waiting("last events") as wait:
            await wait_told(ledger, wait.update)
        reconnects = session.reconnects
    with report.waiting("Postgres catching up") as wait:
        found, held_at = await settle(target.postgres_dsn, ledger, wait.update)
    expected_posts = sum(isinstance(step, Enter) and step.tif == "POST" for step in tape.steps)
    result = result_of(
        "tape", ledger, found, rate=ledger.counts[ACKED] / acked_s, held_s=held_at - began, reconnects=reconnects
    )
    result.tape_fills_expected = tape.fill_count
    result.tape_fills_agreed = agreed(tape, work.number_of, list(found.trades.items()), result.fault_examples)
    result.post_only_expected = expected_posts
    result.post_only_refused = ledger.rejected[Reason.WOULD_CROSS.name]
    return result


async def _send(session: Session, work: _Replay, ledger: Ledger, update: Callable[[int], None]) -> None:
    for chunk in work.chunks():
        await session.ready()
        session.send_many(chunk)
        update(len(ledger) - session.unacknowledged)
    await drain([session], ledger, update)


def agreed(
    tape: Tape,
    number_of: dict[int, int],
    trades: list[tuple[tuple[int, int], Trade]],
    examples: list[str],
) -> int:
    """How many of the exchange's fills were made: the same maker, price and quantity, in the same place.

    An execution that the tape does not have takes one off.

    Args:
        tape: the tape.
        number_of: command's number by the exchange's order id.
        trades: trades by shard and number.
        examples: takes a sentence for the first orders that differ.
    """
    made: dict[int, list[Fill]] = {}
    order_of = {number: order for order, number in number_of.items()}
    for _, trade in sorted(trades):
        fill = Fill(order_of[trade.maker], trade.price_ticks, trade.quantity_lots)
        made.setdefault(order_of[trade.taker], []).append(fill)
    count = 0
    for order in tape.fills.keys() | made.keys():
        expected, got = tape.fills.get(order, []), made.get(order, [])
        same = sum(a == b for a, b in zip(expected, got, strict=False))
        count += same - max(len(got) - len(expected), 0)
        if expected != got and len(examples) < 20:
            examples.append(f"order {order} of the tape: the exchange made {expected}, the engine {got}")
    return count
