"""Probes: small orders at each ack level all the time, which tell how long a fault was felt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.client import AckLevel, NotFound, OrdergateError, Outcome, Side, TimeInForce, new_order
from tests.faults.clients import attempt
from tests.faults.history import What

if TYPE_CHECKING:
    from tests.faults.clients import World

LEVELS = (AckLevel.QUEUED, AckLevel.ENGINE, AckLevel.PERSISTED)
PERIOD_S = 0.25
_READ_PERIOD_S = 0.1
_TIMEOUT_S = 5.0
_UNDER_WAY_MAX = 24


class Reader:
    """Asks for orders that were acknowledged just now: whoever has the ack finds the order, at any worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.found = 0
        """Orders that were asked for and found."""

    async def run(self) -> None:
        """Asks until the world stops. No answer is no fault; the answer that there is no such order is one."""
        async with self._world.client("reader", _TIMEOUT_S) as client:
            while not self._world.stopping.is_set():
                await asyncio.sleep(_READ_PERIOD_S)
                if not self._world.acknowledged:
                    continue
                account, command_id = self._world.acknowledged[-1]
                try:
                    await client.get_order(client_order_id=command_id, account=account)
                    self.found += 1
                except NotFound:
                    self._world.problems.append(f"{command_id} of {account} was acknowledged, and GetOrder finds none")
                except OrdergateError:
                    continue


class Probe:
    """Orders of one ack level, one every `PERIOD_S`, whether the one before was answered or not."""

    def __init__(self, level: AckLevel, world: World) -> None:
        self.name = f"probe-{level.name.lower()}"
        self._level = level
        self._world = world
        self._recorder = world.recorder(self.name)
        self._doubtful: list[str] = []
        self.answered: list[tuple[float, float]] = []
        """When each order that was acknowledged at the level was sent, and when it was acknowledged."""

    async def run(self) -> None:
        """Probes until the world stops, waits for the last answers, and settles what is unknown."""
        count = 0
        async with self._world.client(self.name, _TIMEOUT_S) as client, asyncio.TaskGroup() as group:
            under_way: set[asyncio.Task[None]] = set()
            while not self._world.stopping.is_set():
                if len(under_way) < _UNDER_WAY_MAX:
                    count += 1
                    task = group.create_task(self._one(client, count))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(PERIOD_S)
        await self._resolve()

    async def _one(self, client, count: int) -> None:
        command = new_order(
            symbol="BUND", side=Side.BUY, quantity=1, price="1.000", time_in_force=TimeInForce.IOC, account=self.name,
            command_id=f"{self.name}-{count}", ack_level=self._level,
        )  # fmt: skip
        began = self._world.clock()
        what = await attempt(client, "new", command, self.name, self._recorder)
        if what is What.OK:
            self.answered.append((began, self._world.clock()))
        elif what is What.UNKNOWN:
            self._doubtful.append(command.command_id)

    async def _resolve(self) -> None:
        """Settles every order whose outcome is unknown: it took effect, or it never will."""
        async with self._world.client(self.name, _TIMEOUT_S) as client:
            for command_id in self._doubtful:
                try:
                    resolution = await client.settle(command_id, account=self.name)
                except OrdergateError as error:
                    self._world.problems.append(f"{command_id} of {self.name} can't be settled: {error}")
                    continue
                fenced = resolution.outcome is Outcome.FENCED
                what = What.FENCED if fenced else What.OK
                self._recorder.write(what, command_id=command_id, account=self.name, reason="settled")

    def recovered_s(self, since: float) -> float | None:
        """Time from `since` to the first acknowledgement of an order sent after it; None if there was none."""
        times = [answered for sent, answered in self.answered if sent >= since]
        return min(times) - since if times else None
