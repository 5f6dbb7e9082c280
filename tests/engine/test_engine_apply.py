"""The Apply stream of a real engine: order, resume, fencing, drain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from engine_driver import Apply, Engine, running_engine
from engine_frames import BUY, FOK, IOC, SELL, T0, Cancel, New, command_frame, entry, events_of, order_id
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.log.v1.event_frame_pb2 import EventFrame
from ordergate.v1 import event_pb2 as ev
from ordergate.v1 import failure_pb2 as fail
from ordergate.v1 import order_pb2 as od

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def order(number: int, side: int = BUY, price: int = 10_000, quantity: int = 1) -> New:
    return New(f"o{number}", side, price, quantity)


async def test_trade_is_told_to_both_owners_in_decimals_and_times(engine: Engine) -> None:
    stream = await engine.open()
    (frame,) = await stream.apply(
        entry(1, [New("m", SELL, 10_025, 10), New("t", BUY, 10_050, 4, account="bob", tif=IOC)])
    )
    told = events_of(frame)
    assert [(account, ev.EventKind.Name(e.kind)) for account, e in told] == [
        ("alice", "EVENT_KIND_ACCEPTED"),
        ("bob", "EVENT_KIND_ACCEPTED"),
        ("alice", "EVENT_KIND_FILL"),
        ("bob", "EVENT_KIND_FILL"),
    ]
    maker, taker = told[2][1], told[3][1]
    assert (maker.command_id, taker.command_id) == ("", "t")
    assert maker.fill.trade_id == taker.fill.trade_id == "0-1"
    assert (taker.fill.price, taker.fill.quantity) == ("100.25", "4")
    assert (maker.order.executed_quantity, maker.order.leaves_quantity, maker.order.average_price) == (
        "4",
        "6",
        "100.2500000000",
    )
    assert taker.order.order_id.replace("-", "") == order_id("bob", "t").hex()
    assert taker.order.status == od.ORDER_STATUS_FILLED
    assert taker.engine_at.ToNanoseconds() == taker.order.updated_at.ToNanoseconds() == T0 + 1_000_000
    assert taker.order.queued_at.ToNanoseconds() == T0
    assert taker.order.created_at.ToNanoseconds() == T0 - 5_000
    assert taker.cursor == "0:1-0:3"
    assert list(frame.trade_price_ticks) == [10_025]


async def test_fok_post_only_and_cancels_end_as_the_contract_says(engine: Engine) -> None:
    stream = await engine.open()
    (frame,) = await stream.apply(
        entry(
            1,
            [
                New("ask", SELL, 10_000, 5),
                New("fok", BUY, 10_000, 6, FOK),
                New("post", BUY, 10_000, 1, post_only=True),
                Cancel("c1", "ask"),
                Cancel("c2", "ask"),
                Cancel("c3", "never"),
                New("late", BUY, 10_000, 1, valid_until_ns=T0),
            ],
        )
    )
    told = [(e.kind, e.cause, e.failure.reason) for _, e in events_of(frame)]
    assert told == [
        (ev.EVENT_KIND_ACCEPTED, 0, 0),
        (ev.EVENT_KIND_ACCEPTED, 0, 0),
        (ev.EVENT_KIND_CANCELED, ev.CAUSE_FOK_UNFILLED, 0),
        (ev.EVENT_KIND_REJECTED, 0, fail.REASON_WOULD_CROSS),
        (ev.EVENT_KIND_CANCELED, ev.CAUSE_USER, 0),
        (ev.EVENT_KIND_CANCEL_REJECTED, 0, fail.REASON_TOO_LATE),
        (ev.EVENT_KIND_CANCEL_REJECTED, 0, fail.REASON_UNKNOWN_ORDER),
        (ev.EVENT_KIND_REJECTED, 0, fail.REASON_STALE),
    ]


async def test_unpublished_event_frames_are_given_again_to_the_next_relay(engine: Engine) -> None:
    first = await engine.open()
    before = await first.apply(*(entry(n, [order(n)]) for n in (1, 2, 3)))
    first.cancel()
    second = await engine.open(epoch=2, published=1)
    assert second.welcome
    assert second.welcome.last_applied.ms == 3
    again = await second.receive(2)
    assert [e.id.ms for e in again] == [2, 3]
    assert [EventFrame.FromString(e.frame) for e in again] == before[1:]
    await second.send(entry(4, [order(4)]), published=3)
    assert (await second.receive(1))[0].id.ms == 4
    assert (await engine.status()).unpublished_frames == 1


async def test_frames_that_were_applied_are_skipped(engine: Engine) -> None:
    stream = await engine.open()
    await stream.apply(entry(1, [order(1)]))
    state = await engine.status()
    await stream.send(entry(1, [order(1)]), entry(2, [order(2)]))
    assert [e.id.ms for e in await stream.receive(1)] == [2]
    after = await engine.status()
    assert (state.commands, after.commands) == (1, 2)


async def test_repeated_command_in_a_later_frame_is_a_duplicate(engine: Engine) -> None:
    stream = await engine.open()
    frames = await stream.apply(entry(1, [order(1)]), entry(2, [order(1)]), entry(3, [order(1, quantity=9)]))
    kinds = [e.kind for frame in frames for _, e in events_of(frame)]
    assert kinds == [ev.EVENT_KIND_ACCEPTED, ev.EVENT_KIND_DUPLICATE, ev.EVENT_KIND_COMMAND_REJECTED]


async def test_gap_in_the_log_ends_the_stream_with_data_loss(engine: Engine) -> None:
    stream = await engine.open()
    await stream.send(entry(1, [order(1)]), entry(3, [order(3)]))
    assert [e.id.ms for e in await stream.receive(1)] == [1], "what was applied is given first"
    code, text = await stream.status()
    assert code is grpc.StatusCode.DATA_LOSS
    assert "3-0" in text
    assert (await engine.status()).last_applied.ms == 1


async def test_unreadable_frame_ends_the_stream_and_is_not_applied(engine: Engine) -> None:
    stream = await engine.open()
    bad = command_frame([order(1)])
    bad.sides = b""
    await stream.send(entry(1, bad))
    code, text = await stream.status()
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == "frame 1-0: sides: 0 instead of 1"
    next_stream = await engine.open()
    assert len(await next_stream.apply(entry(1, [order(1)]))) == 1


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"protocol": 2}, grpc.StatusCode.FAILED_PRECONDITION, "protocol"),
        ({"shard": 1}, grpc.StatusCode.FAILED_PRECONDITION, "shard"),
        ({"instruments_digest": "0" * 64}, grpc.StatusCode.FAILED_PRECONDITION, "instruments"),
        ({"epoch": 0}, grpc.StatusCode.INVALID_ARGUMENT, "epoch"),
    ],
)
async def test_hello_that_does_not_fit_is_refused(
    engine: Engine, change: dict[str, object], code: grpc.StatusCode, text: str
) -> None:
    stream = engine.stream()
    with pytest.raises((AssertionError, grpc.aio.AioRpcError)):
        await stream.open(engine.hello(**{"epoch": 1} | change))  # type: ignore[arg-type]
    assert (await stream.status())[0] is code
    assert text in (await stream.status())[1]


async def test_first_request_without_hello_is_refused(engine: Engine) -> None:
    stream = engine.stream()
    await stream.send(entry(1, [order(1)]))
    assert (await stream.status())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_higher_epoch_ends_the_stream_before(engine: Engine) -> None:
    old = await engine.open(epoch=5)
    new = await engine.open(epoch=6, relay="r2")
    assert (await old.status())[0] is grpc.StatusCode.ABORTED
    assert len(await new.apply(entry(1, [order(1)]))) == 1


async def test_lower_epoch_and_equal_epoch_of_another_relay_are_fenced(engine: Engine) -> None:
    active = await engine.open(epoch=5)
    for hello in (engine.hello(epoch=4), engine.hello(epoch=5, relay="r2")):
        stream = engine.stream()
        with pytest.raises((AssertionError, grpc.aio.AioRpcError)):
            await stream.open(hello)
        assert (await stream.status())[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert len(await active.apply(entry(1, [order(1)]))) == 1, "the active stream is untouched"
    again = await engine.open(epoch=5)
    assert (await active.status())[0] is grpc.StatusCode.ABORTED, "the same relay may come back"
    assert [e.id.ms for e in await again.receive(1)] == [1]


async def test_event_frames_that_are_gone_are_data_loss(engine: Engine) -> None:
    first = await engine.open()
    await first.apply(entry(1, [order(1)]), entry(2, [order(2)]))
    await first.send(published=2)
    await first.apply(entry(3, [order(3)]))
    stream = engine.stream()
    with pytest.raises((AssertionError, grpc.aio.AioRpcError)):
        await stream.open(engine.hello(epoch=2, published=1))
    code, text = await stream.status()
    assert code is grpc.StatusCode.DATA_LOSS
    assert "does not hold all event frames after 1-0" in text


async def test_restarted_engine_rebuilds_itself_to_the_same_state(tmp_path: Path) -> None:
    entries = [
        entry(n, [order(n, BUY if n % 2 else SELL, 10_000 + n % 3), Cancel(f"c{n}", f"o{n - 1}")])
        for n in range(1, 400)
    ]
    async with running_engine(tmp_path) as engine:
        frames = await (await engine.open()).apply(*entries)
        first = await engine.status()
        await engine.kill()
    async with running_engine(tmp_path) as engine:
        stream = await engine.open(epoch=2, published=300)
        assert stream.welcome
        assert stream.welcome.last_applied.ms == 0
        for at in range(0, 399, 50):
            await stream.send(*entries[at : at + 50])
        await stream.progress(300)
        assert [EventFrame.FromString(e.frame) for e in await stream.receive(99)] == frames[300:]
        second = await engine.status()
    assert first.state_hash == second.state_hash
    assert (first.events, first.trades, first.open_orders) == (second.events, second.trades, second.open_orders)
    assert first.instance != second.instance


async def test_same_frames_make_the_same_bytes_in_whatever_messages_they_come(tmp_path: Path) -> None:
    entries = [entry(n, [order(n, BUY if n % 2 else SELL)]) for n in range(1, 60)]
    seen = []
    for size in (1, 7, 59):
        async with running_engine(tmp_path) as engine:
            stream = await engine.open()
            for at in range(0, 59, size):
                await stream.send(*entries[at : at + size])
            seen.append([(e.engine_time_ns, e.events, e.frame) for e in await stream.receive(59)])
    assert seen[0] == seen[1] == seen[2]


async def test_engine_time_never_goes_back(engine: Engine) -> None:
    stream = await engine.open()
    await stream.send(entry(1, [order(1)], time_ns=T0 + 500), entry(2, [order(2)], time_ns=T0 + 100))
    assert [e.engine_time_ns for e in await stream.receive(2)] == [T0 + 500, T0 + 500]


async def test_large_backlog_comes_in_responses_of_bounded_size(engine: Engine) -> None:
    stream = await engine.open()
    count = 40
    for n in range(1, count + 1):
        await stream.send(entry(n, [New(f"{n}-{i}", BUY, 100 + i % 50, 1) for i in range(500)]))
    received = 0
    while received < count:
        response = await stream._read()
        received += len(response.entries)
        assert response.ByteSize() < 2_000_000
    assert (await engine.status()).open_orders == 500 * count


async def test_half_closed_stream_ends_ok_after_everything_was_given(engine: Engine) -> None:
    stream = await engine.open()
    await stream.send(*(entry(n, [order(n)]) for n in range(1, 21)))
    await stream.half_close()
    assert len(await stream.receive(20)) == 20
    assert (await stream.status())[0] is grpc.StatusCode.OK


async def test_sigterm_ends_streams_and_exits_0(engine: Engine) -> None:
    stream = await engine.open()
    health = health_pb2_grpc.HealthStub(engine.channel)
    await stream.apply(entry(1, [order(1)]))
    answer = await health.Check(health_pb2.HealthCheckRequest(service="ordergate.engine.v1.EngineService"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    engine.terminate()
    code, text = await stream.status()
    assert code is grpc.StatusCode.UNAVAILABLE
    assert text == "the engine is shutting down"
    assert await asyncio.wait_for(engine.process.wait(), 10) == 0


async def test_sigterm_with_a_health_watcher_and_a_relay_that_does_not_read_still_ends(engine: Engine) -> None:
    health = health_pb2_grpc.HealthStub(engine.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    stream = await engine.open()
    for n in range(1, 30):
        await stream.send(entry(n, [New(f"{n}-{i}", BUY, 100, 1) for i in range(500)]))
    engine.terminate()
    assert await asyncio.wait_for(engine.process.wait(), 20) == 0
    watch.cancel()


async def test_full_order_pool_refuses_and_goes_on(tmp_path: Path) -> None:
    async with running_engine(tmp_path, "--orders-max", "2") as engine:
        (frame,) = await (await engine.open()).apply(entry(1, [order(n) for n in (1, 2, 3)]))
    assert [e.failure.reason for _, e in events_of(frame)] == [0, 0, fail.REASON_ENGINE_CAPACITY]


async def test_tcp_port_0_takes_a_free_port_and_says_which(tmp_path: Path) -> None:
    async with running_engine(tmp_path, listen="127.0.0.1:0") as engine:
        assert not engine.address.endswith(":0")
        assert (await engine.status()).engine_version


async def test_many_streams_come_and_go(engine: Engine) -> None:
    for epoch in range(1, 60):
        stream: Apply = await engine.open(epoch=epoch, published=epoch - 1)
        assert len(await stream.apply(entry(epoch, [order(epoch)]))) == 1
        if epoch % 3:
            stream.cancel()
    assert (await engine.status()).epoch == 59
    assert (await engine.stub.GetStatus(pb.GetStatusRequest())).state_hash == ""
