"""A gateway small enough for tests of the SDK: real gRPC, the contract's promises, no Redis and no matching.

Every order is accepted, every cancel cancels. A command_id seen before is acknowledged and yields no second order.
`FakeGateway` can lose its streams, before or after a frame was stored, without forgetting what it stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import InvalidField, NotFound, OrdergateError, Unauthenticated, abort
from ordergate.v1 import (
    command_pb2,
    event_pb2,
    failure_pb2,
    order_entry_service_pb2,
    order_events_service_pb2,
    order_pb2,
    order_query_service_pb2,
)
from ordergate.v1.order_entry_service_pb2_grpc import (
    OrderEntryServiceServicer,
    add_OrderEntryServiceServicer_to_server,
)
from ordergate.v1.order_events_service_pb2_grpc import (
    OrderEventsServiceServicer,
    add_OrderEventsServiceServicer_to_server,
)
from ordergate.v1.order_query_service_pb2_grpc import (
    OrderQueryServiceServicer,
    add_OrderQueryServiceServicer_to_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOKEN = "good-token"
ACCOUNTS = ("alpha", "beta")
NOW = Timestamp(seconds=1_777_689_383, nanos=201_000_000)


@dataclass
class Log:
    """What the gateway holds: it survives a lost stream and a restart of the server."""

    commands: list[command_pb2.Command] = field(default_factory=list)
    orders: dict[tuple[str, str], order_pb2.Order] = field(default_factory=dict)
    events: list[tuple[str, event_pb2.OrderEvent]] = field(default_factory=list)
    seqs: dict[str, int] = field(default_factory=dict)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def append(self, command: command_pb2.Command) -> command_pb2.Ack:
        account, key = command.account, (command.account, command.command_id)
        ack = command_pb2.Ack(command_id=command.command_id, account=account, received_at=NOW)
        if account not in ACCOUNTS:
            ack.failure.CopyFrom(InvalidField("account", "the token holds several").failure())
            return ack
        if key not in {(c.account, c.command_id) for c in self.commands[-500:]}:
            self.commands.append(command)
            self._apply(command)
        ack.level, ack.position = command_pb2.ACK_LEVEL_QUEUED, f"0:{len(self.commands)}-0:0"
        ack.queued_at.CopyFrom(NOW)
        ack.order_id = order_id(account, _target(command))
        if command.ack_level >= command_pb2.ACK_LEVEL_ENGINE:
            ack.order.CopyFrom(self.orders[account, _target(command)])
        return ack

    def _apply(self, command: command_pb2.Command) -> None:
        account, target = command.account, _target(command)
        if command.WhichOneof("body") == "new_order":
            terms = command.new_order
            order = order_pb2.Order(
                order_id=order_id(account, target),
                client_order_id=target,
                account=account,
                symbol=terms.symbol,
                side=terms.side,
                order_type=terms.order_type,
                time_in_force=terms.time_in_force,
                quantity=terms.quantity,
                limit_price=terms.limit_price,
                status=order_pb2.ORDER_STATUS_OPEN,
                executed_quantity="0",
                leaves_quantity=terms.quantity,
                version=1,
                created_at=NOW,
                queued_at=NOW,
                updated_at=NOW,
            )
            self.orders[account, target] = order
            self._tell(account, event_pb2.EVENT_KIND_ACCEPTED, command.command_id, order)
        else:
            order = self.orders[account, target]
            order.status, order.leaves_quantity = order_pb2.ORDER_STATUS_CANCELED, "0"
            self._tell(account, event_pb2.EVENT_KIND_CANCELED, command.command_id, order)

    def _tell(self, account: str, kind: Any, command_id: str, order: order_pb2.Order) -> None:
        seq = self.seqs[account] = self.seqs.get(account, 0) + 1
        order.last_event_seq = seq
        event = event_pb2.OrderEvent(
            seq=seq,
            kind=kind,
            command_id=command_id,
            order=order,
            engine_at=NOW,
            cursor=f"0:{len(self.events) + 1}-0:0",
        )
        self.events.append((account, event))
        self.grown.set()


def order_id(account: str, client_order_id: str) -> str:
    digest = hashlib.blake2b(f"{account}\0{client_order_id}".encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest))


def _target(command: command_pb2.Command) -> str:
    if command.WhichOneof("body") == "new_order":
        return command.command_id
    return command.cancel_order.order.client_order_id


class _Entry(OrderEntryServiceServicer):
    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def Session(self, request_iterator: Any, context: Any) -> None:
        gateway = self._gateway
        await gateway.enter(context)
        write = _one_at_a_time(context)
        first = await context.read()
        gateway.hellos.append(first.hello)
        if gateway.silent:
            await asyncio.Event().wait()
        welcome = order_entry_service_pb2.Welcome(
            server_version="fake",
            accounts=ACCOUNTS,
            max_commands_per_message=gateway.commands_max,
            max_message_bytes=1 << 20,
            cursors=[f"0:{len(gateway.log.events)}-0:0"],
            shards=1,
            durable=True,
        )
        start = _start(gateway.log, first.hello.start)
        welcome.heartbeat_interval.FromMilliseconds(first.hello.heartbeat_interval.ToMilliseconds() or 10_000)
        await write(order_entry_service_pb2.SessionResponse(welcome=welcome))
        sender = asyncio.create_task(self._events(write, start)) if not first.hello.acks_only else None
        try:
            await self._answer(context, write)
            while sender and gateway.told < len(gateway.log.events):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        finally:
            if sender:
                sender.cancel()

    async def _answer(self, context: Any, write: Any) -> None:
        gateway = self._gateway
        answers: list[asyncio.Task[None]] = []
        while (request := await context.read()) is not grpc.aio.EOF:
            gateway.frames.append(len(request.commands))
            if gateway.lose_before_store():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "lost before the frame was stored")
            acks = [gateway.log.append(command) for command in request.commands]
            if gateway.lose_after_store():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "lost after the frame was stored")
            answers.append(asyncio.create_task(self._acknowledge(write, acks)))
        await asyncio.gather(*answers)

    async def _acknowledge(self, write: Any, acks: list[command_pb2.Ack]) -> None:
        gateway = self._gateway
        await gateway.acks_allowed.wait()
        await write(order_entry_service_pb2.SessionResponse(acks=acks))
        if gateway.go_away_after and len(gateway.log.commands) >= gateway.go_away_after:
            gateway.go_away_after = 0
            leave = event_pb2.GoAway(failure=failure_pb2.Failure(reason=gateway.go_away_reason, text="going"))
            await write(order_entry_service_pb2.SessionResponse(go_away=leave))

    async def _events(self, write: Any, start: int) -> None:
        async for events in _tail(self._gateway, ACCOUNTS, start):
            await write(order_entry_service_pb2.SessionResponse(events=events))
            self._gateway.told = len(self._gateway.log.events)

    async def Submit(self, request: Any, context: Any) -> order_entry_service_pb2.SubmitResponse:
        await self._gateway.enter(context)
        ack = self._gateway.log.append(request.command)
        if ack.HasField("failure"):
            await abort(context, InvalidField(ack.failure.field, ack.failure.text))
        if self._gateway.lose_after_store():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost after the command was stored")
        return order_entry_service_pb2.SubmitResponse(ack=ack)

    async def SubmitBatch(self, request: Any, context: Any) -> order_entry_service_pb2.SubmitBatchResponse:
        await self._gateway.enter(context)
        acks = [self._gateway.log.append(command) for command in request.commands]
        for ack, refusal in zip(acks, self._gateway.ack_failures, strict=False):
            ack.level = command_pb2.ACK_LEVEL_UNSPECIFIED
            ack.failure.CopyFrom(refusal.failure())
        return order_entry_service_pb2.SubmitBatchResponse(acks=acks)

    async def Check(self, request: Any, context: Any) -> order_entry_service_pb2.CheckResponse:
        await self._gateway.enter(context)
        if not request.command.new_order.symbol:
            await abort(context, InvalidField("new_order.symbol", "symbol is needed"))
        ack = command_pb2.Ack(command_id=request.command.command_id, account=request.command.account)
        return order_entry_service_pb2.CheckResponse(ack=ack)


class _Events(OrderEventsServiceServicer):
    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def Follow(self, request: Any, context: Any) -> None:
        gateway = self._gateway
        await gateway.enter(context)
        start = _start(gateway.log, request.start)
        opened = order_events_service_pb2.Opened(accounts=ACCOUNTS, cursors=[f"0:{start}-0:0"])
        await context.write(order_events_service_pb2.FollowResponse(opened=opened))
        async for events in _tail(gateway, tuple(request.accounts) or ACCOUNTS, start):
            await context.write(order_events_service_pb2.FollowResponse(events=events))
            if gateway.lose_after_events():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "lost after events")


class _Query(OrderQueryServiceServicer):
    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def GetOrder(self, request: Any, context: Any) -> order_query_service_pb2.GetOrderResponse:
        await self._gateway.enter(context)
        for order in self._gateway.log.orders.values():
            if request.order.order_id == order.order_id or request.order.client_order_id == order.client_order_id:
                return order_query_service_pb2.GetOrderResponse(order=order)
        return await abort(context, NotFound("no such order"))


class FakeGateway:
    """The server, on a free port of the loopback interface. Knobs are plain attributes."""

    def __init__(self) -> None:
        self.log = Log()
        self.frames: list[int] = []
        self.hellos: list[order_entry_service_pb2.Hello] = []
        self.commands_max = 100
        self.acks_allowed = asyncio.Event()
        self.acks_allowed.set()
        self.silent = False
        self.told = 0
        self.refusals: list[OrdergateError | grpc.StatusCode] = []
        self.ack_failures: list[OrdergateError] = []
        """What acks of a batch say, one for each command."""
        self.go_away_after = 0
        self.go_away_reason = failure_pb2.REASON_DRAINING
        never: Callable[[], bool] = lambda: False  # noqa: E731
        self.lose_before_store = self.lose_after_store = self.lose_after_events = never
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def enter(self, context: Any) -> None:
        if ("authorization", f"Bearer {TOKEN}") not in context.invocation_metadata():
            await abort(context, Unauthenticated("the token is not valid here"))
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, OrdergateError):
                await abort(context, refusal)
            await context.abort(refusal, "refused by a proxy")

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_OrderEntryServiceServicer_to_server(_Entry(self), self._server)
        add_OrderEventsServiceServicer_to_server(_Events(self), self._server)
        add_OrderQueryServiceServicer_to_server(_Query(self), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None


def once() -> Callable[[], bool]:
    """True on the first call only."""
    answers = iter([True])
    return lambda: next(answers, False)


def on_call(*numbers: int) -> Callable[[], bool]:
    """True on these calls, counted from 1."""
    calls = iter(range(1, 1_000_000))
    return lambda: next(calls) in numbers


def _start(log: Log, start: event_pb2.StreamStart) -> int:
    match start.WhichOneof("start"):
        case "after":
            return int(start.after.cursors[0].split(":")[1].split("-")[0])
        case "beginning":
            return 0
    return len(log.events)


def _one_at_a_time(context: Any) -> Any:
    """grpc.aio takes one write at a time; here two tasks write."""
    lock = asyncio.Lock()

    async def write(message: Any) -> None:
        async with lock:
            await context.write(message)

    return write


async def _tail(gateway: FakeGateway, accounts: Sequence[str], start: int) -> Any:
    while True:
        events = [event for account, event in gateway.log.events[start:] if account in accounts]
        start = len(gateway.log.events)
        if events:
            yield events
        gateway.log.grown.clear()
        if len(gateway.log.events) == start:
            await gateway.log.grown.wait()
