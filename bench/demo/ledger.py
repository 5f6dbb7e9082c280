"""What was sent, and what acks and events told of it: the demo's own books, to be compared with Postgres.

Commands are numbered from 0; a command's id is `<run>-<number>`, so that acks, events and rows lead back to it without
a table of ids. Per command the books take about 50 bytes.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from gateway.client import Disposition, EventKind, Liquidity, OrderStatus, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordergate.v1.command_pb2 import Ack
    from ordergate.v1.event_pb2 import OrderEvent
    from ordergate.v1.order_pb2 import Order

SENT, ACKED, REFUSED, UNKNOWN = range(4)
"""State of a command: no ack yet; durably queued; refused, without effect; outcome unknown."""

_ORDER, _CANCEL = 0, 1
_TOLD_MAX = 12
_REFUSING = frozenset(map(int, (EventKind.CANCEL_REJECTED, EventKind.AMEND_REJECTED, EventKind.COMMAND_REJECTED)))
_REJECTING = _REFUSING | {int(EventKind.REJECTED)}
_NO_CHANGE = _REFUSING | {int(EventKind.DUPLICATE)}
"""Events that tell of an order without changing it; Postgres keeps the sequence of the last that did."""
_FILL = int(EventKind.FILL)
_DUPLICATE = int(EventKind.DUPLICATE)
_TAKER = int(Liquidity.TAKER)
_REASONS = {reason.value: reason.name for reason in Reason}
_OPEN = frozenset({int(OrderStatus.OPEN), int(OrderStatus.PARTIALLY_FILLED)})


class Trade(NamedTuple):
    """One trade, both sides by their command's number."""

    maker: int
    taker: int
    price_ticks: int
    quantity_lots: int


class Faults:
    """What does not agree: all counted, the first few told."""

    def __init__(self) -> None:
        self.count = 0
        self.told: list[str] = []

    def add(self, text: str) -> None:
        """One more."""
        self.count += 1
        if self.count <= _TOLD_MAX:
            self.told.append(text)

    def extend(self, other: Faults) -> None:
        """Those of another."""
        self.count += other.count
        self.told += other.told


class Ledger:
    """The books of one run.

    Args:
        run: prefix of the run's command ids; of no other run.
        accounts: accounts that the run uses.
    """

    def __init__(self, run: str, accounts: Sequence[str]) -> None:
        self.run = run
        self.accounts = tuple(accounts)
        self._index_of = {account: index for index, account in enumerate(accounts)}
        self._prefix = f"{run}-"
        self._skip = len(self._prefix)
        self.owner = bytearray()
        """Index of the account, by command."""
        self.kind = bytearray()
        """0 for an order, 1 for a cancel or an amend, by command."""
        self.state = bytearray()
        """SENT, ACKED, REFUSED or UNKNOWN, by command."""
        self.told = bytearray()
        """1 once an event about the command has come."""
        self.status = bytearray()
        """Last status told of an order."""
        self.executed = array("q")
        """Last executed quantity told of an order, in lots."""
        self.leaves = array("q")
        """Last leaves quantity told of an order, in lots."""
        self.seq = array("q")
        """Sequence of the last event that changed an order."""
        self._sent_at = array("d")
        self.latencies_s = array("f")
        """Time to ack of each command that was acknowledged."""
        self.counts: Counter[int] = Counter()
        """Commands by state."""
        self.rejected: Counter[str] = Counter()
        """Refusals by reason: of the gateway (acks) and the engine (events)."""
        self.duplicates = 0
        """Commands that reached the engine twice, and took effect once."""
        self.events = 0
        self.awaited = 0
        """Acknowledged commands of which no event has told yet."""
        self.last_event_at = 0.0
        self.last_seq: dict[tuple[int, int], int] = {}
        """Last sequence by account's index and shard."""
        self.positions: dict[int, tuple[int, int]] = {}
        """By shard: the id in the log of the last frame whose events came."""
        self._makers: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._takers: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.faults = Faults()

    def __len__(self) -> int:
        """Commands sent."""
        return len(self.kind)

    def new(self, account: int, *, cancel: bool = False) -> str:
        """Id of the next command, which is about to be sent for the account with this index."""
        number = len(self.kind)
        self.owner.append(account)
        self.kind.append(_CANCEL if cancel else _ORDER)
        self.state.append(SENT)
        self.told.append(0)
        self.status.append(0)
        self.executed.append(0)
        self.leaves.append(0)
        self.seq.append(0)
        self._sent_at.append(time.perf_counter())
        return f"{self.run}-{number}"

    def id_of(self, number: int) -> str:
        """Id of a command."""
        return f"{self.run}-{number}"

    def number_of(self, command_id: str) -> int:
        """Number of a command of this run; -1 for any other."""
        if not command_id.startswith(self._prefix):
            return -1
        try:
            number = int(command_id[self._skip :])
        except ValueError:
            return -1
        return number if number < len(self.kind) else -1

    def orders(self) -> int:
        """Orders sent."""
        return self.kind.count(_ORDER)

    def is_order(self, number: int) -> bool:
        """True for an order, False for a cancel or an amend."""
        return self.kind[number] == _ORDER

    def open_orders(self) -> list[int]:
        """Numbers of the orders that rest."""
        return [number for number, status in enumerate(self.status) if status in _OPEN]

    def on_acks(self, acks: Sequence[Ack]) -> None:
        """Takes acks."""
        now = time.perf_counter()
        for ack in acks:
            number = self.number_of(ack.command_id)
            if number < 0 or self.state[number] != SENT:
                self.faults.add(f"an ack of a command that awaits none: {ack.command_id}")
                continue
            self.latencies_s.append(now - self._sent_at[number])
            state = ACKED if ack.level else _refused(ack, self.rejected)
            self.state[number] = state
            self.counts[state] += 1
            if state == ACKED and not self.told[number]:
                self.awaited += 1

    def on_events(self, events: Sequence[OrderEvent]) -> None:
        """Takes events, in their order."""
        self.last_event_at = time.monotonic()
        self.events += len(events)
        for event in events:
            kind, command_id = event.kind, event.command_id
            number = self.number_of(command_id) if command_id else -1
            if event.HasField("order"):
                order = event.order
                client_id = order.client_order_id
                subject = number if client_id == command_id else self.number_of(client_id)
                owner = self._index_of.get(order.account, -1)
                if subject >= 0 and kind not in _NO_CHANGE:
                    self._book(subject, order, event.seq)
            else:
                subject, owner = -1, self.owner[number] if number >= 0 else -1
            self._check_seq(owner, event.seq, event.shard)
            if number >= 0 and not self.told[number]:
                self.told[number] = 1
                self.awaited -= self.state[number] == ACKED
            if kind == _FILL:
                self._on_fill(event, subject)
            elif kind in _REJECTING:
                self.rejected[_REASONS[event.failure.reason]] += 1
            elif kind == _DUPLICATE:
                self.duplicates += 1
        self._move(events[-1].cursor)

    def trades(self) -> dict[tuple[int, int], Trade]:
        """Trades by shard and number. A trade told on one side only, or differently on both, is a fault."""
        trades: dict[tuple[int, int], Trade] = {}
        for key, (maker, price, quantity) in self._makers.items():
            taker = self._takers.get(key)
            if taker is None or taker[1:] != (price, quantity):
                self.faults.add(f"trade {key[0]}-{key[1]}: maker told {(price, quantity)}, taker told {taker}")
            else:
                trades[key] = Trade(maker, taker[0], price, quantity)
        for key in self._takers.keys() - self._makers.keys():
            self.faults.add(f"trade {key[0]}-{key[1]}: no event on the maker's side")
        return trades

    def _book(self, number: int, order: Order, seq: int) -> None:
        self.status[number] = order.status
        self.executed[number] = lots(order.executed_quantity)
        self.leaves[number] = lots(order.leaves_quantity)
        self.seq[number] = seq

    def _check_seq(self, owner: int, seq: int, shard: int) -> None:
        key = (owner, shard)
        expected = self.last_seq.get(key, seq - 1) + 1
        if seq != expected and owner >= 0:
            self.faults.add(f"account {self.accounts[owner]}: event {seq} came where {expected} was due")
        self.last_seq[key] = seq

    def _on_fill(self, event: OrderEvent, subject: int) -> None:
        fill = event.fill
        shard, _, number = fill.trade_id.partition("-")
        side = self._takers if fill.liquidity == _TAKER else self._makers
        if side.setdefault((int(shard), int(number)), told := (subject, lots(fill.price), lots(fill.quantity))) != told:
            self.faults.add(f"trade {fill.trade_id} was told twice, differently")

    def _move(self, cursor: str) -> None:
        shard, position, _ = cursor.split(":")
        ms, _, seq = position.partition("-")
        self.positions[int(shard)] = max(self.positions.get(int(shard), (0, 0)), (int(ms), int(seq)))


def lots(text: str) -> int:
    """Whole steps in a decimal as the gateway writes it: with as many fraction digits as the step has."""
    return int(text.replace(".", "")) if text else 0


def _refused(ack: Ack, rejected: Counter[str]) -> int:
    rejected[Reason(ack.failure.reason).name] += 1
    return REFUSED if ack.failure.disposition == Disposition.NOT_APPLIED.value else UNKNOWN
