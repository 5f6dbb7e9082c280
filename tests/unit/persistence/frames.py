"""Frames of the log as gateway and engine write them, built field by field; and a synthetic flow of any length."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ordergate.log.v1.command_frame_pb2 import CommandFrame
from ordergate.log.v1.event_frame_pb2 import EventFrame
from persistence.streams import Entry, LogId

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW, CANCEL = 1, 2
ACCEPTED, REJECTED, FILL, CANCELED, CANCEL_REJECTED, DUPLICATE, COMMAND_REJECTED = 1, 2, 3, 4, 5, 13, 14
OPEN, PARTIAL, FILLED, CANCELED_STATUS = 2, 3, 4, 5
T0_NS = 1_700_000_000_123_456_000


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
    ) -> bytes:
        key = self._command(NEW, account, command_id, age_us)
        frame = self.frame
        frame.symbol_index.append(_place(frame.symbols, symbol))
        frame.sides += bytes([side])
        frame.order_types += bytes([order_type])
        frame.times_in_force += bytes([tif])
        frame.flags += bytes([flags])
        frame.limit_price_ticks.append(price)
        frame.quantity_lots.append(quantity)
        return key

    def cancel(self, account: str, command_id: str, target: bytes) -> bytes:
        self.frame.targets += target
        return self._command(CANCEL, account, command_id, 0)

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
    ) -> int:
        frame = self.frame
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
        ms = T0_NS // 1_000_000 + number
        yield commands.entry(ms), events.entry(ms)


def _place(values, value: str) -> int:
    if value not in values:
        values.append(value)
    return list(values).index(value)
