"""Health and readiness: what each status follows, and that orders are taken while the engine is away."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from gateway.stack.services import ROOT
from ordergate.v1 import command_pb2, order_query_service_pb2
from ordergate.v1 import order_events_service_pb2 as events

from ..support.gateway import RunningGateway
from ..support.wire import Wire, connect, limit_order, refusal_of, refused
from .probe import open_session
from .test_follow import events_of
from .test_sessions import BEGINNING
from .words import kind, status

ENTRY, EVENTS, QUEUE = "ordergate.v1.OrderEntryService", "ordergate.v1.OrderEventsService", "ordergate.queue"
QUEUED, ENGINE = command_pb2.ACK_LEVEL_QUEUED, command_pb2.ACK_LEVEL_ENGINE
ServingStatus = health_pb2.HealthCheckResponse
WAIT_S = 30.0


async def check(wire: Wire, service: str) -> str:
    answer = await HealthStub(wire.channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT_S)
    return ServingStatus.ServingStatus.Name(answer.status)


async def watched(call: Any) -> str:
    """The next status of a Watch."""
    reading = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({reading}, timeout=WAIT_S)
    assert done, "no change of status"
    return ServingStatus.ServingStatus.Name(reading.result().status)


def watch(wire: Wire, service: str) -> Any:
    return HealthStub(wire.channel).Watch(health_pb2.HealthCheckRequest(service=service))


async def until_checked(wire: Wire, service: str, wanted: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while (found := await check(wire, service)) != wanted:
        assert time.monotonic() < deadline, f"{service} is still {found}"
        await asyncio.sleep(0.05)


async def test_an_unknown_service_has_no_status(door: Wire) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(door, "nobody")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    call = watch(door, "nobody")
    assert await watched(call) == "SERVICE_UNKNOWN"
    call.cancel()


@pytest.mark.parametrize("service", ["", QUEUE, ENTRY, EVENTS, "ordergate.v1.OrderQueryService"])
async def test_a_watch_tells_the_status_at_once(service: str, wire: Wire) -> None:
    call = watch(wire, service)
    assert await watched(call) == "SERVING"
    call.cancel()


async def test_health_needs_no_token_and_refuses_garbage(gateway: RunningGateway) -> None:
    async with connect(gateway.address, "") as wire:
        assert await check(wire, "") == "SERVING"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wire.raw("/grpc.health.v1.Health/Check", b"\xff\xff")
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert await check(wire, "") == "SERVING"


class Engine:
    """An engine that the test starts and kills, at the address that its gateway was given."""

    def __init__(self, binary: Path, home: Path) -> None:
        self.socket = home / "engine.sock"
        self._argv = [binary, "--listen", f"unix:{self.socket}", "--instruments", ROOT / "instruments.toml"]
        self._argv += ["--data-dir", home / "engine"]  # by default it takes the snapshots of a stack in this checkout
        self._log = home / "engine.log"
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def end(self, sig: signal.Signals = signal.SIGKILL) -> None:
        if self._popen is not None:
            self._popen.send_signal(sig)
            self._popen.wait(WAIT_S)
            self._popen = None
            self.socket.unlink(missing_ok=True)


@pytest.fixture
def engine(engine_binary: Path, short_path: Path) -> Iterator[Engine]:
    made = Engine(engine_binary, short_path)
    yield made
    made.end()


@pytest.fixture
async def lonely(engine: Engine, gateway_factory, account: str) -> AsyncIterator[Wire]:
    """A connection to a gateway whose engine is not there yet."""
    gateway = gateway_factory("--engine", f"unix:{engine.socket}", "--ack-timeout-s", "1")
    async with connect(await asyncio.to_thread(lambda: gateway.address), gateway.token(account)) as wire:
        yield wire


async def test_orders_are_taken_before_the_engine_is_there_and_decided_later(lonely: Wire, engine: Engine) -> None:
    assert [await check(lonely, name) for name in ("", QUEUE, ENTRY)] == ["SERVING", "SERVING", "NOT_SERVING"]
    commands = [limit_order() for _ in range(20)]
    acks = [await lonely.submit(command) for command in commands]
    assert {ack.level for ack in acks} == {QUEUED}
    found = await lonely.get_order(order_id=acks[7].order_id)
    assert (status(found.order), found.source) == ("QUEUED", order_query_service_pb2.ORDER_SOURCE_QUEUE)
    assert found.order.updated_at == found.order.queued_at == acks[7].queued_at
    assert (found.order.version, found.order.last_event_seq) == (0, 0)
    entry, queue = watch(lonely, ENTRY), watch(lonely, QUEUE)
    assert [await watched(entry), await watched(queue)] == ["NOT_SERVING", "SERVING"]
    engine.start()
    assert await watched(entry) == "SERVING"
    call = lonely.follow(events.FollowRequest(start=BEGINNING))
    told = await events_of(call, 20)
    assert [event.command_id for event in told] == [command.command_id for command in commands]
    engine.end()
    assert await watched(entry) == "NOT_SERVING"
    assert (await lonely.submit(limit_order())).level == QUEUED
    engine.start()
    assert await watched(entry) == "SERVING"
    assert [event.seq for event in await events_of(call, 1)] == [21]
    assert await check(lonely, QUEUE) == "SERVING"
    for each in (entry, queue, call):
        each.cancel()


async def test_a_level_that_is_not_reached_in_time_is_told_as_such(lonely: Wire) -> None:
    command = limit_order(ack_level=ENGINE)
    refusal = await refused(lonely.submit(command))
    assert (refusal.code, refusal.reason, refusal.disposition) == ("DEADLINE_EXCEEDED", "ACK_TIMEOUT", "APPLIED")
    assert status((await lonely.get_order(client_order_id=command.command_id)).order) == "QUEUED"
    (in_batch,) = await lonely.submit_batch(limit_order(ack_level=ENGINE))
    async with open_session(lonely, default_ack_level=ENGINE) as session:
        await session.send(limit_order(), limit_order(ack_level=QUEUED))
        await session.until_acks(2)
        await session.half_close()
        assert await session.until_ended() == grpc.StatusCode.OK
    queued, late = session.acks
    assert (queued.level, queued.HasField("failure")) == (QUEUED, False)
    for ack in (in_batch, late):
        told = refusal_of(ack.failure)
        assert (ack.level, told.reason, told.disposition) == (QUEUED, "ACK_TIMEOUT", "APPLIED")
        assert ack.position


async def test_an_order_that_became_stale_in_the_queue_is_not_released(lonely: Wire, engine: Engine) -> None:
    stale, good = limit_order(), limit_order()
    stale.valid_until.FromNanoseconds(time.time_ns() + 2 * 10**9)
    await lonely.submit(stale)
    await lonely.submit(good)
    await asyncio.sleep(2.1)  # it is the passing of time that is tested
    engine.start()
    await until_checked(lonely, ENTRY, "SERVING")
    call = lonely.follow(events.FollowRequest(start=BEGINNING))
    rejected, accepted = await events_of(call, 2)
    call.cancel()
    assert (kind(rejected), refusal_of(rejected.failure).reason) == ("REJECTED", "STALE")
    assert (kind(accepted), status(rejected.order)) == ("ACCEPTED", "REJECTED")


async def test_a_redis_that_is_gone_is_told_and_comes_back(gateway_factory, account: str) -> None:
    gateway: RunningGateway = gateway_factory("--append-timeout-s", "0.5")
    async with connect(await asyncio.to_thread(lambda: gateway.address), gateway.token(account)) as wire:
        before = [await wire.submit(limit_order()) for _ in range(3)]
        async with open_session(wire) as session:
            assert gateway.redis is not None
            gateway.redis.kill()
            await until_checked(wire, QUEUE, "NOT_SERVING")
            refusal = await refused(wire.submit(limit_order()))
            assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "QUEUE_UNAVAILABLE")
            assert refusal.retry_s
            await session.send(limit_order())
            assert refusal_of((await session.until_acks(1))[0].failure).reason == "QUEUE_UNAVAILABLE"
            assert (await refused(wire.get_order(order_id=before[0].order_id))).code == "UNAVAILABLE"
            assert await check(wire, "") == "SERVING"
            await asyncio.to_thread(gateway.redis.restart)
            await until_checked(wire, QUEUE, "SERVING")
            await session.send(limit_order())
            assert (await session.until_acks(2))[1].level == QUEUED
        for ack in before:
            assert (await wire.get_order(order_id=ack.order_id)).order.order_id == ack.order_id
