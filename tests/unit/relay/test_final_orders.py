"""Which orders of an event frame go to the status cache."""

from __future__ import annotations

import pytest

from gateway.relay_publisher import final_orders
from ordergate.log.v1 import event_frame_pb2 as log_pb
from ordergate.v1 import event_pb2 as pb
from ordergate.v1 import order_entry_service_pb2 as entry_pb
from ordergate.v1 import order_pb2 as order_pb

FINAL = [order_pb.ORDER_STATUS_FILLED, order_pb.ORDER_STATUS_CANCELED, order_pb.ORDER_STATUS_EXPIRED]
FINAL += [order_pb.ORDER_STATUS_REJECTED]


def event(kind: int, order_id: str, status: int, seq: int = 1) -> pb.OrderEvent:
    return pb.OrderEvent(kind=kind, seq=seq, order=order_pb.Order(order_id=order_id, status=status, last_event_seq=seq))


def frame(*accounts: list[pb.OrderEvent]) -> bytes:
    made = log_pb.EventFrame(statuses=bytes(e.order.status for events in accounts for e in events))
    for index, events in enumerate(accounts):
        blob = entry_pb.SessionResponse(events=events).SerializeToString()
        made.account_events.add(account_index=index, count=len(events), events=blob)
    return made.SerializeToString()


@pytest.mark.parametrize("status", order_pb.OrderStatus.values())
def test_exactly_the_final_states_are_cached(status):
    found = final_orders(frame([event(pb.EVENT_KIND_FILL, "a", status)]))
    assert list(found) == (["a"] if status in FINAL else [])


def test_an_order_is_cached_as_its_last_event_shows_it():
    found = final_orders(
        frame(
            [
                event(pb.EVENT_KIND_ACCEPTED, "a", order_pb.ORDER_STATUS_OPEN, 1),
                event(pb.EVENT_KIND_CANCELED, "a", order_pb.ORDER_STATUS_CANCELED, 2),
                event(pb.EVENT_KIND_CANCEL_REJECTED, "a", order_pb.ORDER_STATUS_CANCELED, 3),
            ]
        )
    )
    assert order_pb.Order.FromString(found["a"]).last_event_seq == 3


def test_orders_of_all_accounts_are_found():
    filled = order_pb.ORDER_STATUS_FILLED
    found = final_orders(frame([event(pb.EVENT_KIND_FILL, "a", filled)], [event(pb.EVENT_KIND_FILL, "b", filled)]))
    assert set(found) == {"a", "b"}


def test_a_refused_command_says_nothing_about_the_order_that_it_names():
    open_one = event(pb.EVENT_KIND_COMMAND_REJECTED, "a", order_pb.ORDER_STATUS_OPEN)
    unknown = event(pb.EVENT_KIND_CANCEL_REJECTED, "", order_pb.ORDER_STATUS_REJECTED)
    assert final_orders(frame([open_one, unknown])) == {}
