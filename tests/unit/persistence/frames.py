"""Frames of the log as gateway and engine write them, built field by field; and a synthetic flow of any length."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ordergate.log.v1.command_frame_pb2 import CommandFrame
from ordergate.log.v1.event_frame_pb2 import EventFrame, Terms
from ordergate.v1.event_pb2 import OrderEvent
from ordergate.v1.order_events_service_pb2 import FollowResponse
from ordergate.v1.order_pb2 import Order
from persistence.streams import Entry, LogId

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW, CANCEL, AMEND, MASS_CANCEL, SET_TRADING_STATE, SET_LIMITS, TICK, FENCE = range(1, 9)
ACCEPTED, REJECTED, FILL, CANCELED, CANCEL_REJECTED, DUPLICATE, COMMAND_REJECTED = 1, 2, 3, 4, 5, 13, 14
EXPIRED, AMENDED, AMEND_REJECTED, TRIGGERED, RESTATED = 6, 7, 8, 9, 10
MASS_CANCEL_DONE, TRADING_STATE, LIMITS, TICKED = 11, 12, 15, 16
OPEN, PARTIAL, FILLED, CANCELED_STATUS, EXPIRED_STATUS, UNTRIGGERED = 2, 3, 4, 5, 6, 8
T0_NS = 1_700_000_000_123_456_000


_TERMS = ("quantity_lots", "limit_price_ticks", "stop_price_ticks", "expire_at_ns")


def key_of(account: str, command_id: str) -> bytes:
    raw = bytearray(hashlib.blake2b(f"{account}\0{command_id}".encode(), digest_size=16).digest())
    raw[6], raw[8] = 0x80 | raw[6] & 0x0F, 0x80 | raw[8] & 0x3F
    return bytes(raw)


@dataclass
class Commands:
    """A command frame in the making."""

    queued_at_ns: int = T0_NS
    frame: CommandFrame = field(default_factory=lambda: CommandFrame(format=1, origin="worker"))

    def new(
        self,
        account: str,
        command_id: str,
        *,
        symbol: str = "ACME",
        side: int = 1,
        order_type: int = 1,
        tif: int = 1,
        flags: int = 0,
        price: int = 1000,
        quantity: int = 10,
        age_us: int = 50,
        **more: object,
    ) -> bytes:
        """A new order; `more` are fields of OrderTerms."""
        key = self._command(NEW, account, command_id, age_us)
        frame = self.frame
        frame.symbol_index.append(_place(frame.symbols, symbol))
        frame.sides += bytes([side])
        frame.order_types += bytes([order_type])
        frame.times_in_force += bytes([tif])
        frame.flags += bytes([flags])
        frame.limit_price_ticks.append(price)
        frame.quantity_lots.append(quantity)
        if more:
            frame.terms.add(order_index=len(frame.sides) - 1, **more)
        return key

    def cancel(self, account: str, command_id: str, target: bytes) -> bytes:
        self.frame.targets += target
        return self._command(CANCEL, account, command_id, 0)

    def amend(self, account: str, command_id: str, target: bytes, *, price: int = 0, quantity: int = 0) -> bytes:
        frame = self.frame
        frame.targets += target
        frame.amend_limit_price_ticks.append(price)
        frame.amend_quantity_lots.append(quantity)
        frame.amend_symbol.append(0)
        return self._command(AMEND, account, command_id, 0)

    def mass_cancel(self, owner: str, command_id: str, *, symbol: str = "", **criteria: object) -> None:
        self.frame.mass_cancels.add(symbol=self._one_up(symbol), **criteria)
        self._command(MASS_CANCEL, owner, command_id, 0)

    def trading_state(self, owner: str, command_id: str, state: int, *, symbol: str = "", **row: object) -> None:
        self.frame.trading_states.add(symbol=self._one_up(symbol), state=state, **row)
        self._command(SET_TRADING_STATE, owner, command_id, 0)

    def limits(self, account: str, command_id: str, **limits: object) -> None:
        self.frame.limits.add(account=account, **limits)
        self._command(SET_LIMITS, account, command_id, 0)

    def tick(self, command_id: str = "tick") -> None:
        self._command(TICK, "_ordergate", command_id, 0)

    def fence(self, account: str, command_id: str) -> None:
        self._command(FENCE, account, command_id, 0)

    def _one_up(self, symbol: str) -> int:
        return 1 + _place(self.frame.symbols, symbol) if symbol else 0

    def _command(self, kind: int, account: str, command_id: str, age_us: int) -> bytes:
        frame, key = self.frame, key_of(account, command_id)
        frame.kinds += bytes([kind])
        frame.keys += key
        frame.command_ids.append(command_id)
        frame.account_index.append(_place(frame.accounts, account))
        frame.age_us.append(age_us)
        return key

    def entry(self, ms: int, seq: int = 0) -> Entry:
        self.frame.queued_at_ns = self.queued_at_ns
        return Entry(LogId(ms, seq), self.frame.SerializeToString(), len(self.frame.kinds))


@dataclass
class Events:
    """An event frame in the making."""

    engine_time_ns: int = T0_NS + 1_000_000
    frame: EventFrame = field(default_factory=lambda: EventFrame(format=1))

    def add(
        self,
        kind: int,
        account: str,
        order_id: bytes,
        seq: int,
        *,
        command: int = 0,
        status: int = OPEN,
        reason: int = 0,
        cause: int = 0,
        executed: int = 0,
        leaves: int = 10,
        version: int = 1,
        notional: str = "",
        terms: tuple[int, int, int, int] | None = None,
    ) -> int:
        """An event; `terms` are quantity, limit price, trigger price and end after it."""
        frame = self.frame
        if terms is not None:
            frame.terms.append(Terms(event_index=len(frame.kinds), **dict(zip(_TERMS, terms, strict=True))))
        frame.kinds += bytes([kind])
        frame.command_index.append(command)
        frame.account_index.append(_place(frame.accounts, account))
        frame.seqs.append(seq)
        frame.order_ids += order_id
        frame.statuses += bytes([status])
        frame.reasons += bytes([reason])
        frame.causes += bytes([cause])
        frame.executed_lots.append(executed)
        frame.leaves_lots.append(leaves)
        frame.versions.append(version)
        frame.executed_notionals.append(notional)
        return len(frame.kinds) - 1

    def operation(self, kind: int, account: str, seq: int, *, command: int = 0, **told: object) -> None:
        """An event about no order, also as clients get it; `told` are fields of OrderEvent."""
        place = self.add(kind, account, bytes(16), seq, command=command, status=0, leaves=0, version=0)
        event = OrderEvent(seq=seq, kind=kind, **told)
        index = self.frame.account_index[place]
        part = next((p for p in self.frame.account_events if p.account_index == index), None)
        part = part or self.frame.account_events.add(account_index=index, first_seq=seq)
        part.count += 1
        part.events += FollowResponse(events=[event]).SerializeToString()

    def told(self) -> None:
        """Gives the accounts their events, as long as the engine's: of what stands in the columns so far."""
        frame = self.frame
        for place, (index, event_seq) in enumerate(zip(frame.account_index, frame.seqs, strict=True)):
            part = next((p for p in frame.account_events if p.account_index == index), None)
            part = part or frame.account_events.add(account_index=index, first_seq=event_seq)
            order = Order(
                order_id=str(uuid.UUID(bytes=frame.order_ids[16 * place : 16 * place + 16])),
                account=frame.accounts[index],
                client_order_id=f"order-{place}",
                symbol="ACME",
                quantity="10",
                limit_price="10.00",
                status=frame.statuses[place],
                version=frame.versions[place],
                executed_quantity=str(frame.executed_lots[place]),
                leaves_quantity=str(frame.leaves_lots[place]),
            )
            order.created_at.FromNanoseconds(self.engine_time_ns)
            order.queued_at.FromNanoseconds(self.engine_time_ns)
            order.updated_at.FromNanoseconds(self.engine_time_ns)
            event = OrderEvent(seq=event_seq, kind=frame.kinds[place], command_id=f"order-{place}", order=order)
            event.engine_at.FromNanoseconds(self.engine_time_ns)
            event.cause = frame.causes[place]
            if frame.kinds[place] == FILL:
                event.fill.quantity, event.fill.price = str(frame.executed_lots[place]), "10.00"
            part.count += 1
            part.events += FollowResponse(events=[event]).SerializeToString()

    def trade(
        self, number: int, maker: int, taker: int, *, symbol: str = "ACME", price: int = 1000, quantity: int = 10
    ) -> None:
        frame = self.frame
        frame.trade_numbers.append(number)
        frame.trade_symbol_index.append(_place(frame.symbols, symbol))
        frame.trade_price_ticks.append(price)
        frame.trade_quantity_lots.append(quantity)
        frame.trade_taker_sides += b"\2"
        frame.trade_maker_event.append(maker)
        frame.trade_taker_event.append(taker)

    def entry(self, ms: int, seq: int = 0) -> Entry:
        self.frame.engine_time_ns = self.engine_time_ns
        return Entry(LogId(ms, seq), self.frame.SerializeToString(), max(1, len(self.frame.kinds)))


def flow(frames: int, per_frame: int, *, run: str = "r", accounts: int = 8) -> Iterator[tuple[Entry, Entry]]:
    """Command and event frames: all orders are accepted, every third trades in full with the one before it.

    5 events for 3 orders, a trade for every 3.
    """
    seqs = dict.fromkeys(range(accounts), 0)
    trades = 0
    for number in range(frames):
        commands, events = Commands(T0_NS + number * 1_000_000), Events(T0_NS + number * 1_000_000 + 500_000)
        keys: list[tuple[int, bytes]] = []
        for place in range(per_frame):
            owner = (number + place) % accounts
            account = f"acct-{owner}"
            key = commands.new(account, f"{run}-{number}-{place}", side=1 + (place % 3 == 2))
            keys.append((owner, key))
            seqs[owner] += 1
            events.add(ACCEPTED, account, key, seqs[owner], command=place)
            if place % 3 == 2:
                trades += 1
                legs = []
                for leg_owner, leg_key in (keys[-2], keys[-1]):
                    seqs[leg_owner] += 1
                    leg = {"status": FILLED, "executed": 10, "leaves": 0, "version": 2, "notional": "10000"}
                    legs.append(events.add(FILL, f"acct-{leg_owner}", leg_key, seqs[leg_owner], command=place, **leg))
                events.trade(trades, *legs)
        events.told()
        ms = T0_NS // 1_000_000 + number
        yield commands.entry(ms), events.entry(ms)


def _place(values, value: str) -> int:
    if value not in values:
        values.append(value)
    return list(values).index(value)
