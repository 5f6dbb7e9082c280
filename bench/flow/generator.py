"""Order flow of one account: a mid price that walks at random, about a third of the orders trade, cancels of the rest.

The same seed gives the same flow. The generator never learns what became of an order: it also cancels orders that have
traded meanwhile, as clients do.
"""

from __future__ import annotations

import random
from collections import deque
from typing import NamedTuple

_OPEN_MAX = 400
"""Orders an account lets rest before it cancels its oldest; bounds the book, whatever the length of the run."""

_STEP_TICKS = 3
_SPREAD_TICKS = 40
_LOTS = (1_000, 5_000_000)


class Order(NamedTuple):
    """An order to send."""

    buy: bool
    price_ticks: int
    """0 for a market order."""
    quantity_lots: int
    kind: str
    """GTC, POST, IOC or MARKET."""


class Cancel(NamedTuple):
    """A cancel to send."""

    client_order_id: str


class Flow:
    """Endless flow of one account.

    Args:
        seed: of the random numbers.
        mid_ticks: price at which it starts, in price increments.
    """

    def __init__(self, seed: int, mid_ticks: int = 300_000) -> None:
        self._random = random.Random(seed)
        self._mid = self._home = mid_ticks
        self._resting: deque[str] = deque()

    def next(self) -> Order | Cancel:
        """The next command; tell the id of an order that may rest with `rests`."""
        choice = self._random.random()
        if len(self._resting) > _OPEN_MAX or (self._resting and choice < 0.25):
            return self._cancel()
        self._walk()
        # Of the orders: a third aims to trade (limit through the mid, IOC, market), the others rest.
        buy = bool(self._random.getrandbits(1))
        quantity = self._random.randint(*_LOTS)
        if choice < 0.50:
            away = self._random.randint(-_SPREAD_TICKS // 2, 0)
            kind = "MARKET" if choice < 0.27 else "IOC" if choice < 0.35 else "GTC"
            return Order(buy, 0 if kind == "MARKET" else self._price(away, buy=buy), quantity, kind)
        away = self._random.randint(1, _SPREAD_TICKS)
        return Order(buy, self._price(away, buy=buy), quantity, "POST" if choice < 0.6 else "GTC")

    def rests(self, client_order_id: str) -> None:
        """An order was sent that may rest in the book: it is canceled one day."""
        self._resting.append(client_order_id)

    def _walk(self) -> None:
        drift = (self._home - self._mid) // 2000  # draws the price back, so that a long run stays in its band
        self._mid += self._random.randint(-_STEP_TICKS, _STEP_TICKS) + drift

    def _price(self, away: int, *, buy: bool) -> int:
        return self._mid - away if buy else self._mid + away

    def _cancel(self) -> Cancel:
        if self._random.random() < 0.7:
            return Cancel(self._resting.pop())
        return Cancel(self._resting.popleft())
