"""FollowBook against the real engine: what clients fold together is the book."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gateway.instruments import crc32c
from ordergate.engine.v1 import engine_service_pb2 as engine_pb
from ordergate.engine.v1.engine_service_pb2_grpc import EngineServiceStub
from ordergate.v1 import command_pb2, order_pb2
from ordergate.v1 import market_data_service_pb2 as pb
from ordergate.v1.market_data_service_pb2_grpc import MarketDataServiceStub

from ..support.wire import connect, limit_order, new_account
from .probe import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.stack import RunningStack
    from ..support.wire import Wire

BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
Side = list[tuple[str, str]]


class Reader:
    """Folds one stream, and checks each message against its checksum."""

    def __init__(self, wire: Wire, symbol: str, depth: int) -> None:
        self.depth = depth
        self._call: Any = MarketDataServiceStub(wire.channel).FollowBook(
            pb.FollowBookRequest(symbol=symbol, depth=depth), metadata=wire.metadata
        )
        self._sides: dict[int, dict[str, str]] = {BUY: {}, SELL: {}}
        self._seq = 0
        self.snapshots = 0

    async def read(self) -> None:
        """Takes the next message."""
        async with asyncio.timeout(30):
            message = await self._call.read()
        assert message.seq == (1 if message.snapshot else self._seq + 1)
        self._seq = message.seq
        if message.snapshot:
            self.snapshots += 1
            self._sides = {BUY: {}, SELL: {}}
        for level in message.levels:
            if level.quantity == "0":
                del self._sides[level.side][level.price]
            else:
                self._sides[level.side][level.price] = level.quantity
        best = [f"{price}:{quantity}" for side in self.book for price, quantity in side[:10]]
        assert crc32c("|".join(best).encode()) == message.checksum

    async def until(self, book: tuple[Side, Side]) -> None:
        """Reads until what is folded is this book, down to the depth."""
        depth = self.depth or None
        while self.book != (book[0][:depth], book[1][:depth]):
            await self.read()

    @property
    def book(self) -> tuple[Side, Side]:
        bids, asks = (sorted(self._sides[side].items(), key=lambda level: float(level[0])) for side in (BUY, SELL))
        return bids[::-1], asks

    def cancel(self) -> None:
        self._call.cancel()


async def engines_book(stack: RunningStack, symbol: str) -> tuple[Side, Side]:
    """The book as the engine answers for it."""
    async with grpc.aio.insecure_channel(f"unix:{stack.home}/run/engine.sock") as channel:
        book = await EngineServiceStub(channel).GetBook(engine_pb.GetBookRequest(symbol=symbol), timeout=30)

    def side(levels: Any) -> Side:
        return [(f"{level.price_ticks / 100:.2f}", str(level.quantity_lots)) for level in levels]

    return side(book.bids), side(book.asks)


def random_orders(rng: random.Random, symbol: str, count: int) -> list[command_pb2.Command]:
    return [
        limit_order(
            symbol=symbol,
            side=rng.choice((BUY, SELL)),
            quantity=str(rng.randint(1, 9)),
            limit_price=f"{rng.randint(990, 1010) / 100:.2f}",
        )
        for _ in range(count)
    ]


async def test_every_depth_folds_to_the_engines_book(stack: RunningStack, wire: Wire, other: Wire, symbol: str) -> None:
    rng = random.Random(7)
    readers = [Reader(wire, symbol, depth) for depth in (0, 1, 5, 12)]
    for reader in readers:
        await reader.read()
        assert reader.book == ([], [])
    async with open_session(wire) as buys, open_session(other) as sells:
        for _ in range(20):
            for session in (buys, sells):
                await session.send(*random_orders(rng, symbol, 15))
        await buys.until_acks(300)
        await sells.until_acks(300)
        for side in (wire, other):
            mass = command_pb2.MassCancel(symbol=symbol, side=BUY)
            await side.submit(
                command_pb2.Command(command_id=f"m-{symbol}", mass_cancel=mass, ack_level=command_pb2.ACK_LEVEL_ENGINE)
            )
        await buys.send(*random_orders(rng, symbol, 50))
        await buys.until_acks(350)
        await wire.submit(limit_order(symbol=symbol, limit_price="1.00", ack_level=command_pb2.ACK_LEVEL_ENGINE))
    book = await engines_book(stack, symbol)
    assert min(map(len, book)) > 1
    for reader in readers:
        await reader.until(book)
        assert reader.snapshots == 1
    late = Reader(other, symbol, 0)
    await late.until(book)
    for reader in (*readers, late):
        reader.cancel()


async def test_an_iceberg_shows_its_visible_part(wire: Wire, symbol: str) -> None:
    order = limit_order(symbol=symbol, quantity="10", display_quantity="3", ack_level=command_pb2.ACK_LEVEL_ENGINE)
    await wire.submit(order)
    reader = Reader(wire, symbol, 0)
    await reader.until(([("10.00", "3")], []))
    reader.cancel()


async def test_after_a_restart_of_the_engine_followers_have_the_book_again(
    stack_factory: Callable[..., RunningStack],
) -> None:
    stack = stack_factory()
    async with connect(stack.address, stack.token(new_account())) as wire:
        for price in ("9.00", "10.00"):
            await wire.submit(limit_order(limit_price=price, ack_level=command_pb2.ACK_LEVEL_ENGINE))
        reader = Reader(wire, "ACME", 0)
        await reader.read()
        stack.wait_restarted("engine", stack.kill("engine"))
        await wire.submit(limit_order(limit_price="11.00"))
        await reader.until(([("11.00", "1"), ("10.00", "1"), ("9.00", "1")], []))
        assert reader.snapshots >= 2
        reader.cancel()


@pytest.mark.parametrize(("symbol_", "reason"), [("NOPE", "UNKNOWN_SYMBOL")])
async def test_an_unknown_symbol_is_not_found(symbol_: str, reason: str, wire: Wire) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await Reader(wire, symbol_, 0).read()
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert reason in str(caught.value.trailing_metadata())
