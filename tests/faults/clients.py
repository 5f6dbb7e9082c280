"""Clients of the gateway, through the SDK alone: traders over a session and over unary calls, and readers of events.

Every command goes into the client's history before it is sent, and so does every answer. What is UNKNOWN is sent again
with the same command_id until there is an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.client import (
    AckTimeout,
    Disposition,
    OrderClient,
    OrdergateError,
    OutcomeUnknown,
    Reason,
    SessionOptions,
    Side,
    TimeInForce,
    amend_order,
    cancel_order,
    new_order,
)
from gateway.client.views import event_view
from tests.faults.history import Recorder, What, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ordergate.v1.command_pb2 import Ack, Command

SYMBOL = "ACME"
POISON_TAG = "poison"
"""Label of orders that Postgres refuses while rows are poisoned."""
_MIDDLE_CENTS = 10_000
_SPREAD_CENTS = 30
_OPEN_MAX = 150
"""Orders that one trader leaves open; beyond it it cancels."""
_EVENT_BUFFER = 128
"""Events that a session holds: few, so that one that is not read stops reading its stream."""
_PATIENCE_S = 600.0
"""Clients outlive every fault: a run has its own end."""


@dataclass(slots=True)
class World:
    """What all clients of a run share."""

    address: str
    token: str
    folder: Path
    """Folder of the histories."""
    clock: Callable[[], float]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing new is to be sent."""
    retry_s: float = 0.3
    """Pause before what is UNKNOWN is sent again."""
    poisoned: bool = False
    """True while rows with `POISON_TAG` are to be made."""
    problems: list[str] = field(default_factory=list)
    """What a client of ours could not outlive, which it should have."""
    recorders: list[Recorder] = field(default_factory=list)
    acknowledged: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=200))
    """Account and command_id of new orders that were acknowledged last."""

    def recorder(self, client: str) -> Recorder:
        """The history of a client."""
        self.recorders.append(Recorder(self.folder / f"{client}.jsonl", client, self.clock))
        return self.recorders[-1]

    def close(self) -> None:
        """Ends all histories."""
        for recorder in self.recorders:
            recorder.close()

    def client(self, name: str, timeout_s: float) -> OrderClient:
        """A connection of its own."""
        return OrderClient(self.address, token=self.token, name=f"faults/{name}", timeout_s=timeout_s)


class Flow:
    """Commands of one account: new orders around one price, cancels and amends of its own.

    What it sends is given by the seed; when it sends it is not.
    """

    def __init__(self, account: str, seed: int, world: World) -> None:
        self._account = account
        self._random = random.Random(f"{seed}/{account}")
        self._world = world
        self._open: list[str] = []
        self._count = 0

    def next(self) -> tuple[str, Command]:
        """What to do, and the command that does it."""
        chance = self._random.random()
        if self._open and (chance < 0.25 or len(self._open) > _OPEN_MAX):
            return "cancel", self._cancel()
        if self._open and chance < 0.4:
            return "amend", self._amend()
        return "new", self._new()

    def _id(self) -> str:
        self._count += 1
        return f"{self._account}-{self._count}"

    def _cancel(self) -> Command:
        target = self._open.pop(self._random.randrange(len(self._open)))
        return cancel_order(client_order_id=target, account=self._account, command_id=self._id())

    def _amend(self) -> Command:
        target = self._random.choice(self._open)
        price, quantity = self._price(), self._random.randint(1, 20)
        terms: dict[str, Any] = {"quantity": quantity} if self._random.random() < 0.6 else {"price": price}
        symbol = SYMBOL if self._random.random() < 0.5 else ""
        return amend_order(client_order_id=target, account=self._account, symbol=symbol, command_id=self._id(), **terms)

    def _new(self) -> Command:
        command_id, chance = self._id(), self._random.random()
        terms: dict[str, Any] = {"price": self._price()}
        if chance < 0.1:
            terms["time_in_force"] = TimeInForce.IOC
        elif chance < 0.13:
            terms = {"price": None}
        elif chance < 0.2:
            terms["post_only"] = True
        else:
            self._open.append(command_id)
        if self._world.poisoned and self._random.random() < 0.2:
            terms["tag"] = POISON_TAG
        side = self._random.choice((Side.BUY, Side.SELL))
        quantity = self._random.randint(1, 20)
        return new_order(
            symbol=SYMBOL, side=side, quantity=quantity, account=self._account, command_id=command_id, **terms
        )

    def _price(self) -> str:
        cents = _MIDDLE_CENTS + self._random.randint(-_SPREAD_CENTS, _SPREAD_CENTS)
        return f"{cents // 100}.{cents % 100:02d}"


class SessionTrader:
    """A trader over one session, which the SDK keeps alive through lost streams."""

    def __init__(self, name: str, seed: int, world: World, rate: float) -> None:
        self.name = name
        self._flow = Flow(name, seed, world)
        self._world = world
        self._rate = rate
        self._recorder = world.recorder(name)
        self._pending: dict[str, Command] = {}
        self._doubtful: set[str] = set()
        """Commands with an attempt of unknown outcome: only an OK settles them."""
        self._again: deque[str] = deque()
        self.reading = asyncio.Event()
        """Cleared while it does not read its events; its acks then wait behind them."""
        self.reading.set()
        self.seen = 0
        """Sequence of the last event that it was told."""
        self.reconnects = 0

    @property
    def unsettled(self) -> int:
        """Commands without a final answer."""
        return len(self._pending)

    async def run(self) -> None:
        """Trades until the world stops, then until every command has its answer; reads events until cancelled."""
        options = SessionOptions(
            accounts=(self.name,), beginning=True, on_acks=self._on_acks, give_up_after_s=_PATIENCE_S,
            connect_timeout_s=_PATIENCE_S, heartbeat_interval_s=1.0, window=500, event_buffer=_EVENT_BUFFER,
        )  # fmt: skip
        try:
            async with self._world.client(self.name, 10.0) as client, client.session(options) as session:
                reading = asyncio.create_task(self._read(session), name=f"{self.name}-events")
                try:
                    await self._trade(session)
                    await reading
                finally:
                    reading.cancel()
                    self.reconnects = session.reconnects
        except OrdergateError as error:
            self._world.problems.append(f"{self.name}: the session ended: {error}")

    async def _trade(self, session: Any) -> None:
        while not self._world.stopping.is_set() or self._pending:
            commands = []
            if not self._world.stopping.is_set():
                commands = [self._start() for _ in range(max(1, int(self._rate / 20)))]
            while self._again:
                command = self._pending[self._again.popleft()]
                self._recorder.write(What.INVOKE, command_id=command.command_id, account=self.name, op="retry")
                commands.append(command)
            if commands:
                await session.ready()
                session.send_many(commands)
            await asyncio.sleep(0.05)

    def _start(self) -> Command:
        op, command = self._flow.next()
        self._pending[command.command_id] = command
        self._recorder.write(What.INVOKE, command_id=command.command_id, account=self.name, op=op)
        return command

    def _on_acks(self, acks: Sequence[Ack]) -> None:
        for ack in acks:
            known = {"command_id": ack.command_id, "account": self.name}
            if ack.command_id not in self._pending:
                self._world.problems.append(f"{self.name}: ack of {ack.command_id}, which was settled or never sent")
            elif not ack.HasField("failure") or ack.failure.reason == Reason.ACK_TIMEOUT:
                self._recorder.write(What.OK, **known)
                command = self._pending.pop(ack.command_id)
                if command.HasField("new_order"):
                    self._world.acknowledged.append((self.name, ack.command_id))
                self._doubtful.discard(ack.command_id)
            else:
                self._on_failure(ack, known)

    def _on_failure(self, ack: Ack, known: dict[str, str]) -> None:
        unknown = ack.failure.disposition == Disposition.UNKNOWN
        reason = Reason(ack.failure.reason).name
        self._recorder.write(What.UNKNOWN if unknown else What.FAILED, reason=reason, **known)
        if unknown:
            self._doubtful.add(ack.command_id)
        if ack.command_id in self._doubtful:
            asyncio.get_running_loop().call_later(self._world.retry_s, self._again.append, ack.command_id)
        else:
            self._pending.pop(ack.command_id)

    async def _read(self, session: Any) -> None:
        async for batch in session.event_batches():
            await self.reading.wait()
            for event in batch:
                self._recorder.write(What.EVENT, told=told(self.name, event_view(event)))
                self.seen = event.seq


class UnaryTrader:
    """A trader over unary calls, a few at a time, which follows its events beside them."""

    def __init__(self, name: str, seed: int, world: World, lanes: int = 2) -> None:
        self.name = name
        self._flow = Flow(name, seed, world)
        self._world = world
        self._lanes = lanes
        self._recorder = world.recorder(name)
        self.unsettled = 0
        """Commands without a final answer."""
        self.follower = Follower(f"{name}-follow", name, world)

    @property
    def seen(self) -> int:
        """Sequence of the last event that it was told."""
        return self.follower.seen

    async def run(self) -> None:
        """Trades until the world stops, then until every command has its answer; reads events until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follower.run())
            for _ in range(self._lanes):
                group.create_task(self._trade())

    async def _trade(self) -> None:
        async with self._world.client(self.name, 3.0) as client:
            while not self._world.stopping.is_set():
                op, command = self._flow.next()
                self.unsettled += 1
                await self._settle(client, op, command)
                self.unsettled -= 1
                await asyncio.sleep(0.02)

    async def _settle(self, client: OrderClient, op: str, command: Command) -> None:
        doubtful = False
        while True:
            what = await attempt(client, op, command, self.name, self._recorder)
            doubtful = doubtful or what is What.UNKNOWN
            if what is What.OK or not doubtful:
                return
            await asyncio.sleep(self._world.retry_s)


async def attempt(client: OrderClient, op: str, command: Command, account: str, recorder: Recorder) -> What:
    """Sends a command once, as far as this program knows, and writes down what came of it."""
    known = {"command_id": command.command_id, "account": account}
    recorder.write(What.INVOKE, op=op, **known)
    try:
        ack = await client.send(command)
    except AckTimeout as error:
        recorder.write(What.OK, level="QUEUED", reason=error.reason.name, **known)
        return What.OK
    except OutcomeUnknown as error:
        recorder.write(What.UNKNOWN, reason=error.reason.name, **known)
        return What.UNKNOWN
    except OrdergateError as error:
        recorder.write(What.FAILED, reason=error.reason.name or str(error), **known)
        return What.FAILED
    recorder.write(What.OK, level=ack.level.name, **known)
    return What.OK


class Follower:
    """A reader of one account's events from the beginning, through lost streams. It can be told to stop reading."""

    def __init__(self, name: str, account: str, world: World) -> None:
        self.name = name
        self.account = account
        self._world = world
        self._recorder = world.recorder(name)
        self.reading = asyncio.Event()
        """Cleared while it does not read."""
        self.reading.set()
        self.seen = 0
        """Sequence of the last event that it was told."""

    async def run(self) -> None:
        """Reads until cancelled."""
        try:
            async with self._world.client(self.name, 10.0) as client:
                events = client.events((self.account,), beginning=True, give_up_after_s=_PATIENCE_S)
                async with contextlib.aclosing(events):  # type: ignore[type-var]
                    async for event in events:
                        self._recorder.write(What.EVENT, told=told(self.account, event))
                        self.seen = event.seq
                        await self.reading.wait()
        except OrdergateError as error:
            self._world.problems.append(f"{self.name}: its events ended: {error}")
