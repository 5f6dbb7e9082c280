"""Books and views, against an obvious book that is looked at anew after each change."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from gateway.books import Book, BookLost, View
from gateway.checksum import crc32c
from gateway.instruments import crc32c as crc32c_bit_by_bit
from gateway.instruments import load_instruments
from gateway.stack.services import ROOT
from ordergate.engine.v1 import engine_service_pb2 as engine_pb
from ordergate.v1 import market_data_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

ACME = load_instruments(ROOT / "instruments.toml").by_symbol["ACME"]
BUY, SELL = 1, 2
Side = dict[int, int]


def levels(side: Iterable[tuple[int, int]]) -> list[engine_pb.Level]:
    return [engine_pb.Level(price_ticks=ticks, quantity_lots=lots) for ticks, lots in side]


def update(seq: int, bids: Side, asks: Side, *, snapshot: bool = False) -> engine_pb.BookUpdate:
    return engine_pb.BookUpdate(
        symbol="ACME",
        seq=seq,
        snapshot=snapshot,
        bids=levels(bids.items()),
        asks=levels(asks.items()),
        engine_time_ns=seq,
    )


class Follower:
    """A client that folds what it is told, and objects to what changes nothing."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[str, str]] = {BUY: {}, SELL: {}}
        self.checksum = 0

    def take(self, raw: bytes) -> None:
        message = pb.FollowBookResponse.FromString(raw)
        assert message.seq == 0
        order = [
            (level.side, -float(level.price) if level.side == BUY else float(level.price)) for level in message.levels
        ]
        assert order == sorted(order)
        self.checksum = message.checksum
        if message.snapshot:
            self.sides = {BUY: {}, SELL: {}}
        for level in message.levels:
            side = self.sides[level.side]
            assert side.get(level.price, "0") != level.quantity, "told what was told before"
            if level.quantity == "0":
                del side[level.price]
            else:
                side[level.price] = level.quantity

    def best(self, side: int) -> list[tuple[str, str]]:
        return sorted(self.sides[side].items(), key=lambda level: float(level[0]), reverse=side == BUY)


def obvious(side: Side, number: int, depth: int) -> list[tuple[str, str]]:
    rows = sorted(side.items(), reverse=number == BUY)
    return [(f"{ticks / 100:.2f}", str(lots)) for ticks, lots in (rows[:depth] if depth else rows)]


def checksum_of(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    return crc32c_bit_by_bit("|".join(f"{p}:{q}" for p, q in bids[:10] + asks[:10]).encode())


@pytest.mark.parametrize("prices", [6, 60])
@pytest.mark.parametrize("seed", range(5))
def test_every_depth_folds_to_the_book(seed: int, prices: int) -> None:
    rng = random.Random(seed)
    truth: dict[int, Side] = {BUY: {}, SELL: {}}
    book = Book(ACME)
    book.apply(update(1, {}, {}, snapshot=True))
    depths = (0, 1, 2, 3, 5, 10, 20)
    views = {depth: View(book, depth) for depth in depths}
    followers = {depth: Follower() for depth in depths}
    for depth, follower in followers.items():
        follower.take(views[depth].snapshot())
    for seq in range(2, 400):
        changed: dict[int, Side] = {BUY: {}, SELL: {}}
        for _ in range(rng.randint(1, 4)):
            number = rng.choice((BUY, SELL))
            changed[number][1000 + rng.randrange(prices)] = rng.choice((0, 0, 1, 2, 3))
        snapshot = rng.random() < 0.05
        for number, side in changed.items():
            if snapshot:
                truth[number] = {}
            truth[number] = {t: q for t, q in (truth[number] | side).items() if q}
            changed[number] = truth[number] if snapshot else side
        changes = book.apply(update(seq, changed[BUY], changed[SELL], snapshot=snapshot))
        for depth, view in views.items():
            follower = followers[depth]
            if message := view.change(*changes):
                follower.take(message)
            bids, asks = (obvious(truth[number], number, depth) for number in (BUY, SELL))
            assert (follower.best(BUY), follower.best(SELL)) == (bids, asks)
            assert follower.checksum == checksum_of(bids, asks)
            fresh = Follower()
            fresh.take(view.snapshot())
            assert fresh.sides == follower.sides


def test_a_change_below_the_depth_is_not_told() -> None:
    book = Book(ACME)
    book.apply(update(1, {100: 5, 99: 5, 98: 5}, {}, snapshot=True))
    view = View(book, 2)
    assert view.change(*book.apply(update(2, {98: 7}, {}))) == b""
    assert view.change(*book.apply(update(3, {97: 1}, {}))) == b""


def test_a_level_that_leaves_lets_the_next_one_in() -> None:
    book = Book(ACME)
    book.apply(update(1, {100: 5, 99: 6, 98: 7}, {}, snapshot=True))
    view = View(book, 2)
    message = pb.FollowBookResponse.FromString(view.change(*book.apply(update(2, {100: 0}, {}))))
    assert [(level.price, level.quantity) for level in message.levels] == [("1.00", "0"), ("0.98", "7")]
    assert not message.snapshot
    assert message.engine_at.ToNanoseconds() == 2


def test_a_change_that_does_not_follow_on_is_refused() -> None:
    book = Book(ACME)
    with pytest.raises(BookLost):
        book.apply(update(1, {100: 5}, {}))
    book.apply(update(7, {}, {}, snapshot=True))
    book.apply(update(8, {100: 5}, {}))
    with pytest.raises(BookLost):
        book.apply(update(10, {100: 6}, {}))


def test_an_empty_book_has_the_checksum_of_no_text() -> None:
    book = Book(ACME)
    book.apply(update(1, {}, {}, snapshot=True))
    assert pb.FollowBookResponse.FromString(View(book, 0).snapshot()).checksum == crc32c_bit_by_bit(b"") == 0


@pytest.mark.parametrize("text", [b"", b"a", b"123456789", bytes(range(256)) * 3])
def test_both_crc32c_agree(text: bytes) -> None:
    assert crc32c(text) == crc32c_bit_by_bit(text)
