"""Price levels of one instrument: as the engine tells them, and as clients see them down to a depth. No I/O."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, NamedTuple

from gateway.checksum import crc32c
from ordergate.v1 import market_data_service_pb2 as pb
from ordergate.v1 import order_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.instruments import Instrument
    from ordergate.engine.v1 import engine_service_pb2 as engine_pb

CHECKED_LEVELS = 10
"""Levels of each side that the checksum covers."""

Level = tuple[int, int]
"""Price in price increments, quantity in lots."""


class BookLost(Exception):
    """What is known of a book does not fit what the engine tells next: it has to be read anew."""


class Change(NamedTuple):
    """New quantity of one level."""

    key: int
    """Its price, negated for bids: the better, the lower."""
    lots: int
    """0: the level is gone."""
    lots_before: int
    """0: the level is new."""


class BookSide:
    """Levels of one side, best first."""

    __slots__ = ("_keys", "_lots", "_sign")

    def __init__(self, *, bids: bool) -> None:
        self._sign = -1 if bids else 1
        self._keys: list[int] = []
        self._lots: dict[int, int] = {}
        """Quantity by key."""

    def replace(self, levels: Iterable[engine_pb.Level]) -> list[Change]:
        """Takes the whole side; what changed by that."""
        old, self._lots = self._lots, {self._sign * level.price_ticks: level.quantity_lots for level in levels}
        self._keys = sorted(self._lots)
        changes = [Change(key, lots, old.get(key, 0)) for key, lots in self._lots.items() if old.get(key) != lots]
        return changes + [Change(key, 0, lots) for key, lots in old.items() if key not in self._lots]

    def change(self, levels: Iterable[engine_pb.Level]) -> list[Change]:
        """Takes new quantities of single levels, 0 removes one; what changed by that."""
        changes: list[Change] = []
        for level in levels:
            key, lots = self._sign * level.price_ticks, level.quantity_lots
            before = self._lots.get(key, 0)
            if before == lots:
                continue
            if not lots:
                del self._lots[key]
                del self._keys[bisect_left(self._keys, key)]
            else:
                if not before:
                    insort(self._keys, key)
                self._lots[key] = lots
            changes.append(Change(key, lots, before))
        return changes

    def best(self, depth: int) -> list[Level]:
        """The best `depth` levels; 0: all."""
        keys = self._keys[:depth] if depth else self._keys
        return [(self._sign * key, self._lots[key]) for key in keys]

    def edge(self, depth: int) -> float:
        """Key of the last level that one sees down to `depth`; infinite if all are seen."""
        return self._keys[depth - 1] if 0 < depth <= len(self._keys) else math.inf

    def seen(self, changes: Iterable[Change], old_edge: float, new_edge: float) -> list[Level]:
        """What somebody is told whose view ended at `old_edge` before `changes` and ends at `new_edge` after them.

        Levels that the change of the edge itself lets in or out are told too. Best first.
        """
        told: dict[int, int] = {}
        for key, lots, before in changes:
            if key <= new_edge and lots:
                told[key] = lots
            elif key <= old_edge and before:
                told[key] = 0
        for key in self._between(old_edge, new_edge):
            told[key] = self._lots[key]
        for key in self._between(new_edge, old_edge):
            # A level that came with this very change was never seen.
            if key not in told and not any(c.key == key and not c.lots_before for c in changes):
                told[key] = 0
        return [(self._sign * key, told[key]) for key in sorted(told)]

    def _between(self, low: float, high: float) -> Sequence[int]:
        """Keys above `low`, up to and with `high`."""
        if high <= low:
            return ()
        return self._keys[bisect_right(self._keys, low) : bisect_right(self._keys, high)]


class Book:
    """Both sides of one instrument as the engine told them last."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids = BookSide(bids=True)
        self.asks = BookSide(bids=False)
        self.engine_time_ns = 0
        """Engine time of the last update; 0 before the first."""
        self.known = False
        """False before the first snapshot, and from `forget` on until the next."""
        self._seq = 0
        self._checksums: dict[int, int] = {}

    def apply(self, update: engine_pb.BookUpdate) -> tuple[list[Change], list[Change]]:
        """Takes an update of the engine and gives what changed, bids and asks.

        Raises:
            BookLost: a change does not follow on what is known.
        """
        if not update.snapshot and not (self.known and update.seq == self._seq + 1):
            raise BookLost(f"{update.symbol}: change {update.seq} came after {self._seq if self.known else 'nothing'}")
        self._seq = update.seq
        self._checksums.clear()
        self.engine_time_ns = update.engine_time_ns
        if update.snapshot:
            self.known = True
            return self.bids.replace(update.bids), self.asks.replace(update.asks)
        return self.bids.change(update.bids), self.asks.change(update.asks)

    def forget(self) -> None:
        """What is here may be old: nobody is told it any more."""
        self.known = False

    def rows(self, bids: Iterable[Level], asks: Iterable[Level]) -> list[pb.BookLevel]:
        """Levels as clients read them."""
        price, quantity = self.instrument.price.format, self.instrument.quantity.format
        return [
            pb.BookLevel(side=side, price=price(ticks), quantity=quantity(lots) if lots else "0")
            for side, levels in ((order_pb2.SIDE_BUY, bids), (order_pb2.SIDE_SELL, asks))
            for ticks, lots in levels
        ]

    def checksum(self, depth: int) -> int:
        """CRC-32C of what one sees of the best ten levels down to `depth`; see FollowBookResponse."""
        levels = min(depth or CHECKED_LEVELS, CHECKED_LEVELS)
        found = self._checksums.get(levels)
        if found is None:
            rows = self.rows(self.bids.best(levels), self.asks.best(levels))
            found = crc32c("|".join(f"{row.price}:{row.quantity}" for row in rows).encode())
            self._checksums[levels] = found
        return found


class View:
    """What clients see of a book down to one depth, in bytes of FollowBookResponse without `seq`.

    The number is each stream's own; since a message is the concatenation of its fields, a stream puts it before these
    bytes, which all streams of the view share.
    """

    def __init__(self, book: Book, depth: int) -> None:
        """Makes a view of the book as it is.

        Args:
            book: to look at.
            depth: levels of each side; 0: all.
        """
        self._book = book
        self._depth = depth
        self._edges = self._look()

    def snapshot(self) -> bytes:
        """The whole view."""
        book = self._book
        return self._message(book.rows(book.bids.best(self._depth), book.asks.best(self._depth)), snapshot=True)

    def change(self, bids: list[Change], asks: list[Change]) -> bytes:
        """What is told of the book's last change, which `bids` and `asks` are; empty if nothing is seen of it.

        To be called once with each change of the book.
        """
        old, new = self._edges, self._look()
        self._edges = new
        book = self._book
        rows = book.rows(book.bids.seen(bids, old[0], new[0]), book.asks.seen(asks, old[1], new[1]))
        return self._message(rows, snapshot=False) if rows else b""

    def _look(self) -> tuple[float, float]:
        return self._book.bids.edge(self._depth), self._book.asks.edge(self._depth)

    def _message(self, rows: list[pb.BookLevel], *, snapshot: bool) -> bytes:
        message = pb.FollowBookResponse(snapshot=snapshot, levels=rows, checksum=self._book.checksum(self._depth))
        if self._book.engine_time_ns:
            message.engine_at.FromNanoseconds(self._book.engine_time_ns)
        return message.SerializeToString()
