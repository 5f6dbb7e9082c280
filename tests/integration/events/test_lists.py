"""ListOrders and ListFills: the same answer wherever the log's trail is, in Redis, in Postgres, or half in each."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.fills import FillFilter, fills_backwards
from gateway.history import AccountHistory
from gateway.instruments import load_instruments
from gateway.orders import OPEN, OrderFilter, OrderPages
from gateway.pages import END, Position, collect
from gateway.stack.services import ROOT
from gateway.streams import LogId
from gateway.tail import TailIndex
from ordergate.v1 import event_pb2, order_pb2

from ...unit.events.builder import ACCEPTED, CANCELED, FILL, Told, command_frame
from .conftest import Archive, Persister, Shard

pytestmark = pytest.mark.integration

FRAMES, DECIDED = 12, 10
"""The engine has not told of the last frames yet."""
STATUS = order_pb2.OrderStatus


@dataclass
class Story:
    """A log of orders of two accounts, and what a list of one of them must be."""

    shard: Shard
    statuses: dict[str, int] = field(default_factory=dict)
    """Orders of `a` as they are now, in the order of their commands."""
    fills: list[str] = field(default_factory=list)
    """Their trades, in order."""
    filled: list[str] = field(default_factory=list)
    """The order of each trade."""

    def fills_of(self, name: str) -> list[str]:
        return [trade for trade, filled in zip(self.fills, self.filled, strict=True) if filled == name]

    async def tell(self) -> None:
        dice = random.Random(3)
        for number in range(FRAMES):
            orders = [(dice.choice("ab"), f"{number}-{n}") for n in range(4)]
            # A repeat enters nothing, wherever it stands.
            repeat = [("a", next(iter(self.statuses)))] if self.statuses else []
            frame = command_frame(*orders, *repeat).SerializeToString()
            place = str(LogId(self.shard.last.ms + 1 + (number - DECIDED if number >= DECIDED else 0), 0))
            await self.shard.redis.xadd(self.shard.keys.commands, {"f": frame, "n": "5"}, id=place)
            self.statuses |= {name: STATUS.Value("ORDER_STATUS_QUEUED") for owner, name in orders if owner == "a"}
            if number < DECIDED:
                await self.shard.publish(*self._events(orders, dice, number))

    def _events(self, orders: list[tuple[str, str]], dice: random.Random, number: int) -> list[Told]:
        told = []
        for command, (owner, name) in enumerate(orders):
            told.append(Told(owner, name, ACCEPTED, command, answers=True))
            if owner == "a":
                self.statuses[name] = STATUS.Value("ORDER_STATUS_OPEN")
            filled = dice.choice([n for n, status in self.statuses.items() if status in {2, 3}] or [None])
            if filled is not None:
                trade = f"0-{len(self.fills) + 1}"
                fill = event_pb2.Fill(trade_id=trade, quantity="0.00000005", price="100.00", liquidity=1)
                details = event_pb2.OrderEvent(fill=fill)
                status = STATUS.Value("ORDER_STATUS_PARTIALLY_FILLED")
                told.append(Told("a", filled, FILL, command, status, executed=5, answers=False, details=details))
                self.statuses[filled] = status
                self.fills.append(trade)
                self.filled.append(filled)
        gone = dice.choice(list(self.statuses))
        if number % 2 and self.statuses[gone] in {2, 3}:
            self.statuses[gone] = STATUS.Value("ORDER_STATUS_CANCELED")
            told.append(Told("a", gone, CANCELED, 0, self.statuses[gone], answers=False))
        return told


@dataclass
class Lists:
    """The lists of one shard, and a persister that goes as far as it is told."""

    story: Story
    archive: Archive
    persister: Persister

    async def persist(self, commands: int, events: int) -> None:
        """Writes so many frames; event frames that Postgres holds leave Redis."""
        upto = [LogId(1_000 + count, 0) if count else LogId(0, 0) for count in (commands, events)]
        await self.persister.write(*upto)
        await self.archive.trim(self.story.shard, upto[1])

    async def orders(self, size: int = 1000, before: Position = END, **wanted: Any) -> list[order_pb2.Order]:
        """All pages of a list, one after the other."""
        shard, database = self.story.shard, self.archive.database
        listed: list[order_pb2.Order] = []
        place: Position | None = before
        while place is not None:
            history = AccountHistory(0, database)
            instruments = load_instruments(ROOT / "instruments.toml")
            tail = TailIndex(0, shard.redis)
            pages = OrderPages(tail, shard.redis, database, history, instruments, OrderFilter("a", **wanted))
            page, place = await collect([pages.backwards(place)], size)
            assert len(page) <= size
            listed += page
        return listed

    async def fills(self, size: int = 1000, **wanted: Any) -> list[str]:
        shard = self.story.shard
        listed: list[str] = []
        place: Position | None = END
        while place is not None:
            history = AccountHistory(0, self.archive.database)
            pages = fills_backwards(shard.redis, shard.keys, history, FillFilter("a", **wanted), place)
            page, place = await collect([pages], size)
            listed += [fill.trade_id for fill in page]
        return listed


@pytest.fixture
async def lists(shard: Shard, archive: Archive, persister: Persister) -> Lists:
    story = Story(shard)
    await story.tell()
    return Lists(story, archive, persister)


@pytest.mark.parametrize(
    ("commands", "events"), [(0, 0), (5, 5), (7, 5), (DECIDED, DECIDED), (FRAMES, 5), (FRAMES, DECIDED)]
)
async def test_lists_are_the_same_wherever_the_trail_is(lists: Lists, commands: int, events: int) -> None:
    await lists.persist(commands, events)
    statuses, fills = lists.story.statuses, lists.story.fills
    everything = list(reversed(statuses.items()))
    for size in (1000, 4, 1):
        assert [(o.client_order_id, o.status) for o in await lists.orders(size)] == everything
        opened = await lists.orders(size, statuses=OPEN)
        assert [(o.client_order_id, o.status) for o in opened] == [pair for pair in everything if pair[1] in OPEN]
        assert await lists.fills(size) == fills[::-1]
    canceled = await lists.orders(2, statuses=frozenset({STATUS.Value("ORDER_STATUS_CANCELED"), 2}))
    assert [o.client_order_id for o in canceled] == [name for name, status in everything if status in {5, 2}]
    for order in await lists.orders():
        wanted = {"order_id": order.order_id, "last_seq": order.last_event_seq}
        assert await lists.fills(3, **wanted) == lists.story.fills_of(order.client_order_id)[::-1]


async def test_pages_stay_where_they_were_while_the_persister_goes_on(lists: Lists) -> None:
    names = list(reversed(lists.story.statuses))
    seen: list[str] = []
    place: Position | None = END
    steps = iter([(3, 2), (6, 5), (FRAMES, 8), (FRAMES, DECIDED)])
    while place is not None:
        if (step := next(steps, None)) is not None:
            await lists.persist(*step)
        shard, database = lists.story.shard, lists.archive.database
        history, tail = AccountHistory(0, database), TailIndex(0, shard.redis)
        instruments = load_instruments(ROOT / "instruments.toml")
        pages = OrderPages(tail, shard.redis, database, history, instruments, OrderFilter("a"))
        page, place = await collect([pages.backwards(place)], 5)
        seen += [order.client_order_id for order in page]
    assert seen == names


async def test_another_accounts_orders_and_fills_are_not_listed(lists: Lists) -> None:
    await lists.persist(7, 5)
    assert {order.account for order in await lists.orders()} == {"a"}
    shard = lists.story.shard
    history = AccountHistory(0, lists.archive.database)
    pages = fills_backwards(shard.redis, shard.keys, history, FillFilter("b"), END)
    assert await collect([pages], 10) == ([], None)


@pytest.mark.parametrize("wanted", [{"symbol": "ETH-USD"}, {"side": 2}, {"since_ns": 2_000_000_000_000_000_000}])
async def test_filters_that_match_nothing_give_nothing(lists: Lists, wanted: dict[str, Any]) -> None:
    await lists.persist(7, 5)
    assert await lists.orders(**wanted) == []
    assert await lists.fills(**wanted) == []
