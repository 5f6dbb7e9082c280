"""OrderQueryService: asking for orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import InvalidField, NotFound
from gateway.ids import is_client_id, order_key, text_key
from ordergate.v1 import order_pb2
from ordergate.v1 import order_query_service_pb2 as pb

if TYPE_CHECKING:
    from gateway.auth import Principal
    from gateway.lookup import OrderLookup


class OrderQueries:
    """GetOrder. ListOrders and ListFills are not built yet and answer UNIMPLEMENTED where RPCs are registered."""

    def __init__(self, lookup: OrderLookup) -> None:
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
