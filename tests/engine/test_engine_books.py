"""Books and limits asked for and followed, from a real engine."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc
import pytest
from engine_driver import open_channel
from engine_frames import BUY, SELL, T0, Amend, Cancel, New, SetLimits, entry

from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.engine.v1 import engine_service_pb2_grpc as pb_grpc
from ordergate.log.v1.command_frame_pb2 import Decimal, LimitsRow, OrderTerms

if TYPE_CHECKING:
    from engine_driver import Engine

pytestmark = pytest.mark.integration


def levels(side: object) -> list[tuple[int, int]]:
    return [(level.price_ticks, level.quantity_lots) for level in side]  # type: ignore[attr-defined]


class Follower:
    """A FollowBooks stream and the books that it adds up to."""

    def __init__(self, engine: Engine, *symbols: str, stub: pb_grpc.EngineServiceAsyncStub | None = None) -> None:
        self._call = (stub or engine.stub).FollowBooks(pb.FollowBooksRequest(symbols=symbols))
        self.books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self.seqs: dict[str, int] = {}
        self.snapshots = 0

    async def read(self) -> list[pb.BookUpdate]:
        response = await asyncio.wait_for(self._call.read(), 10)
        assert isinstance(response, pb.FollowBooksResponse), f"{await self._call.code()} {await self._call.details()}"
        for update in response.updates:
            assert update.seq == self.seqs.get(update.symbol, 0) + 1
            self.seqs[update.symbol] = update.seq
            self.snapshots += update.snapshot
            self._apply(update)
        return list(response.updates)

    def _apply(self, update: pb.BookUpdate) -> None:
        if update.snapshot:
            self.books[update.symbol] = ({}, {})
        for side, changes in zip(self.books[update.symbol], (update.bids, update.asks), strict=True):
            side.update(levels(changes))
            for price in [price for price, quantity in side.items() if not quantity]:
                del side[price]

    async def status(self) -> tuple[grpc.StatusCode, str]:
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await self._call.read() is not grpc.aio.EOF:
                pass
        return await self._call.code(), await self._call.details()

    def cancel(self) -> None:
        self._call.cancel()


async def test_book_as_it_is_visible_quantities_only(engine: Engine) -> None:
    stream = await engine.open()
    ice = New("ice", SELL, 10_100, 50, terms=OrderTerms(display_lots=5))
    await stream.apply(entry(1, [New("a", BUY, 10_000, 3), New("b", BUY, 9_900, 4), New("c", BUY, 10_000, 2), ice]))
    book = await engine.stub.GetBook(pb.GetBookRequest(symbol="ACME"))
    assert (levels(book.bids), levels(book.asks)) == ([(10_000, 5), (9_900, 4)], [(10_100, 5)])
    assert book.applied.ms == 1
    top = await engine.stub.GetBook(pb.GetBookRequest(symbol="ACME", depth=1))
    assert (levels(top.bids), levels(top.asks)) == ([(10_000, 5)], [(10_100, 5)])
    empty = await engine.stub.GetBook(pb.GetBookRequest(symbol="BUND"))
    assert (levels(empty.bids), levels(empty.asks)) == ([], [])


async def test_unknown_symbol_is_not_found(engine: Engine) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as asked:
        await engine.stub.GetBook(pb.GetBookRequest(symbol="NONE"))
    assert asked.value.code() is grpc.StatusCode.NOT_FOUND
    code, text = await Follower(engine, "ACME", "NONE").status()
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "the engine has no instrument NONE")


async def test_follower_gets_a_snapshot_then_changes(engine: Engine) -> None:
    stream = await engine.open()
    await stream.apply(entry(1, [New("a", BUY, 10_000, 3)]))
    follower = Follower(engine, "ACME", "ACME")
    (snapshot,) = await follower.read()
    assert (snapshot.symbol, snapshot.snapshot, levels(snapshot.bids)) == ("ACME", True, [(10_000, 3)])
    await stream.apply(entry(2, [Amend("m", "a", price=9_000), New("z", BUY, 1_000, 1, symbol="BUND")]))
    (change,) = await follower.read()
    assert (change.snapshot, levels(change.bids)) == (False, [(10_000, 0), (9_000, 3)])
    assert change.engine_time_ns == T0 + 2_000_000
    await stream.apply(entry(3, [New("late", BUY, 9_000, 1, valid_until_ns=1)]), entry(4, [Cancel("c", "a")]))
    (gone,) = await follower.read()
    assert levels(gone.bids) == [(9_000, 0)], "a refusal changes no book and tells nothing"
    follower.cancel()


async def test_everything_is_followed_by_default(engine: Engine) -> None:
    follower = Follower(engine)
    assert {update.symbol for update in await follower.read()} == {"ACME", "BTC-USD", "BUND", "ETH-USD"}
    follower.cancel()


async def test_reader_that_does_not_read_gets_new_snapshots_and_slows_nobody(engine: Engine) -> None:
    stream = await engine.open()
    # A connection that takes no more than it must before somebody reads.
    small = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024))
    async with open_channel(engine.address, None, *small) as channel:
        stub: pb_grpc.EngineServiceAsyncStub = pb_grpc.EngineServiceStub(channel)  # type: ignore[assignment]
        slow = Follower(engine, "ACME", stub=stub)
        await slow.read()
        for n in range(1, 61):
            prices = ((n * 1_613 + i * 7) % 100_000 + 1 for i in range(2000))
            await stream.send(entry(n, [New(f"o{n}-{i}", BUY, price, 1) for i, price in enumerate(prices)]))
        assert len(await stream.receive(60)) == 60
        expected = dict(levels((await engine.stub.GetBook(pb.GetBookRequest(symbol="ACME"))).bids))
        while slow.books["ACME"][0] != expected:
            await slow.read()
        assert slow.snapshots > 1
        assert slow.seqs["ACME"] < 61, "frames were told together"
        slow.cancel()


async def test_followers_come_and_go_while_the_book_changes(engine: Engine) -> None:
    stream = await engine.open()
    followers: list[Follower] = []
    for n in range(1, 40):
        followers.append(Follower(engine, "ACME"))
        await followers[-1].read()
        if n % 3:
            followers.pop(0).cancel()
        await stream.apply(entry(n, [New(f"o{n}", BUY, 10_000 + n, 1)]))
    for follower in followers:
        while len(follower.books["ACME"][0]) < 39:
            await follower.read()
        follower.cancel()
    assert (await engine.status()).open_orders == 39


async def test_drain_ends_followers_with_unavailable(engine: Engine) -> None:
    follower = Follower(engine)
    await follower.read()
    engine.terminate()
    assert await follower.status() == (grpc.StatusCode.UNAVAILABLE, "the engine is shutting down")
    assert await asyncio.wait_for(engine.process.wait(), 10) == 0


async def test_limits_of_an_account_and_what_it_uses(engine: Engine) -> None:
    stream = await engine.open()
    row = LimitsRow(
        account="alice",
        max_order_quantity=Decimal(mantissa=1_050, digits=2),
        max_order_notional=Decimal(mantissa=5, digits=0),
        max_open_orders=9,
        max_position=Decimal(mantissa=1, digits=8),
        price_band_ppm=1,
    )
    await stream.apply(
        entry(
            1,
            [
                New("a", BUY, 10_000, 3),
                New("b", SELL, 10_000, 2, account="bob"),
                New("c", SELL, 250, 150_000_000, symbol="BTC-USD", account="bob"),
                SetLimits("l", row),
            ],
        )
    )
    alice = await engine.stub.GetLimits(pb.GetLimitsRequest(account="alice"))
    assert alice == pb.GetLimitsResponse(
        max_order_quantity="10.5",
        max_order_notional="5",
        max_open_orders=9,
        max_position="0.00000001",
        price_band="0.000001",
        open_orders=1,
        open_notional="100",
        positions=[pb.Position(symbol="ACME", quantity="2")],
    )
    bob = await engine.stub.GetLimits(pb.GetLimitsRequest(account="bob"))
    assert bob == pb.GetLimitsResponse(
        open_orders=1, open_notional="3.75", positions=[pb.Position(symbol="ACME", quantity="-2")]
    )
    assert await engine.stub.GetLimits(pb.GetLimitsRequest(account="new")) == pb.GetLimitsResponse(open_notional="0")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await engine.stub.GetLimits(pb.GetLimitsRequest())
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
