"""What is not promised, shown: README, "What is promised, and what is not"."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.client import AckLevel, OrderClient, Side
from gateway.stack.find import find_redis
from gateway.streams import Keys
from tests.support.proxy import Proxy
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.gateway import RunningGateway

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def replica_of(port: int, folder: Path) -> AsyncIterator[Redis]:
    """A replica of the Redis on `port`; a client of it."""
    own = free_port()
    argv = [str(find_redis().path), "--port", str(own), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    argv += ["--replicaof", "127.0.0.1", str(port)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(*argv, **quiet)
    client = Redis(port=own)
    try:
        yield client
    finally:
        await client.aclose()
        process.kill()
        await process.wait()


async def test_a_fail_over_of_redis_loses_what_its_replica_had_not_received(
    gateway_factory: Callable[..., RunningGateway], tmp_path: Path
) -> None:
    running = gateway_factory()
    assert running.redis is not None
    port = free_port()
    async with Redis.from_url(running.redis_url) as primary:
        await primary.config_set("port", port)
    link = Proxy(("127.0.0.1", 0), [("127.0.0.1", port)])
    await link.start()
    try:
        async with (
            replica_of(link.port, tmp_path) as replica,
            OrderClient(running.address, token=running.token()) as client,
        ):
            terms = {"symbol": "ACME", "side": Side.BUY, "quantity": 1, "price": 1}
            assert (await client.submit(**terms)).level == AckLevel.QUEUED

            async def received() -> bool:
                with contextlib.suppress(RedisError):
                    return await replica.xlen(Keys(0).commands) == 1
                return False

            await until(received)
            link.hold()  # the replica lags behind, as a replica may at any time
            assert (await client.submit(**terms)).level == AckLevel.QUEUED
            running.redis.kill()
            await link.stop()
            await replica.execute_command("REPLICAOF", "NO", "ONE")
            assert await replica.xlen(Keys(0).commands) == 1
    finally:
        await link.stop()
