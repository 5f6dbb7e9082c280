"""The client: one channel to a gateway, unary calls, and the door to sessions and events."""

from __future__ import annotations

import asyncio
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, Self, Unpack

import grpc

from gateway.client.channel import Backoff, Token, metadata_of, open_channel
from gateway.client.commands import (
    AmendTerms,
    CancelTerms,
    MassCancelTerms,
    OrderTerms,
    amend_order,
    cancel_order,
    mass_cancel,
    new_order,
    order_key,
)
from gateway.client.cursors import CursorMap
from gateway.client.enums import Disposition
from gateway.client.errors import OrdergateError, OutcomeUnknown, Unavailable, doubt_ack, error_of_rpc, in_doubt
from gateway.client.follow import follow
from gateway.client.lists import FillQuery, OrderQuery, list_fills, list_orders
from gateway.client.resolution import Resolution, resolution_view
from gateway.client.session import Session, SessionOptions
from gateway.client.stream import open_call
from gateway.client.views import Ack, FillRecord, Order, OrderEvent, accepted, ack_view, order_view
from ordergate.v1.order_entry_service_pb2 import (
    CheckRequest,
    ResolveRequest,
    SubmitBatchRequest,
    SubmitBatchResponse,
    SubmitRequest,
)
from ordergate.v1.order_entry_service_pb2_grpc import OrderEntryServiceStub
from ordergate.v1.order_events_service_pb2_grpc import OrderEventsServiceStub
from ordergate.v1.order_query_service_pb2 import GetOrderRequest
from ordergate.v1.order_query_service_pb2_grpc import OrderQueryServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from datetime import datetime
    from types import TracebackType

    from ordergate.v1.command_pb2 import Command
    from ordergate.v1.order_events_service_pb2 import FollowRequest


class OrderClient:
    """A client of one gateway. Use it with `async with`; not thread-safe.

    A command is idempotent by its command_id, so every call is tried again, with the same id, while its outcome is
    unknown and its time lasts.

    Args:
        address: host:port, or unix:path.
        token: bearer token, or a function (plain or async) that gives the current one.
        tls: True for TLS with the system's roots, `grpc.ChannelCredentials` for others, False for plaintext.
        timeout_s: longest time of one unary call, retries included.
        name: name and version of your program, for the server's log; up to 64 characters.
        options: gRPC channel arguments that override the SDK's.
    """

    def __init__(
        self,
        address: str,
        *,
        token: Token | None = None,
        tls: bool | grpc.ChannelCredentials = False,
        timeout_s: float = 10.0,
        name: str = "",
        options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        self._address = address
        self._token = token
        self._tls = tls
        self._timeout_s = timeout_s
        self._name = name or f"ordergate-python/{_version()}"
        self._options = options
        self._open_channel: grpc.aio.Channel | None = None

    async def submit(self, **terms: Unpack[OrderTerms]) -> Ack:
        """Enters an order and waits for its ack. Arguments: see `new_order`.

        Raises:
            Rejected: it was refused; the error's class and `reason` tell why.
            OutcomeUnknown: it may or may not take effect; retry with the error's command_id, or `settle` it.
            AckTimeout: it is stored; only the ack level was not reached in time.
        """
        return await self.send(new_order(**terms))

    async def cancel(self, **terms: Unpack[CancelTerms]) -> Ack:
        """Cancels what is left of an order and waits for the ack. Arguments: see `cancel_order`; errors: `submit`."""
        return await self.send(cancel_order(**terms))

    async def amend(self, **terms: Unpack[AmendTerms]) -> Ack:
        """Changes an open order and waits for the ack. Arguments: see `amend_order`; errors: `submit`."""
        return await self.send(amend_order(**terms))

    async def mass_cancel(self, **terms: Unpack[MassCancelTerms]) -> Ack:
        """Cancels all open orders that match and waits for the ack, whose order_id is empty.

        The event MASS_CANCEL_DONE tells how many there were. Arguments: see `mass_cancel`; errors: `submit`.
        """
        return await self.send(mass_cancel(**terms))

    async def send(self, command: Command) -> Ack:
        """Sends one command and waits for its ack. Errors as `submit`."""
        stub = OrderEntryServiceStub(self._channel)
        response = await self._call(stub.Submit, SubmitRequest(command=command), command.command_id)
        return accepted(response.ack)

    async def submit_batch(self, commands: Iterable[Command]) -> list[Ack]:
        """Sends commands, taken in order, and returns one ack for each; a refused one has `failure` set.

        Args:
            commands: made with `new_order`, `cancel_order` and their like; as many as one message may carry (1000 by
                default).

        Raises:
            OrdergateError: the call as a whole failed.
        """
        stub = OrderEntryServiceStub(self._channel)
        request = SubmitBatchRequest(commands=commands)
        first = request.commands[0].command_id if request.commands else ""
        response = await self._call(stub.SubmitBatch, request, first)
        return [ack_view(ack) for ack in response.acks]

    async def check(self, **terms: Unpack[OrderTerms]) -> Ack:
        """Makes all of the gateway's checks of an order, without effect. Arguments: see `new_order`.

        Raises:
            Rejected: `submit` would be refused.
        """
        return await self.check_command(new_order(**terms))

    async def check_command(self, command: Command) -> Ack:
        """As `check`, for a command of any kind."""
        stub = OrderEntryServiceStub(self._channel)
        return accepted((await self._call(stub.Check, CheckRequest(command=command))).ack)

    async def resolve(
        self, command_id: str, *, account: str = "", fence: bool = False, sent_after: datetime | None = None
    ) -> Resolution:
        """What became of a command of any kind, by its id.

        Args:
            command_id: the command's id.
            account: whose it is; may be empty if the token holds exactly one.
            fence: make the id unusable if it was never seen, so that this, too, is final.
            sent_after: it was not sent before this time; saves a long search if it was never seen.

        Raises:
            OutcomeUnknown: no sure answer could be had in time; ask again, or use `settle`.
        """
        request = ResolveRequest(account=account, command_id=command_id, fence=fence)
        if sent_after is not None:
            request.sent_after.FromDatetime(sent_after)
        stub = OrderEntryServiceStub(self._channel)
        return resolution_view((await self._call(stub.Resolve, request, command_id)).ack)

    async def settle(
        self,
        command_id: str,
        *,
        account: str = "",
        sent_after: datetime | None = None,
        give_up_after_s: float = 60.0,
    ) -> Resolution:
        """Makes the outcome of a command final: what to call after `OutcomeUnknown`.

        Asks, with fence, until the engine has decided on the command or on the fence: afterwards it was applied, or
        refused, or never will be. To have it done rather than known, send it again instead, with the same command_id.

        Args:
            command_id: the command's id.
            account: whose it is; may be empty if the token holds exactly one.
            sent_after: see `resolve`.
            give_up_after_s: longest time to go on asking.

        Raises:
            OutcomeUnknown: it could not be settled in time; nothing is lost by another call.
        """
        deadline = time.monotonic() + give_up_after_s
        backoff = Backoff(give_up_after_s)
        while True:
            error: OrdergateError = OutcomeUnknown(
                "the command is stored, and the engine has not decided yet",
                disposition=Disposition.UNKNOWN,
                command_id=command_id,
            )
            try:
                resolution = await self.resolve(command_id, account=account, fence=True, sent_after=sent_after)
            except (OutcomeUnknown, Unavailable) as failure:
                error = failure
            else:
                if resolution.final:
                    return resolution
            delay_s = backoff.next_delay_s(error.retry_after or 0.0)
            if delay_s is None or time.monotonic() + delay_s >= deadline:
                raise error
            await asyncio.sleep(delay_s)

    async def get_order(self, *, order_id: str = "", client_order_id: str = "", account: str = "") -> Order:
        """One order, open or done, named by one of its two ids. An acknowledged order is always found.

        Raises:
            NotFound: there is no such order, or it is not the caller's.
            ValueError: none or both of the ids are given.
        """
        request = GetOrderRequest(account=account, order=order_key(order_id, client_order_id))
        stub = OrderQueryServiceStub(self._channel)
        return order_view((await self._call(stub.GetOrder, request)).order)

    def list_orders(self, **query: Unpack[OrderQuery]) -> AsyncIterator[Order]:
        """Orders of an account, newest first, as `async for`. Arguments: see `OrderQuery`.

        Raises:
            OrdergateError: the server refused, or can't be reached.
        """
        stub = OrderQueryServiceStub(self._channel)
        return list_orders(lambda request: self._call(stub.ListOrders, request), query)

    def list_fills(self, **query: Unpack[FillQuery]) -> AsyncIterator[FillRecord]:
        """Fills of an account, newest first, as `async for`. Arguments: see `FillQuery`.

        Raises:
            NotFound: there is no such order.
            OrdergateError: the server refused otherwise, or can't be reached.
        """
        stub = OrderQueryServiceStub(self._channel)
        return list_fills(lambda request: self._call(stub.ListFills, request), query)

    def events(
        self,
        accounts: Sequence[str] = (),
        *,
        after: str | Iterable[str] | None = None,
        beginning: bool = False,
        give_up_after_s: float = 60.0,
    ) -> AsyncIterator[OrderEvent]:
        """Events of accounts in order, through lost streams, without gap or repeat; never ends by itself.

        Args:
            accounts: accounts to follow; empty: all of the token.
            after: cursor of the last event handled (one per shard): events start right after it. None: live.
            beginning: start with the oldest event that is kept.
            give_up_after_s: longest time without a stream.

        Raises:
            CursorExpired: the events after the cursor are no longer kept.
            OrdergateError: the server refused, or can't be reached for `give_up_after_s`.
        """
        stub = OrderEventsServiceStub(self._channel)

        async def open_follow(request: FollowRequest) -> Any:
            return stub.Follow(request, metadata=await metadata_of(self._token))

        return follow(open_follow, accounts, CursorMap(after, beginning=beginning), give_up_after_s)

    def session(self, options: SessionOptions | None = None) -> Session:
        """The fast lane: commands up, acks and events down over one stream. Use the result with `async with`.

        Args:
            options: see `SessionOptions`.
        """
        channel = self._channel

        async def open_session() -> Any:
            return open_call(channel, await metadata_of(self._token))

        options = options or SessionOptions()
        return Session(open_session, options, self._name, self.settle, renewable=callable(self._token))

    async def close(self) -> None:
        """Closes the channel; calls under way end. Closing twice is allowed."""
        if self._open_channel is not None:
            channel, self._open_channel = self._open_channel, None
            await channel.close(None)

    async def __aenter__(self) -> Self:
        self._open_channel = open_channel(self._address, self._tls, self._options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def _channel(self) -> grpc.aio.Channel:
        if self._open_channel is None:
            raise RuntimeError("open the client first: `async with OrderClient(…) as client:`")
        return self._open_channel

    async def _call(self, method: Callable[..., Awaitable[Any]], request: Any, command_id: str = "") -> Any:
        """One unary call, tried again while that can help and the time lasts."""
        deadline = time.monotonic() + self._timeout_s
        backoff = Backoff(self._timeout_s)
        doubtful = False
        while True:
            left_s = max(deadline - time.monotonic(), 0.001)
            try:
                response = await method(request, timeout=left_s, metadata=await metadata_of(self._token))
            except grpc.aio.AioRpcError as failure:
                error = error_of_rpc(failure, command_id)
                if doubtful:
                    error = in_doubt(error)
                doubtful = isinstance(error, OutcomeUnknown) and bool(command_id)
                delay_s = backoff.next_delay_s(error.retry_after or 0.0) if _may_retry(error) else None
                if delay_s is None or time.monotonic() + delay_s >= deadline:
                    raise error from None
            else:
                for ack in response.acks if doubtful and isinstance(response, SubmitBatchResponse) else ():
                    doubt_ack(ack)
                return response
            await asyncio.sleep(delay_s)


def _may_retry(error: OrdergateError) -> bool:
    """Nothing is known, or the server asks to come again. A refusal, also by a full queue, is the caller's at once."""
    return isinstance(error, OutcomeUnknown | Unavailable)


def _version() -> str:
    try:
        return metadata.version("ordergate")
    except metadata.PackageNotFoundError:
        return "0"
