"""Frames of the log as gateway and engine make them, for tests of those who read them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from gateway.frames import timestamp
from gateway.ids import key_text, order_key
from gateway.streams import Cursor, LogId
from ordergate.log.v1 import command_frame_pb2, event_frame_pb2
from ordergate.v1 import event_pb2, failure_pb2, order_events_service_pb2, order_pb2

ACCEPTED = event_pb2.EVENT_KIND_ACCEPTED
FILL = event_pb2.EVENT_KIND_FILL
CANCELED = event_pb2.EVENT_KIND_CANCELED
CANCEL_REJECTED = event_pb2.EVENT_KIND_CANCEL_REJECTED
DUPLICATE = event_pb2.EVENT_KIND_DUPLICATE
EXPIRED = event_pb2.EVENT_KIND_EXPIRED
TRIGGERED = event_pb2.EVENT_KIND_TRIGGERED
AMENDED = event_pb2.EVENT_KIND_AMENDED
MASS_CANCEL_DONE = event_pb2.EVENT_KIND_MASS_CANCEL_DONE
TRADING_STATE = event_pb2.EVENT_KIND_TRADING_STATE
LIMITS = event_pb2.EVENT_KIND_LIMITS
OPEN = order_pb2.ORDER_STATUS_OPEN
NOW_NS = 1_800_000_000_123_456_000


@dataclass
class Told:
    """One event to be in a frame."""

    account: str
    order: str
    """client_order_id; "" if the event has no order."""
    kind: int = ACCEPTED
    command: int = 0
    status: int = OPEN
    reason: int = 0
    executed: int = 0
    padding: str = ""
    """Makes the event larger."""
    answers: bool | None = None
    """Whether it answers its command; None in all rows: a frame from before there was that column."""
    details: event_pb2.OrderEvent | None = None
    """What else the event tells."""


@dataclass
class EventLog:
    """Builds event frames of one shard, with the accounts' sequences as the engine counts them."""

    shard: int = 0
    seqs: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def order(self, told: Told, seq: int) -> order_pb2.Order:
        at = timestamp(NOW_NS)
        return order_pb2.Order(
            order_id=key_text(order_key(told.account, told.order)),
            client_order_id=told.order,
            account=told.account,
            symbol="BTC-USD",
            side=1,
            order_type=1,
            time_in_force=1,
            quantity="1.00000000",
            limit_price="100.00",
            status=told.status,
            executed_quantity=f"0.{told.executed:08d}",
            leaves_quantity=f"0.{100_000_000 - told.executed:08d}" if told.executed else "1.00000000",
            average_price="100.0000000000" if told.executed else "",
            version=1,
            created_at=at,
            queued_at=at,
            updated_at=at,
            last_event_seq=seq,
            self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_NONE,
        )

    def event(self, told: Told, frame_id: LogId, index: int) -> event_pb2.OrderEvent:
        self.seqs[told.account] += 1
        seq = self.seqs[told.account]
        event = event_pb2.OrderEvent(
            seq=seq,
            kind=told.kind,
            command_id=told.order + told.padding,
            engine_at=timestamp(NOW_NS),
            cursor=str(Cursor(self.shard, frame_id, index)),
            shard=self.shard,
        )
        if told.details is not None:
            event.MergeFrom(told.details)
        if told.order:
            event.order.CopyFrom(self.order(told, seq))
        if told.reason:
            event.failure.CopyFrom(failure_pb2.Failure(reason=told.reason, text="refused"))
        return event

    def frame(self, frame_id: LogId, rows: list[Told]) -> event_frame_pb2.EventFrame:
        frame = event_frame_pb2.EventFrame(
            format=1, engine_time_ns=NOW_NS, command_count=1 + max((r.command for r in rows), default=0)
        )
        parts: dict[str, event_frame_pb2.AccountEvents] = {}
        blobs: dict[str, list[bytes]] = defaultdict(list)
        for index, told in enumerate(rows):
            event = self.event(told, frame_id, index)
            part = parts.get(told.account)
            if part is None:
                part = parts[told.account] = event_frame_pb2.AccountEvents(
                    account_index=len(frame.accounts), first_seq=event.seq
                )
                frame.accounts.append(told.account)
            part.count += 1
            blobs[told.account].append(order_events_service_pb2.FollowResponse(events=[event]).SerializeToString())
            frame.command_index.append(told.command)
            frame.account_index.append(part.account_index)
            frame.seqs.append(event.seq)
            frame.order_ids += order_key(told.account, told.order) if told.order else bytes(16)
            frame.kinds += bytes([told.kind])
            frame.statuses += bytes([told.status if told.order else 0])
            frame.reasons += bytes([told.reason])
            frame.causes += b"\0"
            frame.executed_lots.append(told.executed)
            frame.leaves_lots.append(100_000_000 - told.executed)
            frame.versions.append(1)
            frame.executed_notionals.append("")
        if any(told.answers is not None for told in rows):
            frame.answers = bytes(bool(told.answers) for told in rows)
        for account, part in parts.items():
            part.events = b"".join(blobs[account])
            frame.account_events.append(part)
        return frame


def command_frame(*orders: tuple[str, str], **changes: Any) -> command_frame_pb2.CommandFrame:
    """A frame of LIMIT orders, each (account, client_order_id)."""
    accounts = sorted({account for account, _ in orders})
    n = len(orders)
    frame = command_frame_pb2.CommandFrame(
        format=1,
        queued_at_ns=NOW_NS,
        origin="test",
        accounts=accounts,
        symbols=["BTC-USD"],
        kinds=b"\1" * n,
        keys=b"".join(order_key(*order) for order in orders),
        command_ids=[command_id for _, command_id in orders],
        account_index=[accounts.index(account) for account, _ in orders],
        age_us=[7] * n,
        symbol_index=[0] * n,
        sides=b"\1" * n,
        order_types=b"\1" * n,
        times_in_force=b"\1" * n,
        flags=bytes(n),
        limit_price_ticks=[10_000] * n,
        quantity_lots=[100_000_000] * n,
    )
    frame.MergeFrom(command_frame_pb2.CommandFrame(**changes))
    return frame


def opened(blob: bytes) -> list[event_pb2.OrderEvent]:
    """Events in bytes that go onto the wire."""
    return list(order_events_service_pb2.FollowResponse.FromString(blob).events)
