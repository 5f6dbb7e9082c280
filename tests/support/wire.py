"""Calls by hand, as a client makes them that is not ours: own messages, own bytes, own reading of errors."""

from __future__ import annotations

import contextlib
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from ordergate.v1 import command_pb2, failure_pb2, order_pb2
from ordergate.v1 import order_entry_service_pb2 as entry
from ordergate.v1 import order_query_service_pb2 as query
from ordergate.v1.order_entry_service_pb2_grpc import OrderEntryServiceStub
from ordergate.v1.order_events_service_pb2_grpc import OrderEventsServiceStub
from ordergate.v1.order_query_service_pb2_grpc import OrderQueryServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CALL_TIMEOUT_S = 30.0
"""A call that takes longer hangs; the machine may be busy, so this is long."""

_numbers = itertools.count()
_names = (f"{os.getpid()}-{number}" for number in itertools.count())


@dataclass(frozen=True)
class Refusal:
    """What a refusal told, whether as a status or as a message."""

    reason: str
    field: str
    disposition: str
    retry_s: float | None = None
    code: str = ""
    text: str = ""


def new_account() -> str:
    """An account that no other test uses."""
    return f"acc-{next(_names)}"


def new_id() -> str:
    """A command_id that no other test uses."""
    return f"cmd-{next(_names)}"


def limit_order(**terms: Any) -> command_pb2.Command:
    """A LIMIT GTC order to buy 1 ACME at 10.00, less what `terms` (of Command or NewOrder) change."""
    of_command = {k: terms.pop(k) for k in list(terms) if k in {f.name for f in command_pb2.Command.DESCRIPTOR.fields}}
    order = {
        "symbol": "ACME",
        "side": order_pb2.SIDE_BUY,
        "order_type": order_pb2.ORDER_TYPE_LIMIT,
        "time_in_force": order_pb2.TIME_IN_FORCE_GTC,
        "quantity": "1",
        "limit_price": "10.00",
    }
    return command_pb2.Command(
        **{"command_id": new_id(), "new_order": command_pb2.NewOrder(**order | terms), **of_command}
    )


def cancel_order(order_id: str = "", client_order_id: str = "", **of_command: Any) -> command_pb2.Command:
    """A cancel of an order by one of its ids."""
    key = {"order_id": order_id} if order_id else {"client_order_id": client_order_id}
    cancel = command_pb2.CancelOrder(order=order_pb2.OrderKey(**key))
    return command_pb2.Command(**{"command_id": new_id(), "cancel_order": cancel, **of_command})


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Metadata of a call with this token; none if it is empty."""
    return (("authorization", f"Bearer {token}"),) if token else ()


class Wire:
    """One channel and one token."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self.channel = channel
        self.metadata = bearer(token)

    async def submit(self, command: command_pb2.Command) -> command_pb2.Ack:
        stub = OrderEntryServiceStub(self.channel)
        request = entry.SubmitRequest(command=command)
        return (await stub.Submit(request, metadata=self.metadata, timeout=CALL_TIMEOUT_S)).ack

    async def check(self, command: command_pb2.Command) -> command_pb2.Ack:
        stub = OrderEntryServiceStub(self.channel)
        request = entry.CheckRequest(command=command)
        return (await stub.Check(request, metadata=self.metadata, timeout=CALL_TIMEOUT_S)).ack

    async def submit_batch(self, *commands: command_pb2.Command) -> list[command_pb2.Ack]:
        stub = OrderEntryServiceStub(self.channel)
        request = entry.SubmitBatchRequest(commands=commands)
        return list((await stub.SubmitBatch(request, metadata=self.metadata, timeout=CALL_TIMEOUT_S)).acks)

    async def resolve(self, command_id: str, **request: Any) -> command_pb2.Ack:
        stub = OrderEntryServiceStub(self.channel)
        message = entry.ResolveRequest(command_id=command_id, **request)
        return (await stub.Resolve(message, metadata=self.metadata, timeout=CALL_TIMEOUT_S)).ack

    async def list_orders(self, **request: Any) -> query.ListOrdersResponse:
        stub = OrderQueryServiceStub(self.channel)
        message = query.ListOrdersRequest(**request)
        return await stub.ListOrders(message, metadata=self.metadata, timeout=CALL_TIMEOUT_S)

    async def list_fills(self, **request: Any) -> query.ListFillsResponse:
        stub = OrderQueryServiceStub(self.channel)
        message = query.ListFillsRequest(**request)
        return await stub.ListFills(message, metadata=self.metadata, timeout=CALL_TIMEOUT_S)

    async def get_order(
        self, *, order_id: str = "", client_order_id: str = "", account: str = ""
    ) -> query.GetOrderResponse:
        key = order_pb2.OrderKey(order_id=order_id) if order_id else order_pb2.OrderKey(client_order_id=client_order_id)
        stub = OrderQueryServiceStub(self.channel)
        request = query.GetOrderRequest(account=account, order=key)
        return await stub.GetOrder(request, metadata=self.metadata, timeout=CALL_TIMEOUT_S)

    def follow(self, request: Any) -> Any:
        """An open Follow; read it with `async for`."""
        return OrderEventsServiceStub(self.channel).Follow(request, metadata=self.metadata)

    async def raw(self, method: str, message: bytes) -> bytes:
        """A unary call with bytes of one's own."""
        call = self.channel.unary_unary(method, request_serializer=None, response_deserializer=None)
        return await call(message, metadata=self.metadata, timeout=CALL_TIMEOUT_S)


@contextlib.asynccontextmanager
async def connect(address: str, token: str, *options: tuple[str, int | str]) -> AsyncIterator[Wire]:
    """A connection of its own, also if others lead to the same address."""
    own = ("grpc.use_local_subchannel_pool", 1), ("tests.connection", next(_numbers))
    async with grpc.aio.insecure_channel(address, options=[*own, *options]) as channel:
        yield Wire(channel, token)


def refusal_of(failure: failure_pb2.Failure) -> Refusal:
    """What an ack, an event or a GoAway refused."""
    return Refusal(
        failure_pb2.Reason.Name(failure.reason).removeprefix("REASON_"),
        failure.field,
        failure_pb2.Disposition.Name(failure.disposition).removeprefix("DISPOSITION_"),
        failure.retry_after.ToTimedelta().total_seconds() if failure.HasField("retry_after") else None,
        text=failure.text,
    )


def refusal_of_rpc(error: grpc.aio.AioRpcError) -> Refusal:
    """What a status refused. Its details must be ours, and agree with each other."""
    details = _details(error)
    info = details["ErrorInfo"]
    assert info.domain == "ordergate"
    field = info.metadata.get("field", "")
    violations = [v.field for v in details["BadRequest"].field_violations] if "BadRequest" in details else []
    assert violations == ([field] if field else [])
    retry_s = None
    if "RetryInfo" in details:
        retry_s = details["RetryInfo"].retry_delay.ToTimedelta().total_seconds()
    return Refusal(info.reason, field, info.metadata["disposition"], retry_s, error.code().name, error.details() or "")


def _details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            assert status.code == error.code().value[0]
            for packed in status.details:
                name = packed.TypeName().rpartition(".")[2]
                found[name] = getattr(error_details_pb2, name)()
                packed.Unpack(found[name])
    assert "ErrorInfo" in found, f"{error.code()} without ErrorInfo: {error.details()}"
    return found


async def refused(call: Any) -> Refusal:
    """Awaits a call that must be refused by our code."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of_rpc(error)
    raise AssertionError(f"not refused: {answer}")
