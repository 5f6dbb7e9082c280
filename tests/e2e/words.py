"""Short words for what orders and events tell."""

from __future__ import annotations

from ordergate.v1 import event_pb2, order_pb2


def status(order: order_pb2.Order) -> str:
    return order_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")


def kind(event: event_pb2.OrderEvent) -> str:
    return event_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_")


def cause(event: event_pb2.OrderEvent) -> str:
    return event_pb2.Cause.Name(event.cause).removeprefix("CAUSE_")
