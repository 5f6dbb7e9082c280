"""Named sessions that are lost: which cancels reach the log, and when none does. Without an engine: the log is read."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from google.protobuf.duration_pb2 import Duration

from gateway.streams import Keys
from ordergate.log.v1 import command_frame_pb2 as log
from tests.e2e.probe import open_session
from tests.support.wire import Wire, connect, limit_order, new_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.gateway import RunningGateway

WAIT_S = 30.0
NO_MORE_S = 0.5
"""A cancel that is not due does not come within this time."""


class LogReader:
    """The command stream, as far as one account's mass cancels are concerned."""

    def __init__(self, client: redis.asyncio.Redis, account: str) -> None:
        self._client = client
        self._account = account

    async def rows(self) -> list[tuple[str, log.MassCancelRow]]:
        """command_id and row of each mass cancel so far."""
        found: list[tuple[str, log.MassCancelRow]] = []
        entries: Any = await self._client.xrange(Keys(0).commands)
        for _, fields in entries:
            frame = log.CommandFrame.FromString(fields[b"f"])
            rows = iter(frame.mass_cancels)
            for index, kind in enumerate(frame.kinds):
                if kind == log.COMMAND_KIND_MASS_CANCEL:
                    row = next(rows)
                    if frame.accounts[frame.account_index[index]] == self._account:
                        found.append((frame.command_ids[index], row))
        return found

    async def until(self, count: int) -> list[tuple[str, log.MassCancelRow]]:
        """Waits for so many."""
        async with asyncio.timeout(WAIT_S):
            while len(rows := await self.rows()) < count:  # noqa: ASYNC110 - Redis tells only if asked
                await asyncio.sleep(0.02)
        return rows


@pytest.fixture
def account() -> str:
    return new_account()


@pytest.fixture
async def reader(gateway: RunningGateway, account: str) -> AsyncIterator[LogReader]:
    client = redis.asyncio.Redis.from_url(gateway.redis_url)
    yield LogReader(client, account)
    await client.aclose()


@pytest.fixture
async def wire(gateway: RunningGateway, account: str) -> AsyncIterator[Wire]:
    async with connect(gateway.address, gateway.token(account)) as wire:
        yield wire


def guarded(account: str) -> Any:
    return limit_order(account=account, cancel_on_disconnect=True)


@pytest.mark.parametrize("half_close", [True, False])
async def test_a_lost_session_cancels_what_it_sent(
    half_close: bool, wire: Wire, account: str, reader: LogReader
) -> None:
    async with open_session(wire, session_name="desk-1") as session:
        await session.send(guarded(account), limit_order(account=account))
        await session.until_acks(2)
        if half_close:
            await session.half_close()
            await session.until_ended()
            await reader.until(1)
    ((command_id, row),) = await reader.until(1)
    assert command_id.startswith("~disconnect-")
    assert row == log.MassCancelRow(session="desk-1", disconnected=True)
    await asyncio.sleep(NO_MORE_S)
    assert len(await reader.rows()) == 1


async def test_nothing_is_canceled_where_nothing_asked_for_it(wire: Wire, account: str, reader: LogReader) -> None:
    async with open_session(wire, session_name="desk-1") as session:
        await session.send(limit_order(account=account))
        await session.until_acks(1)
    await asyncio.sleep(NO_MORE_S)
    assert await reader.rows() == []


async def test_a_session_that_comes_back_takes_over_what_is_owed(wire: Wire, account: str, reader: LogReader) -> None:
    grace = Duration(seconds=1)
    async with open_session(wire, session_name="s", disconnect_grace=grace) as session:
        await session.send(guarded(account))
        await session.until_acks(1)
    async with open_session(wire, session_name="s", disconnect_grace=Duration(nanos=10**6)):
        await asyncio.sleep(1.0 + NO_MORE_S)
        assert await reader.rows() == []
    await reader.until(1)  # the session that came back sent nothing, and is lost now


async def test_a_session_of_another_name_is_none_that_comes_back(wire: Wire, account: str, reader: LogReader) -> None:
    started = time.monotonic()
    async with open_session(wire, session_name="s", disconnect_grace=Duration(seconds=1)) as session:
        await session.send(guarded(account))
        await session.until_acks(1)
    async with open_session(wire, session_name="t"):
        await reader.until(1)
    assert time.monotonic() - started >= 1.0


async def test_the_last_stream_of_a_name_counts(wire: Wire, account: str, reader: LogReader) -> None:
    async with open_session(wire, session_name="s") as other:
        async with open_session(wire, session_name="s") as session:
            await session.send(guarded(account))
            await session.until_acks(1)
        await asyncio.sleep(NO_MORE_S)
        assert await reader.rows() == []
        await other.half_close()
        await other.until_ended()
    await reader.until(1)


async def test_orders_of_one_account_are_not_owed_by_another(gateway: RunningGateway, reader: LogReader) -> None:
    mine, other = new_account(), new_account()
    async with connect(gateway.address, gateway.token(mine, other)) as wire:
        async with open_session(wire, session_name="s") as session:
            await session.send(guarded(mine), limit_order(account=other))
            await session.until_acks(2)
        client = redis.asyncio.Redis.from_url(gateway.redis_url)
        await LogReader(client, mine).until(1)
        await asyncio.sleep(NO_MORE_S)
        assert await LogReader(client, other).rows() == []
        await client.aclose()


async def test_a_worker_that_drains_cancels_nothing(gateway_factory: Callable[..., RunningGateway]) -> None:
    running = gateway_factory()
    account = new_account()
    client = redis.asyncio.Redis.from_url(running.redis_url)
    async with (
        connect(running.address, running.token(account)) as wire,
        open_session(wire, session_name="s") as session,
        open_session(wire, session_name="gone", disconnect_grace=Duration(seconds=2)) as gone,
    ):
        await session.send(guarded(account))
        await session.until_acks(1)
        await gone.send(guarded(account))
        await gone.until_acks(1)
        await gone.half_close()
        await gone.until_ended()
        running.signal(signal.SIGTERM)
        await session.until(lambda: session.go_away)
        await session.until_ended()
    running.wait()
    assert await LogReader(client, account).rows() == []
    await client.aclose()


async def test_a_cancel_that_the_queue_refuses_is_tried_until_it_is_stored(
    gateway_factory: Callable[..., RunningGateway],
) -> None:
    running = gateway_factory()
    account = new_account()
    client = redis.asyncio.Redis.from_url(running.redis_url)
    async with connect(running.address, running.token(account)) as wire:
        async with open_session(wire, session_name="s") as session:
            await session.send(guarded(account))
            await session.until_acks(1)
            await client.config_set("maxmemory", 1)
        async with asyncio.timeout(WAIT_S):
            while "cancel not stored yet" not in running.output:  # noqa: ASYNC110 - a file tells only if read
                await asyncio.sleep(0.05)
        assert await LogReader(client, account).rows() == []
        await client.config_set("maxmemory", 0)
        (_,) = await LogReader(client, account).until(1)
    await client.aclose()
