"""How we talk to Redis: nothing is sent twice, and a cancelled command ends as one."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.redis_client import READ_BLOCK_MS, command, open_commands, open_producer, open_reader

pytestmark = pytest.mark.integration


async def test_an_append_to_a_frozen_redis_is_sent_once(settings, client, redis_server):
    """redis-py's default would have sent it eleven times."""
    async with open_producer(dataclasses.replace(settings, append_timeout_s=0.3)) as producer:
        await command(producer, "XADD", "s", "*", "f", "first")
        os.kill(redis_server.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        try:
            with pytest.raises(RedisTimeoutError):
                await command(producer, "XADD", "s", "*", "f", "second")
        finally:
            os.kill(redis_server.process.pid, signal.SIGCONT)
        assert 0.2 < time.monotonic() - began < 1.0
        await asyncio.sleep(0.2)
        assert await client.xlen("s") == 2
        await command(producer, "XADD", "s", "*", "f", "third")
    assert await client.xlen("s") == 3


async def test_a_pipeline_to_a_frozen_redis_is_sent_once(settings, client, redis_server):
    async with open_commands(settings, 0.3) as shared:
        await command(shared, "PING")
        pipeline = shared.pipeline(transaction=False)
        for _ in range(10):
            pipeline.execute_command("XADD", "s", "*", "f", "x")
        os.kill(redis_server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(RedisTimeoutError):
                await pipeline.execute()
        finally:
            os.kill(redis_server.process.pid, signal.SIGCONT)
    await asyncio.sleep(0.2)
    assert await client.xlen("s") == 10


async def test_a_producer_has_one_connection_and_one_command_under_way(settings):
    async with open_producer(settings) as producer:
        await command(producer, "PING")
        first = asyncio.create_task(command(producer, "BLPOP", "nothing", "0.2"))
        await asyncio.sleep(0.05)
        with pytest.raises(MaxConnectionsError):
            await command(producer, "PING")
        assert await first is None
        assert await command(producer, "PING")


async def test_more_commands_than_connections_wait_for_their_turn(settings, client):
    await client.set("k", "v")
    async with open_commands(settings) as shared:
        replies = await asyncio.gather(*(command(shared, "GET", "k") for _ in range(200)))
    assert replies == [b"v"] * 200


async def test_the_password_is_not_shown(settings):
    url = settings.redis_url + "&password=topsecret"
    async with open_commands(dataclasses.replace(settings, redis_url=url)) as client:
        assert "topsecret" not in repr(client)


async def test_a_reader_outwaits_its_block_time(settings):
    async with open_reader(settings) as reader:
        began = time.monotonic()
        assert not await command(reader, "XREAD", "BLOCK", READ_BLOCK_MS, "STREAMS", "s", "0-0")
        assert time.monotonic() - began >= READ_BLOCK_MS / 1000


async def test_replies_are_bytes_in_the_shape_of_resp2(settings, client):
    entry_id = await client.xadd("s", {"f": b"\xff\x00"})
    async with open_reader(settings) as reader:
        reply = await command(reader, "XREAD", "STREAMS", "s", "0-0")
    assert reply == [[b"s", [(entry_id, {b"f": b"\xff\x00"})]]]


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_cancellation_is_never_forgotten(settings, pipelined):
    """At some of these moments redis-py returns as if nothing had been asked."""
    async with open_commands(settings) as client:
        for n in range(200):
            await command(client, "PING")
            pipeline = client.pipeline(transaction=False).execute_command("EVAL", "return 1", 0)
            asked = pipeline.execute() if pipelined else command(client, "EVAL", "return 1", 0)
            task = asyncio.create_task(asked)
            for _ in range(n % 20):
                await asyncio.sleep(0)
            if task.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await task


async def test_a_command_may_be_sent_while_its_task_is_being_cancelled(settings):
    """Cleaning up must work: only a cancellation that arrives meanwhile counts."""
    async with open_commands(settings) as client:

        async def clean_up_at_the_end() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await command(client, "SET", "cleaned", "yes")

        task = asyncio.create_task(clean_up_at_the_end())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await command(client, "GET", "cleaned") == b"yes"


async def test_the_answer_of_a_cancelled_append_is_not_taken_for_the_next_ones(settings):
    async with open_producer(settings) as producer:
        await command(producer, "PING")
        task = asyncio.create_task(command(producer, "BLPOP", "nothing", "0.1"))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for n in range(20):
            assert await command(producer, "ECHO", str(n)) == str(n).encode()
            await asyncio.sleep(0.01)


async def test_a_connection_that_is_lost_during_a_command_fails_it_and_the_next_opens_another(settings, client):
    async with open_producer(settings, "lost-one") as producer:
        await command(producer, "PING")
        waiting = asyncio.create_task(command(producer, "BLPOP", "nothing", "5"))
        while not (mine := [c for c in await client.client_list() if c["name"] == "lost-one" and c["cmd"] == "blpop"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await client.client_kill_filter(_id=mine[0]["id"])
        with pytest.raises(RedisConnectionError, match="connection lost"):
            await waiting
        assert await command(producer, "PING")


async def test_a_redis_that_is_away_is_told_from_one_that_does_not_answer(settings, tmp_path):
    away = dataclasses.replace(settings, redis_url=f"unix://{tmp_path}/none.sock")
    async with open_producer(away) as producer:
        for _ in range(2):
            with pytest.raises(RedisConnectionError, match=" connecting to "):
                await command(producer, "XADD", "s", "*", "f", "x")


async def test_an_answer_of_many_pieces_is_read_whole(settings, client):
    frame = bytes(range(256)) * 40_000
    entry_id = await client.xadd("s", {"f": frame})
    async with open_reader(settings) as reader:
        reply = await command(reader, "XREAD", "STREAMS", "s", "0-0")
    assert reply == [[b"s", [(entry_id, {b"f": frame})]]]
