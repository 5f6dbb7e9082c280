"""FollowBook between a client and an engine: who gets what when, and what ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.support.wire import refusal_of_rpc

from .conftest import BookTeller, Market, read, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Refusal

pytestmark = pytest.mark.integration


def rows(message: Any) -> list[tuple[str, str]]:
    return [(level.price, level.quantity) for level in message.levels]


async def ended(call: Any) -> Refusal:
    """The status of a stream that ends, after whatever it still tells."""
    try:
        async with asyncio.timeout(20):
            while await call.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as error:
        return refusal_of_rpc(error)
    raise AssertionError("ended without an error")


async def test_a_snapshot_then_changes_with_a_dense_sequence(market: Market, engine: BookTeller) -> None:
    engine.change("ACME", 1000, 5)
    call = market.follow()
    (snapshot,) = await read(call)
    assert (snapshot.seq, snapshot.snapshot, rows(snapshot)) == (1, True, [("10.00", "5")])
    for lots in (6, 0, 7):
        engine.change("ACME", 1001, lots)
    changes = await read(call, 3)
    assert [(m.seq, m.snapshot, rows(m)) for m in changes] == [
        (2, False, [("10.01", "6")]),
        (3, False, [("10.01", "0")]),
        (4, False, [("10.01", "7")]),
    ]
    call.cancel()


async def test_one_stream_for_all_and_none_for_nobody(market: Market, engine: BookTeller) -> None:
    calls = [market.follow(depth=depth) for depth in (0, 1, 5, 5)]
    for call in calls:
        await read(call)
    assert engine.open == 1
    engine.change("ACME", 1000, 5)
    for call in calls:
        assert rows((await read(call))[0]) == [("10.00", "5")]
    for call in calls:
        call.cancel()
    await until(lambda: engine.open == 0)
    assert market.worker.books[0].streams == 0


async def test_another_instrument_disturbs_nobody(market: Market, engine: BookTeller) -> None:
    engine.change("ACME", 1000, 5)
    first = market.follow("ACME")
    await read(first)
    second = market.follow("BUND")
    await read(second)
    assert (engine.asked[0], engine.asked[-1], engine.open) == (["ACME"], ["ACME", "BUND"], 1)
    engine.change("ACME", 1000, 6)
    (change,) = await read(first)
    assert (change.seq, change.snapshot, rows(change)) == (2, False, [("10.00", "6")])
    first.cancel()
    second.cancel()


async def test_a_change_that_came_while_the_stream_was_opened_anew_is_told(market: Market, engine: BookTeller) -> None:
    first = market.follow("ACME")
    await read(first)
    second = market.follow("BUND")
    for lots in range(1, 200):
        engine.change("ACME", 1000, lots)
        await asyncio.sleep(0)
    state: dict[str, str] = {}
    seq = 1
    while state.get("10.00") != "199":
        (message,) = await read(first)
        assert (message.seq, message.snapshot) == (seq + 1, False)
        seq = message.seq
        state.update(rows(message))
    first.cancel()
    second.cancel()


async def test_a_slow_reader_gets_a_snapshot_and_delays_nobody(market: Market, engine: BookTeller) -> None:
    slow, quick = market.follow(), market.follow()
    await read(slow)
    await read(quick)
    rounds = 150
    for n in range(1, rounds + 1):
        engine.change_all("ACME", {1000 + tick: n for tick in range(500)})
        (message,) = await read(quick)
        assert (message.seq, message.snapshot, len(message.levels)) == (1 + n, False, 500)
    told, seq, state = [], 1, {}
    while state.get("10.00") != str(rounds):
        (message,) = await read(slow)
        assert message.seq == (1 if message.snapshot else seq + 1)
        seq, state = message.seq, dict(rows(message))
        told.append(message.snapshot)
    assert True in told
    assert len(told) < rounds
    assert state == {f"{(1000 + tick) / 100:.2f}": str(rounds) for tick in range(500)}
    slow.cancel()
    quick.cancel()


async def test_after_an_engine_that_was_away_followers_get_a_snapshot(
    market: Market, new_engine: Callable[[], BookTeller]
) -> None:
    engine = new_engine()
    await engine.start()
    engine.change("ACME", 1000, 5)
    call = market.follow()
    await read(call)
    await engine.kill()
    assert (await ended(market.follow())).code == "UNAVAILABLE"
    engine = new_engine()
    await engine.start()
    engine.change("ACME", 999, 1)
    (message,) = await read(call)
    assert (message.seq, message.snapshot, rows(message)) == (1, True, [("9.99", "1")])
    call.cancel()


async def test_a_gap_in_what_the_engine_tells_brings_a_snapshot(market: Market, engine: BookTeller) -> None:
    call = market.follow()
    await read(call)
    engine.skip = 1
    engine.change("ACME", 1000, 5)
    (message,) = await read(call)
    assert (message.seq, message.snapshot, rows(message)) == (1, True, [("10.00", "5")])
    call.cancel()


async def test_without_an_engine_it_is_unavailable_soon(market: Market) -> None:
    refusal = await ended(market.follow())
    assert (refusal.code, refusal.disposition) == ("UNAVAILABLE", "NOT_APPLIED")
    assert market.worker.books[0].streams == 0


@pytest.mark.parametrize(
    ("symbol", "code", "reason"), [("NOPE", "NOT_FOUND", "UNKNOWN_SYMBOL"), ("", "INVALID_ARGUMENT", "INVALID_FIELD")]
)
async def test_what_is_no_instrument_is_refused(
    symbol: str, code: str, reason: str, market: Market, engine: BookTeller
) -> None:
    refusal = await ended(market.follow(symbol))
    assert (refusal.code, refusal.reason, refusal.field) == (code, reason, "symbol")
    assert engine.asked == []


async def test_draining_ends_a_follower(market: Market, engine: BookTeller) -> None:
    call = market.follow()
    await read(call)
    await market.worker.drain(0.5)
    assert [(await ended(stream)).reason for stream in (call, market.follow())] == ["DRAINING"] * 2


async def test_the_end_of_the_tokens_life_ends_a_follower(market: Market, engine: BookTeller) -> None:
    call = market.follow(ttl_s=2)
    await read(call)
    assert (await ended(call)).reason == "UNAUTHENTICATED"
    assert engine.asked == [["ACME"]]
