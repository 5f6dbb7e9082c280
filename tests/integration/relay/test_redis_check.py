"""The self-check at start, against a real server whose settings are changed one by one."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.redis_check import ConfigurationRefused, check_redis
from gateway.redis_client import open_commands

pytestmark = pytest.mark.integration


async def test_the_settings_of_the_private_redis_are_accepted(client):
    facts = await check_redis(client, allow_volatile=False)
    assert facts.durable
    assert facts.maxmemory == 512 * 1024 * 1024
    assert facts.maxmemory_policy == "volatile-lru"
    assert int(facts.version.split(".")[0]) >= 7


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-lfu", "volatile-ttl", "volatile-random"])
async def test_a_policy_that_spares_keys_without_ttl_is_accepted(client, policy):
    await client.config_set("maxmemory-policy", policy)
    assert (await check_redis(client, allow_volatile=False)).maxmemory_policy == policy


async def test_no_memory_limit_is_accepted(client):
    await client.config_set("maxmemory", "0")
    assert (await check_redis(client, allow_volatile=False)).maxmemory == 0


@pytest.mark.parametrize("allow_volatile", [False, True])
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_a_policy_that_evicts_streams_is_refused_in_any_case(client, policy, allow_volatile):
    await client.config_set("maxmemory-policy", policy)
    with pytest.raises(ConfigurationRefused) as refused:
        await check_redis(client, allow_volatile=allow_volatile)
    assert refused.value.setting == "maxmemory-policy"
    assert refused.value.value == policy
    assert "redis-cli config set maxmemory-policy volatile-lru" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "bad", "good"),
    [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("appendfsync", "no", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
    ],
)
async def test_a_redis_that_may_forget_is_refused_unless_allowed(client, setting, bad, good):
    await client.config_set(setting, bad)
    try:
        with pytest.raises(ConfigurationRefused) as refused:
            await check_redis(client, allow_volatile=False)
        assert (refused.value.setting, refused.value.value) == (setting, bad)
        assert f"redis-cli config set {setting} {good}" in str(refused.value)
        assert not (await check_redis(client, allow_volatile=True)).durable
    finally:
        await client.config_set(setting, good)


@pytest.fixture
async def restricted(client, settings):
    """A client of a user who may do everything but CONFIG."""
    await client.execute_command("ACL SETUSER", "clerk", "on", ">secret", "~*", "+@all", "-config")
    url = settings.redis_url + "&username=clerk&password=secret"
    async with open_commands(dataclasses.replace(settings, redis_url=url)) as found:
        yield found
    await client.execute_command("ACL DELUSER", "clerk")


async def test_settings_that_may_not_be_read_are_refused_unless_allowed(restricted):
    with pytest.raises(ConfigurationRefused, match="CONFIG GET") as refused:
        await check_redis(restricted, allow_volatile=False)
    assert refused.value.setting == "acl"
    facts = await check_redis(restricted, allow_volatile=True)
    assert (facts.durable, facts.maxmemory, facts.maxmemory_policy) == (False, 0, "")


async def test_wrong_credentials_are_refused_at_once(settings, client):
    url = settings.redis_url + "&username=nobody&password=wrong"
    async with open_commands(dataclasses.replace(settings, redis_url=url)) as stranger:
        with pytest.raises(ConfigurationRefused) as refused:
            await asyncio.wait_for(check_redis(stranger, allow_volatile=False), 5)
    assert refused.value.setting == "redis-url"
    assert "wrong" not in str(refused.value).replace("WRONGPASS", "")


async def test_a_redis_that_is_not_there_is_waited_for_then_reported(client, redis_server):
    redis_server.kill()
    with pytest.raises(RedisConnectionError, match=r"connecting to .*; start it, or set --redis-url"):
        await check_redis(client, allow_volatile=False, wait_s=0.3)
    waiting = asyncio.create_task(check_redis(client, allow_volatile=False, wait_s=10))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await asyncio.to_thread(redis_server.restart)
    assert (await waiting).durable


async def test_missing_credentials_are_refused_at_once(settings, client):
    await client.config_set("requirepass", "needed")
    try:
        async with open_commands(settings) as stranger:
            with pytest.raises(ConfigurationRefused, match="Authentication required"):
                await asyncio.wait_for(check_redis(stranger, allow_volatile=False), 5)
    finally:
        await client.config_set("requirepass", "")
