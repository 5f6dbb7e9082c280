"""The lease: one relay at a time, and a late one does no harm."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from gateway.lease import Lease, LeaseLost
from tests.integration.relay.conftest import KEYS

if TYPE_CHECKING:
    from redis.asyncio import Redis

pytestmark = pytest.mark.integration

TTL_MS = 400


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lease_of(client: Redis, name: str = "a", ttl_ms: int = TTL_MS, **options) -> Lease:
    return Lease(client, KEYS, name, ttl_ms, **options)


async def test_only_one_of_two_candidates_gets_the_lease(client):
    first, second = lease_of(client, "a"), lease_of(client, "b")
    assert await first.take()
    assert not await second.take()
    assert (first.held, second.held) == (True, False)
    assert (await client.get(KEYS.lease)).decode() == first.holder


async def test_each_lease_taken_raises_the_epoch(client):
    first, second = lease_of(client, "a"), lease_of(client, "b")
    await first.take()
    await first.release()
    await second.take()
    assert second.epoch == first.epoch + 1
    assert int(await client.get(KEYS.epoch)) == second.epoch


async def test_a_namesake_is_not_taken_for_the_holder(client):
    await lease_of(client, "a").take()
    assert not await lease_of(client, "a").take()


async def test_a_held_lease_outlives_its_life(client):
    lease = lease_of(client)
    await lease.take()
    holding = asyncio.create_task(lease.hold())
    done, _ = await asyncio.wait({holding}, timeout=3 * TTL_MS / 1000)
    assert not done
    assert lease.held
    assert not await lease_of(client, "b").take()
    holding.cancel()


async def test_a_lease_that_another_took_is_lost_at_the_next_renewal(client):
    lease = lease_of(client)
    await lease.take()
    await client.set(KEYS.lease, "another")
    with pytest.raises(LeaseLost, match="another's"):
        await lease.hold()
    assert not lease.held


async def test_a_lease_without_an_answer_of_redis_is_lost_before_it_runs_out_there(client, redis_server):
    lease = lease_of(client, ttl_ms=900)
    await lease.take()
    began = time.monotonic()
    redis_server.kill()
    with pytest.raises(LeaseLost, match="ran out"):
        await lease.hold()
    assert time.monotonic() - began < 1.0
    redis_server.restart()


async def test_a_lease_that_ran_out_while_the_process_slept_is_lost_without_asking(client):
    clock = Clock()
    lease = lease_of(client, clock=clock)
    await lease.take()
    clock.now += TTL_MS / 1000 + 0.001
    assert not lease.held
    with pytest.raises(LeaseLost):
        await lease.hold()


async def test_an_evicted_lease_is_put_back_by_its_holder(client):
    lease = lease_of(client)
    await lease.take()
    await client.delete(KEYS.lease)
    holding = asyncio.create_task(lease.hold())
    await asyncio.sleep(TTL_MS / 1000)
    assert not holding.done()
    assert (await client.get(KEYS.lease)).decode() == lease.holder
    holding.cancel()


async def test_an_evicted_lease_that_another_had_meanwhile_is_lost(client):
    lease, other = lease_of(client), lease_of(client, "b")
    await lease.take()
    await client.delete(KEYS.lease)
    await other.take()
    await other.release()
    with pytest.raises(LeaseLost):
        await lease.hold()


async def test_a_session_without_the_lease_gets_no_epoch(client):
    lease = lease_of(client)
    await lease.take()
    assert await lease.advance() == lease.epoch == 2
    await client.set(KEYS.lease, "another")
    with pytest.raises(LeaseLost):
        await lease.advance()


async def test_release_leaves_another_lease_alone(client):
    lease = lease_of(client)
    await lease.take()
    await client.set(KEYS.lease, "another")
    await lease.release()
    assert await client.get(KEYS.lease) == b"another"


async def test_a_lease_is_renewed_when_the_memory_is_full(client):
    lease = lease_of(client)
    await lease.take()
    await client.config_set("maxmemory-policy", "noeviction")
    await client.config_set("maxmemory", "1mb")
    with pytest.raises(RedisError, match="maxmemory"):
        await client.set("more", "x")
    holding = asyncio.create_task(lease.hold())
    done, _ = await asyncio.wait({holding}, timeout=2 * TTL_MS / 1000)
    assert not done
    holding.cancel()
