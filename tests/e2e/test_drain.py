"""SIGTERM under load: GoAway with a cursor, everything taken is answered, exit status 0 within the grace."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time

import grpc
import redis

from ordergate.log.v1 import command_frame_pb2
from ordergate.v1 import command_pb2

from ..support.gateway import RunningGateway
from ..support.wire import connect, limit_order, new_account, refusal_of
from .probe import SessionProbe, open_session, raw_session

QUEUED = command_pb2.ACK_LEVEL_QUEUED
GRACE_S = 10.0
SLACK_S = 15.0
"""For a busy machine: start of a process's end, and its exit."""


def logged(gateway: RunningGateway) -> list[str]:
    """command_ids in the log, in order."""
    with redis.Redis.from_url(gateway.redis_url) as client:
        entries = client.xrange("og:{0}:commands")
    frames = [command_frame_pb2.CommandFrame.FromString(fields[b"f"]) for _, fields in entries]
    return [command_id for frame in frames for command_id in frame.command_ids]


async def send_until_told(session: SessionProbe) -> list[str]:
    """Sends until the server says that it goes, then half-closes; ids of the commands sent."""
    sent: list[str] = []
    while session.go_away is None and session.ended is None:
        commands = [limit_order() for _ in range(20)]
        sent += [command.command_id for command in commands]
        await session.send(*commands)
        await asyncio.sleep(0)
    await session.half_close()
    await session.until_ended()
    return sent


async def test_a_drain_answers_everything_that_was_taken(gateway_factory) -> None:
    gateway: RunningGateway = gateway_factory("--drain-grace-s", str(GRACE_S))
    address = await asyncio.to_thread(lambda: gateway.address)
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connect(address, gateway.token(new_account()))) for _ in range(4)]
        sessions = [await stack.enter_async_context(open_session(wire)) for wire in wires]
        sending = [asyncio.create_task(send_until_told(session)) for session in sessions]
        for session in sessions:
            await session.until_acks(200)
        asked = time.monotonic()
        gateway.signal(signal.SIGTERM)
        sent = await asyncio.gather(*sending)
        assert await asyncio.to_thread(gateway.wait) == 0
        took_s = time.monotonic() - asked
    in_log = logged(gateway)
    for session, ids in zip(sessions, sent, strict=True):
        assert session.ended == grpc.StatusCode.OK
        assert (session.told.reason, len(session.go_away.cursors)) == ("DRAINING", 1)
        answered = {ack.command_id: ack for ack in session.acks}
        stored = [i for i in ids if i in answered and answered[i].level == QUEUED]
        assert {refusal_of(answered[i].failure).reason for i in ids if i in answered and i not in stored} <= {
            "DRAINING"
        }
        assert set(ids) - answered.keys() == set(), "neither acknowledged nor told"
        assert [i for i in in_log if i in set(ids)] == stored
    assert took_s < GRACE_S + SLACK_S


async def test_idle_streams_do_not_keep_a_drain_waiting(gateway_factory) -> None:
    gateway: RunningGateway = gateway_factory("--drain-grace-s", "60")
    address = await asyncio.to_thread(lambda: gateway.address)
    async with connect(address, gateway.token()) as wire, open_session(wire) as idle, raw_session(wire) as silent:
        gateway.signal(signal.SIGTERM)
        assert await idle.until_ended() == grpc.StatusCode.OK
        assert idle.told.reason == "DRAINING"
        assert await silent.until_ended() == grpc.StatusCode.UNAVAILABLE
        assert await asyncio.to_thread(gateway.wait, 30) == 0


async def test_a_second_signal_ends_it_at_once(gateway_factory) -> None:
    gateway: RunningGateway = gateway_factory("--drain-grace-s", "60", "--ack-timeout-s", "60")
    address = await asyncio.to_thread(lambda: gateway.address)
    async with connect(address, gateway.token()) as wire, open_session(wire) as session:
        await session.send(limit_order(ack_level=command_pb2.ACK_LEVEL_ENGINE))  # there is no engine: it stays open
        gateway.signal(signal.SIGTERM)
        await session.until(lambda: session.go_away)
        gateway.signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.wait, 30) != 0
