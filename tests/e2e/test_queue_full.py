"""A full queue refuses, says so, and forgets nothing."""

from __future__ import annotations

import asyncio

import redis
import redis.asyncio

from ordergate.v1 import command_pb2

from ..support.gateway import RunningGateway
from ..support.wire import cancel_order, connect, limit_order, refusal_of, refused
from .probe import open_session
from .test_drain import logged

QUEUED = command_pb2.ACK_LEVEL_QUEUED
WELL_FULL = 0.92
"""From 0.9 of the memory on orders are refused, from 0.95 on cancels, too."""


async def test_at_its_memory_limit_the_queue_refuses_and_goes_on_later(gateway_factory, account: str) -> None:
    gateway: RunningGateway = gateway_factory()
    address = await asyncio.to_thread(lambda: gateway.address)
    acked: list[str] = []
    async with (
        redis.asyncio.from_url(gateway.redis_url) as admin,
        connect(address, gateway.token(account)) as wire,
        open_session(wire) as session,
    ):
        used = (await admin.info("memory"))["used_memory"]
        await admin.config_set("maxmemory", used + 4_000_000)
        while not any(ack.HasField("failure") for ack in session.acks):
            seen = len(session.acks)
            await session.send(*(limit_order() for _ in range(500)))
            await session.until_acks(seen + 500)
        # Filling slows down towards the limit and ends just above it: a little that Redis frees would open the queue.
        used = (await admin.info("memory"))["used_memory"]
        await admin.config_set("maxmemory", int(used / WELL_FULL))
        acked += [ack.command_id for ack in session.acks if ack.level == QUEUED]
        told = {refusal_of(ack.failure) for ack in session.acks if ack.HasField("failure")}
        for refusal in (*told, await refused(wire.submit(limit_order())), await refused(wire.check(limit_order()))):
            assert (refusal.reason, refusal.disposition) == ("QUEUE_FULL", "NOT_APPLIED")
            assert refusal.retry_s > 0
            assert refusal.code in {"", "RESOURCE_EXHAUSTED"}
        # What takes risk off is taken all the same, so that a market can be stopped: half of the reserve is for it.
        (ack,) = await wire.submit_batch(cancel_order(client_order_id=acked[0]))
        assert ack.level == QUEUED
        acked.append(ack.command_id)
        assert (await refused(wire.submit(limit_order()))).reason == "QUEUE_FULL"
        found = await wire.get_order(client_order_id=acked[0])
        assert found.order.client_order_id == acked[0]
        await admin.config_set("maxmemory", 512 * 2**20)
        while True:
            (ack,) = await wire.submit_batch(limit_order())
            if not ack.HasField("failure"):
                break
            assert refusal_of(ack.failure).reason == "QUEUE_FULL"
            await asyncio.sleep(refusal_of(ack.failure).retry_s)
        acked.append(ack.command_id)
    assert logged(gateway) == acked


async def test_a_redis_that_begins_to_evict_under_a_running_gateway_gets_no_more_orders(
    gateway_factory, account: str
) -> None:
    gateway: RunningGateway = gateway_factory()
    address = await asyncio.to_thread(lambda: gateway.address)
    async with redis.asyncio.from_url(gateway.redis_url) as admin, connect(address, gateway.token(account)) as wire:
        await admin.config_set("maxmemory-policy", "allkeys-lru")
        while not (acks := await wire.submit_batch(limit_order()))[0].HasField("failure"):  # noqa: ASYNC110 - asks Redis
            await asyncio.sleep(0.05)
        refusal = refusal_of(acks[0].failure)
        assert (refusal.reason, refusal.disposition) == ("QUEUE_FULL", "NOT_APPLIED")
        assert "allkeys-lru" in acks[0].failure.text
        await admin.config_set("maxmemory-policy", "volatile-lru")
        while (await wire.submit_batch(limit_order()))[0].HasField("failure"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
