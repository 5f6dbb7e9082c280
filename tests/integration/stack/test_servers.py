"""The private servers: durable by configuration, private, and gone with their parent."""

from __future__ import annotations

import asyncpg
import pytest
import redis

pytestmark = pytest.mark.integration


def test_redis_answers_only_after_its_append_is_on_disk(redis_server, redis_url):
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "volatile-lru", "save": ""}
        assert {key: client.config_get(key)[key] for key in wanted} == wanted
        assert client.config_get("maxmemory")["maxmemory"] == str(512 * 2**20)


def test_redis_keeps_its_data_when_it_is_killed(redis_server, redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.xadd("stream", {"f": b"1"}, id="1-1")
    redis_server.kill()
    redis_server.restart()
    with redis.Redis.from_url(redis_url) as client:
        assert client.xrange("stream") == [(b"1-1", {b"f": b"1"})]


def test_redis_does_not_listen_on_the_network(redis_server, redis_url):
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.config_get("port")["port"] == "0"


async def test_postgres_keeps_its_data_when_it_is_killed(postgres_server, postgres_dsn):
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("CREATE TABLE t AS SELECT 7 AS x")
    await connection.close()
    postgres_server.kill()
    postgres_server.restart()
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("SELECT x FROM t") == 7
    await connection.close()


async def test_postgres_listens_on_no_address_and_its_socket_is_private(postgres_server, postgres_dsn):
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("SHOW listen_addresses") == ""
    assert await connection.fetchval("SHOW unix_socket_permissions") == "0700"
    await connection.close()


async def test_every_test_has_a_database_of_its_own(postgres_dsn):
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()
