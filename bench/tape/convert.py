"""From the exchange's messages to commands with the fills that they must have.

The source tells of messages, not of intentions, so some are worked out:

- An order that is deleted in its own instant, untouched and by the very next message, was refused or found nothing:
  if its price crossed the book it was post-only (POST), else it was IOC.
- An incoming order that trades until nothing is left is IOC; one that keeps a rest is GTC.
- A market order to buy by value has no quantity: it gets that of its fills.
- A `deleted` message of an order that no longer rests is the exchange's bookkeeping, and is no command.
- An opening order that the market traded through, untouched, to the end of the tape was no longer there: left out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from bench.tape.records import MARKET_CENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CENTS = Decimal(100)
_LOTS = Decimal(10**8)


@dataclass(slots=True)
class _Trade:
    taker: int
    maker: int
    cents: int
    lots: int
    buy: bool


@dataclass(slots=True)
class _Message:
    order: int
    at: int
    """Instant of the snapshot, or of the exchange's message, ms."""
    heard_at: int
    buy: bool
    cents: int
    lots: int
    action: str


class _Book:
    """What rests, by order, and the best price of each side."""

    def __init__(self) -> None:
        self._resting: dict[int, list[int]] = {}
        self._best: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])

    def __contains__(self, order: int) -> bool:
        return order in self._resting

    def add(self, order: int, *, buy: bool, cents: int, lots: int) -> None:
        self._resting[order] = [lots]
        heappush(self._best[buy], (-cents if buy else cents, order))

    def take(self, order: int, lots: int) -> None:
        rest = self._resting[order]
        rest[0] -= lots
        if rest[0] <= 0:
            del self._resting[order]

    def remove(self, order: int) -> None:
        del self._resting[order]

    def crosses(self, *, buy: bool, cents: int) -> bool:
        """True if an order of this side and price would trade."""
        best = self._best[not buy]
        while best and best[0][1] not in self._resting:
            heappop(best)
        if not best:
            return False
        return best[0][0] <= cents if buy else -best[0][0] >= cents


def convert(orders: Iterable[str], trades: Iterable[str]) -> Iterator[str]:
    """Lines of the tape, without their line ends.

    Args:
        orders: lines of orders.csv: id, timestamp, exchange_timestamp, price, volume, action, direction.
        trades: lines of trades.csv: trade_id, …, price, amount, buy_order_id, sell_order_id, side.
    """
    messages = [_message(row) for row in csv.DictReader(orders)]
    by_taker: dict[int, list[_Trade]] = defaultdict(list)
    for trade in map(_trade, csv.DictReader(trades)):
        by_taker[trade.taker].append(trade)
    book = _Book()
    opening, stale = _opening(messages), _stale(messages, by_taker)
    for message in messages[:opening]:
        if message.order not in stale:
            book.add(message.order, buy=message.buy, cents=message.cents, lots=message.lots)
            yield f"add,{message.order},{_side(message)},{message.cents},{message.lots}"
    for index in range(opening, len(messages)):
        message = messages[index]
        if message.action == "created":
            following = messages[index + 1] if index + 1 < len(messages) else message
            yield from _enter(book, message, following, by_taker.get(message.order, []))
        elif message.action == "deleted" and message.order in book:
            book.remove(message.order)
            yield f"del,{message.order}"


def _enter(book: _Book, message: _Message, following: _Message, fills: list[_Trade]) -> Iterator[str]:
    traded = sum(fill.lots for fill in fills)
    cents, lots, crosses = message.cents, message.lots, book.crosses(buy=message.buy, cents=message.cents)
    if message.buy and cents >= MARKET_CENTS:
        lots = traded
    if fills:
        tif = "IOC" if traded == lots else "GTC"
    elif _vanishes(message, following):
        tif = "POST" if crosses else "IOC"
    else:
        tif = "GTC"
    yield f"new,{message.order},{_side(message)},{cents},{lots},{tif}"
    for fill in fills:
        book.take(fill.maker, fill.lots)
        yield f"fill,{fill.maker},{fill.cents},{fill.lots}"
    if tif == "GTC":
        book.add(message.order, buy=message.buy, cents=cents, lots=lots - traded)


def _vanishes(message: _Message, following: _Message) -> bool:
    """True if the order was gone, whole, in the instant in which it came."""
    same = following.order == message.order and following.action == "deleted"
    return same and following.at == message.at and following.lots == message.lots


def _opening(messages: list[_Message]) -> int:
    """How many messages at the head are the snapshot: all of one instant, each creating an order."""
    first = messages[0]
    for index, message in enumerate(messages):
        if (message.at, message.heard_at, message.action) != (first.at, first.heard_at, "created"):
            return index
    return len(messages)


def _stale(messages: list[_Message], by_taker: dict[int, list[_Trade]]) -> set[int]:
    """Opening orders that stayed untouched to the end although trades went through their price."""
    last = messages[-1].heard_at
    touched = {trade.maker for trades in by_taker.values() for trade in trades}
    prices = [trade.cents for trades in by_taker.values() for trade in trades]
    if not prices:
        return set()
    low, high = min(prices), max(prices)
    alive = {m.order for m in messages if m.action == "deleted" and m.heard_at == last}
    return {
        m.order
        for m in messages[: _opening(messages)]
        if m.order in alive and m.order not in touched and (m.cents > low if m.buy else m.cents < high)
    }


def _message(row: dict[str, str]) -> _Message:
    return _Message(
        order=int(row["id"]),
        at=int(row["exchange_timestamp"]),
        heard_at=int(row["timestamp"]),
        buy=row["direction"] == "bid",
        cents=int(Decimal(row["price"]) * _CENTS),
        lots=int(Decimal(row["volume"]) * _LOTS),
        action=row["action"],
    )


def _trade(row: dict[str, str]) -> _Trade:
    buy = row["side"] == "buy"
    ids = int(row["buy_order_id"]), int(row["sell_order_id"])
    taker, maker = ids if buy else ids[::-1]
    return _Trade(taker, maker, int(Decimal(row["price"]) * _CENTS), int(Decimal(row["amount"]) * _LOTS), buy)


def _side(message: _Message) -> str:
    return "B" if message.buy else "S"
