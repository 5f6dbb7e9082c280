"""More than the stack can write: who sends as fast as it is answered is slowed down, not refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import redis.asyncio

from ..support.wire import connect, limit_order
from .probe import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..support.stack import RunningStack

MESSAGES, PER_MESSAGE, UNDER_WAY = 200, 200, 20
MAXMEMORY = 16_000_000
"""All the orders and their events take one and a half times that."""


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
        most = 0
        for number in range(MESSAGES):
            await session.send(*(limit_order() for _ in range(PER_MESSAGE)))
            await session.until_acks((number + 1 - UNDER_WAY) * PER_MESSAGE)
            most = max(most, (await admin.info("memory"))["used_memory"])
        async with asyncio.timeout(120):
            await session.until_acks(MESSAGES * PER_MESSAGE)
        assert not [ack.failure for ack in session.acks if ack.HasField("failure")]
        assert most > 0.6 * MAXMEMORY, "there was no overload"
