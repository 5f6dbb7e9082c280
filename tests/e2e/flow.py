"""Light, steady order flow through the SDK, and the check that nothing of it was lost, doubled or invented.

What is known of a command: acknowledged (it must be in Postgres), refused as NOT_APPLIED (it must not be), or unknown
(0 or 1 times, never 2).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg

from gateway.client import (
    Disposition,
    OrderClient,
    OrderEvent,
    SessionOptions,
    Side,
    TimeInForce,
    cancel_order,
    new_order,
)

from ..support.wire import new_account, new_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.client import Session
    from ordergate.v1.command_pb2 import Ack, Command

    from ..support.stack import RunningStack

WAIT_S = 60.0
FRAME_PAUSE_S = 0.01
"""Between two messages of a flow: light load, that leaves the machine to what is tested."""


class Flow:
    """One account's orders in its own instrument: resting bids, offers that take them, cancels."""

    def __init__(self, symbol: str) -> None:
        self.account = new_account()
        self.symbol = symbol
        self.orders: set[str] = set()
        """client_order_ids of all orders that were sent."""
        self.acked: dict[str, str] = {}
        """client_order_id → order_id of acknowledged orders."""
        self.refused: set[str] = set()
        """client_order_ids of orders that had no effect, as was told."""
        self.acks = 0
        self.events: list[OrderEvent] = []
        self.changed = asyncio.Condition()

    async def run(self, client: OrderClient, stop: asyncio.Event) -> None:
        async with client.session(SessionOptions(give_up_after_s=WAIT_S, heartbeat_interval_s=1)) as session:
            reader = asyncio.create_task(self._read(session), name="flow-events")
            while not stop.is_set():
                await self._send(session)
                await asyncio.sleep(FRAME_PAUSE_S)
            await self._drained()
        await reader

    async def _send(self, session: Session) -> None:
        bids = [self._order(Side.BUY) for _ in range(3)]
        take = self._order(Side.SELL, time_in_force=TimeInForce.IOC)
        cancel = cancel_order(client_order_id=bids[2].command_id, account=self.account)
        commands = [*bids, take, cancel]
        self.orders |= {command.command_id for command in commands if command.HasField("new_order")}
        acks = await session.send_many(commands)
        async with self.changed:
            for ack in acks:
                self._learn(ack)
            self.changed.notify_all()

    def _order(self, side: Side, **terms: Any) -> Command:
        return new_order(
            symbol=self.symbol, side=side, quantity=1, price=10, account=self.account, command_id=new_id(), **terms
        )

    def _learn(self, ack: Ack) -> None:
        self.acks += 1
        if ack.command_id not in self.orders:
            return
        if not ack.HasField("failure"):
            self.acked[ack.command_id] = ack.order_id
        elif ack.failure.disposition == Disposition.NOT_APPLIED:
            self.refused.add(ack.command_id)

    async def _read(self, session: Session) -> None:
        async for event in session.events():
            async with self.changed:
                self.events.append(event)
                self.changed.notify_all()

    async def _drained(self) -> None:
        """Waits until every acknowledged order was told of."""

        def told() -> bool:
            return self.acked.keys() <= {event.command_id for event in self.events}

        await self.until(told)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self.changed:
            try:
                async with asyncio.timeout(WAIT_S):
                    await self.changed.wait_for(condition)
            except TimeoutError:
                raise AssertionError(f"{self.account}: {self.acks} acks, {len(self.events)} events, no more") from None

    async def more(self, count: int = 40) -> None:
        """Waits for so many more acks, and then so many more events."""
        acks = self.acks + count
        await self.until(lambda: self.acks >= acks)
        events = len(self.events) + count
        await self.until(lambda: len(self.events) >= events)


@contextlib.asynccontextmanager
async def flowing(stack: RunningStack, symbols: list[str]) -> AsyncIterator[list[Flow]]:
    """Flows that run while the block does; at its end all is answered and told."""
    flows = [Flow(symbol) for symbol in symbols]
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as open_clients, asyncio.TaskGroup() as group:
        for flow in flows:
            client = OrderClient(stack.address, token=stack.token(flow.account))
            await open_clients.enter_async_context(client)
            group.create_task(flow.run(client, stop), name=f"flow-{flow.symbol}")
        try:
            yield flows
        finally:
            stop.set()


async def reconcile(dsn: str, flows: list[Flow]) -> None:
    """Compares what the flows were told with what Postgres holds, once it holds everything."""
    connection = await _connect(dsn)
    try:
        for flow in flows:
            await _reconcile(connection, flow)
        assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 0
    finally:
        await connection.close()


async def _connect(dsn: str) -> Any:
    """A connection, also to a server that is still recovering."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while True:
        try:
            return await asyncpg.connect(dsn)
        except (asyncpg.PostgresError, OSError):
            assert asyncio.get_running_loop().time() < deadline, "Postgres does not come back"
            await asyncio.sleep(0.1)


async def _reconcile(connection: Any, flow: Flow) -> None:
    assert flow.acked
    rows = await _rows(connection, flow)
    stored = {row["client_order_id"]: str(row["order_id"]) for row in rows}
    assert len(stored) == len(rows), "an order is there twice"
    assert {c: o for c, o in flow.acked.items() if stored.get(c) != o} == {}, "acknowledged orders are lost"
    assert stored.keys() & flow.refused == set(), "orders are there that had no effect, as was told"
    assert stored.keys() <= flow.orders, "orders are there that nobody sent"
    seqs = [event.seq for event in flow.events]
    assert seqs == list(range(1, len(seqs) + 1)), "events have a gap or a repeat"
    last = {event.order.order_id: event.order for event in flow.events if event.order is not None}
    for row in rows:
        order = last[str(row["order_id"])]
        assert (row["status"], row["executed_lots"]) == (int(order.status), int(order.executed_quantity))
    bought, sold = (sum(row["executed_lots"] for row in rows if row["side"] == side) for side in (1, 2))
    traded = await connection.fetchval(
        "SELECT coalesce(sum(quantity_lots), 0) FROM executions WHERE maker_account = $1", flow.account
    )
    assert bought == sold == traded


async def _rows(connection: Any, flow: Flow) -> list[Any]:
    """The account's orders, once Postgres knows the last event about each that was told."""
    final_seq = max(event.order.last_event_seq for event in flow.events if event.order is not None)
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while True:
        rows = await connection.fetch("SELECT * FROM orders WHERE account = $1", flow.account)
        if max((row["last_event_seq"] for row in rows), default=0) >= final_seq:
            return list(rows)
        assert asyncio.get_running_loop().time() < deadline, "Postgres does not hold the last event"
        await asyncio.sleep(0.05)
