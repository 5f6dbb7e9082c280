"""OrderQueryService: asking for orders and fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog
from redis.exceptions import RedisError

from gateway import fields
from gateway.database import DatabaseUnavailable
from gateway.errors import Internal, InvalidField, NotFound, Unavailable
from gateway.fills import FillFilter, fills_backwards
from gateway.frames import FrameError
from gateway.ids import is_client_id, order_key, text_key
from gateway.orders import OPEN, OrderFilter, OrderPages
from gateway.pages import END, SIZE_MAX, Position, collect, get_token, page_size, put_token
from ordergate.v1 import order_pb2
from ordergate.v1 import order_query_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from gateway.auth import Principal
    from gateway.lookup import OrderLookup
    from gateway.worker import Worker

log = structlog.get_logger(__name__)

Item = TypeVar("Item")

_STATUSES = frozenset(order_pb2.OrderStatus.values()) - {order_pb2.ORDER_STATUS_UNSPECIFIED}
_SIDES = frozenset(order_pb2.Side.values())


class OrderQueries:
    """GetOrder, ListOrders and ListFills."""

    def __init__(self, worker: Worker, lookup: OrderLookup) -> None:
        self._worker = worker
        self._lookup = lookup

    async def get_order(self, request: pb.GetOrderRequest, principal: Principal) -> pb.GetOrderResponse:
        """One order, by our id or by the client's.

        Raises:
            InvalidField: account or order is missing or malformed.
            PermissionDenied: the token does not cover the account, or lacks the scope.
            NotFound: the account has no such order.
            Unavailable: neither the queue nor the database can answer for sure.
        """
        account = principal.account_or_sole(request.account, "trade", "read")
        found = await self._lookup.get(account, _key(account, request.order))
        if found is None:
            # The same words for an order that is another's: nothing is told about it.
            raise NotFound("the account has no such order", field="order")
        return pb.GetOrderResponse(order=found.order, source=found.source)

    async def list_orders(self, request: pb.ListOrdersRequest, principal: Principal) -> pb.ListOrdersResponse:
        """Orders of an account, newest first.

        Raises:
            InvalidField: a field is missing or malformed.
            PermissionDenied: the token does not cover the account, or lacks the scope.
            Unavailable: queue or database can't be asked.
        """
        account = principal.account_or_sole(request.account, "trade", "read")
        statuses = _among(request.statuses, _STATUSES, "statuses", "a status must be one of OrderStatus")
        (side,) = _among([request.side], _SIDES, "side", "side must be BUY, SELL or UNSPECIFIED (both)")
        since_ns = _since(request.since, given=request.HasField("since"))
        wanted = OrderFilter(account, frozenset(statuses), self._symbol(request.symbol), side, since_ns)
        size, before = page_size(request.page_size), get_token(request, account, request.page_token)
        orders, after = await self._collect(self._orders(wanted, before), size)
        token = put_token(request, account, after) if after is not None else ""
        return pb.ListOrdersResponse(orders=orders, next_page_token=token)

    async def list_fills(self, request: pb.ListFillsRequest, principal: Principal) -> pb.ListFillsResponse:
        """Fills of an account, newest first.

        Raises:
            InvalidField: a field is missing or malformed.
            PermissionDenied: the token does not cover the account, or lacks the scope.
            NotFound: the account has no such order.
            Unavailable: queue or database can't be asked.
        """
        account = principal.account_or_sole(request.account, "trade", "read")
        (side,) = _among([request.side], _SIDES, "side", "side must be BUY, SELL or UNSPECIFIED (both)")
        wanted = FillFilter(
            account,
            symbol=self._symbol(request.symbol),
            side=side,
            since_ns=_since(request.since, given=request.HasField("since")),
        )
        size, before = page_size(request.page_size), get_token(request, account, request.page_token)
        worker = self._worker
        shards = list(range(len(worker.hubs)))
        if request.HasField("order"):
            found = await self._lookup.get(account, _key(account, request.order))
            if found is None:
                raise NotFound("the account has no such order", field="order")
            order = found.order
            wanted = wanted._replace(order_id=order.order_id, last_seq=order.last_event_seq)
            shards = [worker.instruments.by_symbol[order.symbol].shard]
        sources = [
            fills_backwards(worker.redis, worker.hubs[s].keys, worker.histories[s], wanted, before) for s in shards
        ]
        fills, after = await self._collect(sources, size)
        token = put_token(request, account, after) if after is not None else ""
        return pb.ListFillsResponse(fills=fills, next_page_token=token)

    async def open_orders(self, accounts: Iterable[str]) -> list[order_pb2.Order]:
        """All open orders of accounts, the newest of each account first.

        Raises:
            Unavailable: queue or database can't be asked.
        """
        orders: list[order_pb2.Order] = []
        for account in sorted(accounts):
            before: Position | None = END
            while before is not None:
                page, before = await self._collect(self._orders(OrderFilter(account, OPEN), before), SIZE_MAX)
                orders += page
        return orders

    def _orders(
        self, wanted: OrderFilter, before: Position
    ) -> list[AsyncGenerator[tuple[Position, order_pb2.Order | None], None]]:
        worker = self._worker
        return [
            OrderPages(tail, worker.redis, worker.database, history, worker.instruments, wanted).backwards(before)
            for tail, history in zip(self._lookup.tails, worker.histories, strict=True)
        ]

    @staticmethod
    async def _collect(
        sources: Sequence[AsyncGenerator[tuple[Position, Item | None], None]], size: int
    ) -> tuple[list[Item], Position | None]:
        try:
            return await collect(sources, size)
        except (RedisError, OSError) as error:
            raise Unavailable(f"the queue can't be read now: {type(error).__name__}") from error
        except DatabaseUnavailable as error:
            log.warning("Postgres can't be asked for a list", error=str(error))
            raise Unavailable("the database can't be asked now") from error
        except FrameError as error:
            log.exception("log can't be read")
            raise Internal("the log can't be read") from error

    def _symbol(self, symbol: str) -> str:
        if symbol and symbol not in self._worker.instruments.by_symbol:
            raise fields.symbol_error("symbol", symbol)
        return symbol


def _among(values: Iterable[int], known: frozenset[int], field: str, text: str) -> list[int]:
    found = list(values)
    if not known.issuperset(found):
        raise InvalidField(field, text)
    return found


def _since(since: Timestamp, *, given: bool) -> int:
    return fields.nanoseconds("since", since) if given else 0


def _key(account: str, order: order_pb2.OrderKey) -> bytes:
    choice = order.WhichOneof("key")
    if choice == "client_order_id":
        if not is_client_id(order.client_order_id):
            raise InvalidField("order.client_order_id", "client_order_id must be 1 to 64 printable ASCII characters")
        return order_key(account, order.client_order_id)
    if choice == "order_id":
        key = text_key(order.order_id)
        if key is None:
            raise InvalidField("order.order_id", "order_id must be a UUID as in an Ack")
        return key
    raise InvalidField("order", "order is needed: order_id or client_order_id")
