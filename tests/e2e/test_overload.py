"""More than the stack can write: who sends as fast as it is answered is slowed down, not refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import redis.asyncio

from ..support.wire import connect, limit_order
from .probe import SessionProbe, open_session
from .processes import freeze, thaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.stack import RunningStack

MESSAGES, PER_MESSAGE, UNDER_WAY = 600, 200, 5
MAXMEMORY = 32_000_000
"""All the orders and their events take twice that."""
PRESSURE = 0.75
"""Part of it that is filled while nothing is written to Postgres; from 0.7 on the queue is filled more slowly, from 0.9
on orders are refused. What is under way then takes 0.02."""


async def test_who_sends_as_fast_as_it_is_answered_is_not_refused(
    stack_factory: Callable[..., RunningStack], account: str
) -> None:
    stack = stack_factory(environ={"ORDERGATE_EVENTS_WINDOW_BYTES": "1000000"})
    async with (
        redis.asyncio.from_url(stack.redis_url) as admin,
        connect(stack.address, stack.token(account)) as wire,
        open_session(wire) as session,
    ):
        await admin.config_set("maxmemory", MAXMEMORY)
        persister = stack.pids["persister"]
        freeze(persister)
        try:
            sent = await _fill(session, admin)
        finally:
            thaw(persister)
        assert sent < MESSAGES, "there was no overload"
        for number in range(sent, MESSAGES):
            await _send(session, number)
        async with asyncio.timeout(120):
            await session.until_acks(MESSAGES * PER_MESSAGE)
        assert not [ack.failure for ack in session.acks if ack.HasField("failure")]


async def _fill(session: SessionProbe, admin: redis.asyncio.Redis) -> int:
    """Sends until Redis is filled to `PRESSURE`, or nothing is left to send; how many messages that took."""
    for number in range(MESSAGES):
        await _send(session, number)
        if (await admin.info("memory"))["used_memory"] > PRESSURE * MAXMEMORY:
            return number + 1
    return MESSAGES


async def _send(session: SessionProbe, number: int) -> None:
    await session.send(*(limit_order() for _ in range(PER_MESSAGE)))
    await session.until_acks((number + 1 - UNDER_WAY) * PER_MESSAGE)
