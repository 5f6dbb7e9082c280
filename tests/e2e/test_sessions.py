"""Sessions: order of acks and events, half-close, heartbeats, the end of a token's life, going on after any event."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from ordergate.v1 import command_pb2, event_pb2, order_pb2
from ordergate.v1 import order_entry_service_pb2 as entry

from ..support.stack import RunningStack
from ..support.wire import Wire, cancel_order, connect, limit_order, new_account, new_id
from .probe import SessionProbe, open_session, raw_session

QUEUED, ENGINE, PERSISTED = (
    command_pb2.ACK_LEVEL_QUEUED,
    command_pb2.ACK_LEVEL_ENGINE,
    command_pb2.ACK_LEVEL_PERSISTED,
)


def after(cursor: str) -> event_pb2.StreamStart:
    return event_pb2.StreamStart(after=event_pb2.Cursors(cursors=[cursor]))


BEGINNING = event_pb2.StreamStart(beginning=event_pb2.Beginning())


def first_mention(session: SessionProbe, level: int) -> tuple[dict[str, int], dict[str, int]]:
    """Number of the message that first brought a command's ack of `level`, and its event."""
    acked: dict[str, int] = {}
    told: dict[str, int] = {}
    for number, message in enumerate(session.messages):
        for ack in message.acks:
            if ack.level == level:
                acked.setdefault(ack.command_id, number)
        for event in message.events:
            told.setdefault(event.command_id, number)
    return acked, told


async def test_the_welcome_tells_the_terms(wire: Wire, account: str) -> None:
    async with open_session(wire, client="tests/1", heartbeat_interval=Duration(seconds=3)) as session:
        welcome = session.welcome
    assert (list(welcome.accounts), welcome.shards, welcome.durable) == ([account], 1, True)
    assert (welcome.max_commands_per_message, welcome.max_message_bytes) == (1000, 1_048_576)
    assert welcome.heartbeat_interval.ToSeconds() == 3
    assert (len(welcome.cursors), bool(welcome.server_version)) == (1, True)


@pytest.mark.parametrize("level", [QUEUED, ENGINE])
async def test_acks_come_in_order_and_never_behind_their_events(level: int, wire: Wire, symbol: str) -> None:
    async with open_session(wire, default_ack_level=level) as session:
        sent = []
        for size in [1, 7, 100, 1, 1, 30] * 15:
            commands = [limit_order(symbol=symbol) for _ in range(size)]
            sent += [command.command_id for command in commands]
            await session.send(*commands)
        await session.until_acks(len(sent))
        await session.until_events(len(sent))
    assert [ack.command_id for ack in session.acks] == sent
    assert [event.command_id for event in session.events] == sent
    acked, told = first_mention(session, level)
    assert {name: (acked[name], told[name]) for name in sent if acked[name] > told[name]} == {}


async def test_acks_of_each_level_come_in_the_order_of_the_commands(wire: Wire, symbol: str) -> None:
    async with open_session(wire) as session:
        commands = [limit_order(symbol=symbol, ack_level=level) for level in (PERSISTED, QUEUED, ENGINE) * 20]
        for n in range(0, 60, 4):
            await session.send(*commands[n : n + 4])
        await session.until_acks(60)
    for level in (QUEUED, ENGINE, PERSISTED):
        wanted = [command.command_id for command in commands if command.ack_level == level]
        assert [ack.command_id for ack in session.acks if ack.level == level] == wanted


async def test_the_log_keeps_the_order_of_a_stream(wire: Wire, symbol: str) -> None:
    """A cancel right behind its order always finds it."""
    async with open_session(wire) as session:
        for _ in range(100):
            order = limit_order(symbol=symbol)
            await session.send(order, cancel_order(client_order_id=order.command_id))
        await session.until_events(200)
    assert [event.kind for event in session.events] == [
        event_pb2.EVENT_KIND_ACCEPTED,
        event_pb2.EVENT_KIND_CANCELED,
    ] * 100
    assert [event.seq for event in session.events] == list(range(1, 201))


async def test_after_a_half_close_everything_is_answered(wire: Wire, symbol: str) -> None:
    async with open_session(wire) as session:
        commands = [limit_order(symbol=symbol, ack_level=level) for level in (QUEUED, ENGINE, PERSISTED)]
        await session.send(*commands)
        await session.half_close()
        assert await session.until_ended() == grpc.StatusCode.OK
    assert {ack.command_id: ack.level for ack in session.acks} == {c.command_id: c.ack_level for c in commands}
    assert session.go_away is None


async def test_a_session_of_acks_only_gets_no_events(wire: Wire, symbol: str) -> None:
    async with open_session(wire, acks_only=True) as session:
        await session.send(*(limit_order(symbol=symbol, ack_level=PERSISTED) for _ in range(5)))
        await session.until_acks(5)
        await session.send(ping=True)
        await session.until(lambda: session.heartbeats)
    assert (session.events, list(session.welcome.cursors)) == ([], [])


async def test_a_session_gets_events_of_the_accounts_that_it_names(stack: RunningStack, symbol: str) -> None:
    one, two = new_account(), new_account()
    async with connect(stack.address, stack.token(one, two)) as wire, open_session(wire, accounts=[two]) as session:
        await session.send(*(limit_order(symbol=symbol, account=name) for name in (one, two, one, two)))
        await session.until_events(2)
        await wire.submit(limit_order(symbol=symbol, account=one, ack_level=ENGINE))
        await session.send(limit_order(symbol=symbol, account=two))
        await session.until_events(3)
    assert {event.order.account for event in session.events} == {two}
    assert [ack.account for ack in session.acks] == [one, two, one, two, two]


async def test_events_of_several_accounts_come_in_the_order_of_the_log(stack: RunningStack, symbol: str) -> None:
    accounts = [new_account() for _ in range(3)]
    async with connect(stack.address, stack.token(*accounts)) as wire, open_session(wire) as session:
        commands = [limit_order(symbol=symbol, account=accounts[n % 3]) for n in range(90)]
        for n in range(0, 90, 9):
            await session.send(*commands[n : n + 9])
        await session.until_events(90)
    assert [event.command_id for event in session.events] == [command.command_id for command in commands]
    for account in accounts:
        assert [e.seq for e in session.events if e.order.account == account] == list(range(1, 31))


async def test_a_ping_is_answered_with_the_place_reached(wire: Wire, symbol: str) -> None:
    async with open_session(wire) as session:
        await session.send(limit_order(symbol=symbol))
        last = (await session.until_events(1))[0]
        await session.send(ping=True)
        await session.until(lambda: session.heartbeats)
        beat = session.heartbeats[0]
        assert abs(beat.server_time.ToNanoseconds() - time.time_ns()) < 30e9
        async with open_session(wire, start=after(beat.cursors[0])) as later:
            await later.send(limit_order(symbol=symbol))
            assert (await later.until_events(1))[0].seq == last.seq + 1


async def test_a_silent_session_gets_heartbeats(wire: Wire) -> None:
    async with open_session(wire, heartbeat_interval=Duration(seconds=1)) as session:
        await session.until(lambda: len(session.heartbeats) >= 2, timeout_s=15)
    assert session.events == []


async def test_a_ping_may_be_the_first_message(wire: Wire) -> None:
    async with raw_session(wire) as session:
        await session.send(ping=True)
        await session.until(lambda: session.heartbeats)
        assert session.messages[0].HasField("welcome")


async def test_a_session_ends_with_its_token(stack: RunningStack, account: str, symbol: str) -> None:
    async with (
        connect(stack.address, stack.token(account, ttl_s=3)) as wire,
        open_session(wire) as session,
        open_session(wire, acks_only=True) as silent,
    ):
        await session.send(limit_order(symbol=symbol))
        last = (await session.until_events(1))[0]
        assert await session.until_ended() == grpc.StatusCode.OK
        assert await silent.until_ended() == grpc.StatusCode.OK
        assert (session.told.reason, silent.told.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        (cursor,) = session.go_away.cursors
    async with connect(stack.address, stack.token(account)) as wire, open_session(wire, start=after(cursor)) as session:
        await session.send(limit_order(symbol=symbol))
        assert (await session.until_events(1))[0].seq == last.seq + 1


async def history(wire: Wire, symbol: str, frames: int = 6, size: int = 5) -> list[event_pb2.OrderEvent]:
    """Events of a few frames, each with several."""
    async with open_session(wire) as session:
        for n in range(frames):
            await session.send(*(limit_order(symbol=symbol) for _ in range(size)))
            await session.until_events((n + 1) * size)
        return session.events


async def test_a_session_goes_on_after_any_event(wire: Wire, symbol: str) -> None:
    past = await history(wire, symbol)
    assert [event.seq for event in past] == list(range(1, 31))
    for place in range(0, 30, 3):
        async with open_session(wire, start=after(past[place].cursor)) as session:
            await session.until_events(29 - place)
            await session.send(ping=True)
            await session.until(lambda session=session: session.heartbeats)
        assert session.events == past[place + 1 :]


async def test_a_session_starts_from_the_beginning(wire: Wire, symbol: str) -> None:
    past = await history(wire, symbol)
    async with open_session(wire, start=BEGINNING) as session:
        await session.send(limit_order(symbol=symbol))
        await session.until_events(31)
    assert session.events[:30] == past
    assert session.events[30].seq == 31


async def test_a_session_misses_nothing_while_others_write(
    wire: Wire, account: str, symbol: str, stack: RunningStack
) -> None:
    """Resumes again and again in the midst of a flow: no gap, no repeat, no seam."""
    stop = asyncio.Event()

    async def flow() -> int:
        count = 0
        async with open_session(wire, acks_only=True) as session:
            while not stop.is_set():
                await session.send(*(limit_order(symbol=symbol) for _ in range(10)))
                count += 10
                await session.until_acks(count)
        return count

    seen: list[int] = []
    start = event_pb2.StreamStart(live=event_pb2.Live())
    async with connect(stack.address, stack.token(account)) as reader:
        async with open_session(reader, start=start) as session:
            cursor = session.welcome.cursors[0]
            writer = asyncio.create_task(flow())
        for _ in range(25):
            async with open_session(reader, start=after(cursor)) as session:
                await session.until_events(15)
                kept = session.events[: 7 + len(seen) % 5]
            seen += [event.seq for event in kept]
            cursor = kept[-1].cursor
        stop.set()
        total = await writer
        async with open_session(reader, start=after(cursor)) as session:
            await session.until_events(total - len(seen))
            seen += [event.seq for event in session.events]
    assert seen == list(range(1, total + 1))


async def test_a_reader_that_sleeps_loses_nothing_and_slows_nobody(
    stack: RunningStack, account: str, symbol: str
) -> None:
    """More events wait than the server holds for a stream: it goes on from the log."""
    small = ("grpc.max_receive_message_length", 4 * 2**20)
    stub = "/ordergate.v1.OrderEntryService/Session"
    async with (
        connect(stack.address, stack.token(account), small) as sleeper,
        connect(stack.address, stack.token(account)) as writer,
    ):
        call = sleeper.channel.stream_stream(stub, response_deserializer=entry.SessionResponse.FromString)(
            metadata=sleeper.metadata
        )
        await call.write(entry.SessionRequest(ping=True).SerializeToString())
        assert (await call.read()).HasField("welcome")
        total = 0
        async with open_session(writer, acks_only=True) as session:
            while total < 30_000:
                await session.send(
                    *(limit_order(symbol=symbol, command_id=f"{n:064}") for n in range(total, total + 1000))
                )
                total += 1000
            await session.until_acks(total)
            last = limit_order(symbol=symbol, ack_level=ENGINE)
            assert (await writer.submit(last)).level == ENGINE
        seqs: list[int] = []
        while len(seqs) < total + 1:
            seqs += [event.seq for event in (await call.read()).events]
        call.cancel()
    assert seqs == list(range(1, total + 2))


async def test_an_ack_tells_its_place_in_the_log(wire: Wire, symbol: str) -> None:
    async with open_session(wire) as session:
        await session.send(*(limit_order(symbol=symbol, command_id=new_id()) for _ in range(3)))
        acks = await session.until_acks(3)
        events = await session.until_events(3)
    for ack, event in zip(acks, events, strict=True):
        assert ack.position.rpartition(":")[0] == event.cursor.rpartition(":")[0]
        assert (ack.order_id, ack.command_id) == (event.order.order_id, event.order.client_order_id)
        assert event.order.status == order_pb2.ORDER_STATUS_OPEN
