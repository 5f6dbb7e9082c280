from __future__ import annotations

import asyncio
import gc
from decimal import Decimal
from typing import TYPE_CHECKING

import grpc
import pytest

from gateway.client import (
    AckLevel,
    EventKind,
    OrderClient,
    OrderStatus,
    OutcomeUnknown,
    Reason,
    Rejected,
    SessionClosed,
    SessionOptions,
    Side,
    Unauthenticated,
    Unavailable,
    new_order,
)
from ordergate.v1 import failure_pb2
from tests.unit.client.fake_gateway import TOKEN, on_call, once

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.client import Session
    from ordergate.v1.command_pb2 import Command
    from tests.unit.client.fake_gateway import FakeGateway

ACKS_ONLY = SessionOptions(events=False)


def orders(count: int, first: int = 0) -> list[Command]:
    return [
        new_order(symbol="X", side=Side.BUY, quantity=1, price=i + 1, account="alpha", command_id=f"c{i}")
        for i in range(first, first + count)
    ]


def logged(gateway: FakeGateway) -> list[str]:
    return [command.command_id for command in gateway.log.commands]


async def test_an_order_is_acknowledged_and_its_event_follows(client: OrderClient) -> None:
    async with client.session() as session:
        ack = await session.submit(symbol="X", side=Side.BUY, quantity="2", price="1.50", account="alpha")
        event = await anext(session.events())
    assert (ack.level, ack.failure) == (AckLevel.QUEUED, None)
    assert (event.kind, event.seq) == (EventKind.ACCEPTED, 1)
    assert event.order is not None
    assert (event.order.order_id, event.order.limit_price) == (ack.order_id, Decimal("1.50"))
    assert session.durable
    assert session.accounts == ("alpha", "beta")


async def test_commands_that_wait_share_a_message_and_keep_their_order(
    client: OrderClient, gateway: FakeGateway
) -> None:
    async with client.session(ACKS_ONLY) as session:
        acks = await session.send_many(orders(250))
    assert [ack.command_id for ack in acks] == logged(gateway) == [f"c{i}" for i in range(250)]
    assert max(gateway.frames) == 100
    assert len(gateway.frames) <= 4


async def test_single_submits_made_at_once_share_messages(client: OrderClient, gateway: FakeGateway) -> None:
    async with client.session(ACKS_ONLY) as session:
        acks = await asyncio.gather(*(session.send(order) for order in orders(200)))
    assert [ack.command_id for ack in acks] == [f"c{i}" for i in range(200)]
    assert len(gateway.frames) < 20


async def test_no_more_than_the_window_is_sent_without_an_ack(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.acks_allowed.clear()
    async with client.session(SessionOptions(events=False, window=30)) as session:
        batch = session.send_many(orders(90))
        await until(lambda: len(gateway.log.commands) >= 30)
        waiting = asyncio.create_task(session.ready())
        await asyncio.sleep(0.1)
        assert len(gateway.log.commands) == 30
        assert not waiting.done()
        gateway.acks_allowed.set()
        await waiting
        assert session.unacknowledged < 37
        await batch
    assert len(gateway.log.commands) == 90


@pytest.mark.parametrize("when", ["lose_before_store", "lose_after_store"])
async def test_a_lost_stream_loses_and_repeats_nothing(client: OrderClient, gateway: FakeGateway, when: str) -> None:
    setattr(gateway, when, on_call(2, 5))
    async with client.session() as session:
        acks = await session.send_many(orders(500))
        told = [event.command_id async for event in _first(session, 500)]
        assert session.reconnects == 2
    assert [ack.command_id for ack in acks] == logged(gateway) == told == [f"c{i}" for i in range(500)]


async def test_a_restarted_server_is_found_again(client: OrderClient, gateway: FakeGateway) -> None:
    async with client.session() as session:
        await session.send_many(orders(10))
        await gateway.stop()
        batch = session.send_many(orders(10, first=10))
        await asyncio.sleep(0.3)
        assert not batch.done
        await gateway.start()
        await batch
        assert [event.seq async for event in _first(session, 20)] == list(range(1, 21))
    assert logged(gateway) == [f"c{i}" for i in range(20)]


async def test_a_stream_that_falls_silent_is_replaced(client: OrderClient, gateway: FakeGateway) -> None:
    options = SessionOptions(events=False, heartbeat_interval_s=0.4)
    async with client.session(options) as session:
        gateway.acks_allowed.clear()
        batch = session.send_many(orders(3))
        await until(lambda: session.reconnects > 0)
        gateway.acks_allowed.set()
        assert len(await batch) == 3
    assert logged(gateway) == ["c0", "c1", "c2"]


async def test_every_stream_of_a_session_tells_its_name_and_grace(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.go_away_after = 100
    options = SessionOptions(events=False, window=100, session_name="desk-1", disconnect_grace_s=2.5)
    async with client.session(options) as session:
        await session.send_many(orders(400))
        assert session.reconnects == 1
    told = [(hello.session_name, hello.disconnect_grace.ToMilliseconds()) for hello in gateway.hellos]
    assert told == [("desk-1", 2500)] * 2


async def test_a_session_without_a_name_tells_no_grace(client: OrderClient, gateway: FakeGateway) -> None:
    async with client.session(ACKS_ONLY):
        pass
    assert [h.HasField("disconnect_grace") for h in gateway.hellos] == [False]


async def test_go_away_moves_the_session_to_a_new_stream(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.go_away_after = 100
    async with client.session(SessionOptions(events=False, window=100)) as session:
        assert len(await session.send_many(orders(400))) == 400
        assert session.reconnects == 1
    assert logged(gateway) == [f"c{i}" for i in range(400)]


async def test_go_away_for_good_ends_the_session_with_its_reason(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.go_away_after, gateway.go_away_reason = 1, failure_pb2.REASON_SESSION_SUPERSEDED
    async with client.session(ACKS_ONLY) as session:
        await session.send_many(orders(1))
        with pytest.raises(OutcomeUnknown) as caught:
            await _send_until_it_fails(session)
    assert caught.value.reason == Reason.SESSION_SUPERSEDED


async def test_without_reconnect_a_lost_stream_leaves_the_outcome_unknown(
    client: OrderClient, gateway: FakeGateway
) -> None:
    gateway.lose_after_store = once()
    async with client.session(SessionOptions(reconnect=False)) as session:
        batch = session.send_many(orders(3))
        with pytest.raises(OutcomeUnknown):
            await batch
        with pytest.raises(Unavailable):
            await anext(session.events())
        with pytest.raises(Unavailable):
            session.send_many(orders(1, first=9))


async def test_a_refused_command_raises_and_the_session_goes_on(client: OrderClient) -> None:
    async with client.session(ACKS_ONLY) as session:
        with pytest.raises(Rejected) as caught:
            await session.submit(symbol="X", side=Side.BUY, quantity=1, price=1, account="nobody")
        assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FIELD, "account")
        assert (await session.send(orders(1)[0])).level == AckLevel.QUEUED


async def test_engine_level_ack_carries_the_order(client: OrderClient) -> None:
    async with client.session(ACKS_ONLY) as session:
        await session.send(orders(1)[0])
        ack = await session.cancel(client_order_id="c0", account="alpha", ack_level=AckLevel.ENGINE)
    assert ack.order is not None
    assert (ack.order.status, ack.order.is_final) == (OrderStatus.CANCELED, True)


async def test_leaving_the_block_sends_what_waits(client: OrderClient, gateway: FakeGateway) -> None:
    async with client.session() as session:
        batch = session.send_many(orders(333))
    assert batch.done
    assert len(await batch) == len(gateway.log.commands) == 333
    with pytest.raises(SessionClosed):
        session.send_many(orders(1))
    assert [event.seq async for event in session.events()][:1] == [1]


async def test_leaving_the_block_by_an_exception_closes_at_once(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.acks_allowed.clear()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with client.session() as session:
            batch = session.send_many(orders(1))
            raise ZeroDivisionError
    with pytest.raises(OutcomeUnknown):
        await batch


async def test_events_nobody_reads_hold_up_acks_but_not_the_close(client: OrderClient, gateway: FakeGateway) -> None:
    async with client.session(SessionOptions(event_buffer=10)) as session:
        for first in range(0, 300, 100):
            session.send_many(orders(100, first))
        await asyncio.sleep(0.2)
    assert session.unacknowledged == 0
    assert len(gateway.log.commands) == 300


async def test_events_start_after_the_given_cursor(client: OrderClient, gateway: FakeGateway) -> None:
    async with client.session() as session:
        await session.send_many(orders(6))
        events = [event async for event in _first(session, 6)]
    async with client.session(SessionOptions(after=events[3].cursor)) as session:
        assert [event.seq async for event in _first(session, 2)] == [5, 6]
    async with client.session(SessionOptions(beginning=True)) as session:
        assert [event.seq async for event in _first(session, 6)] == [1, 2, 3, 4, 5, 6]


async def test_a_command_id_in_flight_twice_is_refused_before_anything_is_sent(
    client: OrderClient, gateway: FakeGateway
) -> None:
    async with client.session(ACKS_ONLY) as session:
        with pytest.raises(ValueError, match="used twice"):
            session.send_many([*orders(2), *orders(1)])
        gateway.acks_allowed.clear()
        batch = session.send_many(orders(1))
        with pytest.raises(ValueError, match="used twice"):
            session.send_many(orders(1))
        gateway.acks_allowed.set()
        await batch
        await session.send_many(orders(1))
    assert logged(gateway) == ["c0"]


async def test_a_bad_token_is_told_when_the_session_is_opened(gateway: FakeGateway) -> None:
    async with OrderClient(gateway.address, token="bad") as client:
        with pytest.raises(Unauthenticated):
            async with client.session():
                pass


async def test_a_token_that_can_be_renewed_is_renewed(gateway: FakeGateway) -> None:
    tokens = iter(["expired", "expired", TOKEN])

    async def current() -> str:
        return next(tokens)

    async with OrderClient(gateway.address, token=current) as client, client.session(ACKS_ONLY) as session:
        assert await session.send_many(orders(1))


async def test_an_absent_server_is_told_in_time(gateway: FakeGateway) -> None:
    await gateway.stop()
    async with OrderClient(gateway.address, token=TOKEN) as client:
        with pytest.raises(Unavailable):
            async with client.session(SessionOptions(connect_timeout_s=0.5)):
                pass


async def test_a_status_canceled_by_the_server_is_a_lost_stream(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.refusals = [grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL]
    async with client.session(ACKS_ONLY) as session:
        assert len(await session.send_many(orders(2))) == 2


async def test_a_faulty_callback_ends_the_session_and_tells(client: OrderClient) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    async with client.session(SessionOptions(events=False, on_acks=broken)) as session:
        with pytest.raises(OutcomeUnknown, match="ZeroDivisionError"):
            await _send_until_it_fails(session)
    gc.collect()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is awaited happens in the server
        await asyncio.sleep(0.01)


async def _first(session: Session, count: int):
    async for event in session.events():
        yield event
        count -= 1
        if not count:
            return


async def _send_until_it_fails(session: Session) -> None:
    for number in range(10_000):
        try:
            await session.send(orders(1, first=number + 1)[0])
        except OutcomeUnknown:
            raise
        except Exception as error:
            raise OutcomeUnknown(str(error), reason=getattr(error, "reason", Reason.UNSPECIFIED)) from error
