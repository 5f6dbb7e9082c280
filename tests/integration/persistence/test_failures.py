"""Servers that go, processes that die, and a second persister: no row is lost, none is there twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from persistence import database as postgres
from persistence.batcher import Batch
from persistence.errors import OffsetMoved
from persistence.migrate import load_migrations, migrate
from persistence.rows import build_rows
from persistence.streams import ZERO, LogId, Position
from persistence.writer import Writer
from tests.integration.persistence.conftest import WAIT_S, Database, Log, Sidecar, stop
from tests.unit.persistence.frames import ACCEPTED, FILL, Commands, Events, flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistence.streams import Entry
    from tests.support.servers import PostgresServer, RedisServer

pytestmark = pytest.mark.integration


async def assert_whole(database: Database, frames: Sequence[tuple[Entry, Entry]], per_frame: int) -> None:
    """Postgres holds exactly what `flow` makes."""
    await database.until_persisted(frames[-1][0].id, frames[-1][1].id)
    orders, trades = len(frames) * per_frame, len(frames) * (per_frame // 3)
    counts = "SELECT count(*), count(*) FILTER (WHERE status = 4) AS filled, sum(executed_lots) AS lots FROM orders"
    assert await database.fetch(counts) == [{"count": orders, "filled": 2 * trades, "lots": 20 * trades}]
    dense = "SELECT count(*), min(trade_number), max(trade_number) FROM executions"
    assert await database.fetch(dense) == [{"count": trades, "min": 1, "max": trades}]
    told = """SELECT sum(events) AS events, sum(newest) AS newest FROM (
                  SELECT sum(last_seq - first_seq + 1) AS events, max(last_seq) AS newest
                  FROM account_events GROUP BY account) AS accounts"""
    assert await database.fetch(told) == [{"events": orders + 2 * trades, "newest": orders + 2 * trades}]
    archived = "SELECT count(*) AS n FROM command_frames WHERE engine_time_ns IS NOT NULL"
    assert await database.value(archived) == len(frames)
    assert await database.value("SELECT count(*) FROM dead_letters") == 0


async def feed(log: Log, frames: Sequence[tuple[Entry, Entry]], seconds: float) -> None:
    """Appends frames over some time, commands a little ahead of their events."""
    for place, (command, _) in enumerate(frames):
        log.commands(command)
        if place >= 3:
            log.events(frames[place - 3][1])
        await asyncio.sleep(seconds / len(frames))
    log.events(*(event for _, event in frames[-3:]))


async def test_killed_anywhere_it_neither_loses_nor_repeats_a_row(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    frames = list(flow(600, 30))
    feeding = asyncio.create_task(feed(log, frames, 6.0))
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    print("seed", seed)
    kills = 0
    while not feeding.done():
        process = sidecar.start(batch_rows_max=700)
        await asyncio.sleep(0.6 + dice.random())
        process.kill()
        process.communicate()
        kills += 1
    await feeding
    sidecar.start()
    await assert_whole(database, frames, 30)
    assert kills >= 2


async def test_standby_takes_over(sidecar: Sidecar, log: Log, database: Database) -> None:
    frames = list(flow(60, 30))
    active = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    standby = sidecar.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'"
    await database.until(waiting, 2)
    feeding = asyncio.create_task(feed(log, frames, 3.0))
    await asyncio.sleep(1.5)
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await database.value(held) == 1
    active.kill()
    await feeding
    await assert_whole(database, frames, 30)
    said = stop(standby)
    assert said.index("standby: another persister is active") < said.index('"active"')


async def test_standby_takes_over_from_a_frozen_persister(sidecar: Sidecar, log: Log, database: Database) -> None:
    """It is no use waiting for a process that is stopped in the middle of its work; when it wakes up it stands by."""
    frames = list(flow(60, 30))
    frozen = sidecar.start(batch_rows_max=300)
    await database.until_persisted(ZERO, ZERO)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'"
    standby = sidecar.start()
    await database.until(waiting, 2)
    feeding = asyncio.create_task(feed(log, frames, 2.0))
    await database.until("SELECT commands_ms > 0 FROM persister_offsets", True)
    frozen.send_signal(signal.SIGSTOP)
    holder = """SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'ordergate-persister-0'"""
    before, stopped_at = await database.value(holder), time.monotonic()
    while (after := await database.value(holder)) in {None, before}:
        assert time.monotonic() < stopped_at + WAIT_S
        await asyncio.sleep(0.02)
    print("taken over after", round(time.monotonic() - stopped_at, 2), "s")
    await feeding
    await assert_whole(database, frames, 30)
    frozen.send_signal(signal.SIGCONT)
    await database.until(waiting, 2)
    assert "the active persister is frozen" in stop(standby)
    await database.until(f"SELECT count(*) FROM ({holder}) AS h WHERE pid <> {after}", 1)
    more = list(flow(65, 30))[60:]
    log.commands(*(command for command, _ in more))
    await database.until_persisted(more[-1][0].id, frames[-1][1].id)
    assert "interrupted" in stop(frozen)


OUTAGES = ("08006", "25006", "40001", "40P01", "53100", "53200", "53300", "55P03", "57014", "57P03", "58030")
"""Broken connection, read-only, serialization, deadlock, disk full, out of memory, too many connections, lock,
statement timeout, starting up, I/O."""


async def test_every_class_of_outage_is_waited_out(sidecar: Sidecar, log: Log, database: Database) -> None:
    """What Postgres answers when it is out of something: the persister tries again, and nothing is a dead letter."""
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    await database.fetch("CREATE SEQUENCE attempts")
    await database.fetch("CREATE TABLE outage (code text)")
    await database.fetch(
        """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
           DECLARE found text := (SELECT code FROM outage);
           BEGIN
               IF found IS NOT NULL THEN
                   PERFORM nextval('attempts');
                   RAISE EXCEPTION 'as ordered' USING ERRCODE = found;
               END IF;
               RETURN new;
           END $$"""
    )
    await database.fetch("CREATE TRIGGER fail BEFORE INSERT ON command_frames FOR EACH ROW EXECUTE FUNCTION fail()")
    frames = list(flow(len(OUTAGES), 30))
    for code, (commands, events) in zip(OUTAGES, frames, strict=True):
        await database.fetch("SELECT setval('attempts', 1)")
        await database.fetch("INSERT INTO outage VALUES ($1)", code)
        log.commands(commands)
        log.events(events)
        await database.until("SELECT last_value >= 3 FROM attempts", True)
        await database.fetch("DELETE FROM outage")
        await database.until_persisted(commands.id, events.id)
    await assert_whole(database, frames, 30)
    stop(process)


async def test_a_read_only_database_is_waited_for(sidecar: Sidecar, log: Log, database: Database) -> None:
    """A fail-over in the middle of its way: the standby answers, and takes no writes until it is promoted."""
    process = sidecar.start()
    frames = list(flow(20, 30))
    log.commands(*(command for command, _ in frames[:10]))
    await database.until_persisted(frames[9][0].id, ZERO)
    name = await database.value("SELECT current_database()")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ordergate-persister%'"
    await database.fetch(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await database.fetch(others)
    log.commands(*(command for command, _ in frames[10:]))
    log.events(*(event for _, event in frames))
    await database.until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'", True
    )
    await asyncio.sleep(0.5)
    assert process.poll() is None
    reset = f'ALTER DATABASE "{name}" RESET default_transaction_read_only'
    await database.execute("SET default_transaction_read_only = off", reset)
    await database.fetch(others)
    await assert_whole(database, frames, 30)
    assert "read-only" in stop(process)


async def test_stopped_standby_ends_in_order(sidecar: Sidecar, database: Database) -> None:
    sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    standby = sidecar.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'"
    await database.until(waiting, 2)
    assert "shard stopped" in stop(standby)


async def test_offset_that_another_has_moved_stops_the_writer(postgres_dsn: str, database: Database) -> None:
    connection = await postgres.connect(postgres_dsn, "test")
    await migrate(connection, load_migrations())
    await database.fetch("INSERT INTO persister_offsets (shard, commands_ms) VALUES (0, 5)")
    writer = Writer(connection, 0)
    await writer.prepare()
    made = Commands()
    made.new("alice", "a1")
    batch = Batch([made.entry(6)], [], Position(LogId(4, 0), ZERO), Position(LogId(6, 0), ZERO))
    with pytest.raises(OffsetMoved):
        await writer.write(batch, build_rows(batch))
    with pytest.raises(OffsetMoved):
        await writer.heartbeat(batch.after)
    await connection.close()
    assert await database.value("SELECT count(*) FROM orders") == 0
    assert await database.value("SELECT commands_ms FROM persister_offsets") == 5


async def test_offset_moved_under_a_running_persister_is_read_again(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    """As if another had got past the lock: it must not go on from what it remembers."""
    frames = list(flow(2, 30))
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    log.commands(*(c for c, _ in frames))
    await database.until_persisted(frames[1][0].id, ZERO)
    await database.fetch("TRUNCATE orders, command_frames")
    await database.fetch("UPDATE persister_offsets SET commands_ms = 0, commands_seq = 0")
    log.events(*(e for _, e in frames))
    await assert_whole(database, frames, 30)
    assert "OffsetMoved" in stop(process)


async def test_older_event_never_overwrites_a_newer_state(postgres_dsn: str, database: Database) -> None:
    connection = await postgres.connect(postgres_dsn, "test")
    await migrate(connection, load_migrations())
    await database.fetch("INSERT INTO persister_offsets (shard) VALUES (0)")
    writer = Writer(connection, 0)
    await writer.prepare()
    made, newer, older = Commands(), Events(), Events()
    key = made.new("alice", "a1")
    newer.add(FILL, "alice", key, 8, status=4, executed=10, leaves=0, version=2, notional="10000")
    older.add(ACCEPTED, "alice", key, 7)
    at = Position(ZERO, ZERO)
    for commands, events in (
        ([made.entry(1)], [newer.entry(1)]),
        ([], [older.entry(1)]),
        ([made.entry(1)], [older.entry(1)]),
    ):
        batch = Batch(commands, events, at, at)
        await writer.write(batch, build_rows(batch))
    await connection.close()
    assert await database.fetch("SELECT status, last_event_seq FROM orders") == [{"status": 4, "last_event_seq": 8}]


async def test_postgres_restarts_under_load(
    sidecar: Sidecar, log: Log, database: Database, postgres_server: PostgresServer
) -> None:
    frames = list(flow(300, 30))
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    feeding = asyncio.create_task(feed(log, frames, 6.0))
    await asyncio.sleep(1)
    await asyncio.to_thread(postgres_server.restart)
    await asyncio.sleep(1)
    postgres_server.kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(postgres_server.restart)
    await feeding
    await assert_whole(database, frames, 30)
    assert "interrupted, will go on" in stop(process)


async def test_redis_restarts_under_load(
    sidecar: Sidecar, log: Log, database: Database, redis_server: RedisServer
) -> None:
    frames = list(flow(200, 30))
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    await feed(log, frames[:100], 1.0)
    redis_server.kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(redis_server.restart)
    await feed(log, frames[100:], 1.0)
    await assert_whole(database, frames, 30)
    assert "interrupted, will go on" in stop(process)


async def test_frozen_backend_delays_and_loses_nothing(sidecar: Sidecar, log: Log, database: Database) -> None:
    frames = list(flow(120, 30))
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    pid = await database.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'")
    feeding = asyncio.create_task(feed(log, frames, 3.0))
    await asyncio.sleep(0.5)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(2)
    os.kill(pid, signal.SIGCONT)
    await feeding
    await assert_whole(database, frames, 30)
    stop(process)


async def test_backend_that_is_ended_under_load(sidecar: Sidecar, log: Log, database: Database) -> None:
    frames = list(flow(120, 30))
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    feeding = asyncio.create_task(feed(log, frames, 3.0))
    for _ in range(4):
        await asyncio.sleep(0.6)
        sql = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ordergate-persister%'"
        )
        await database.fetch(sql)
    await feeding
    await assert_whole(database, frames, 30)
    stop(process)


async def test_starts_before_postgres_and_redis(
    sidecar: Sidecar, log: Log, database: Database, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    frames = list(flow(3, 30))
    await feed(log, frames, 0.1)
    postgres_server.kill()
    redis_server.kill()
    process = sidecar.start()
    await asyncio.sleep(1.5)
    await asyncio.to_thread(postgres_server.restart)
    await asyncio.sleep(1.5)
    await asyncio.to_thread(redis_server.restart)
    await assert_whole(database, frames, 30)
    stop(process)


async def test_stop_without_postgres_ends_within_the_grace(
    sidecar: Sidecar, log: Log, database: Database, postgres_server: PostgresServer
) -> None:
    process = sidecar.start(drain_grace_s=3)
    await database.until_persisted(ZERO, ZERO)
    postgres_server.kill()
    log.commands(*(c for c, _ in flow(3, 30)))
    await asyncio.sleep(0.5)
    began = time.monotonic()
    stop(process)
    assert time.monotonic() - began < 5
    postgres_server.restart()


async def test_stop_with_a_frozen_postgres_ends_after_the_grace(sidecar: Sidecar, log: Log, database: Database) -> None:
    process = sidecar.start(drain_grace_s=1)
    await database.until_persisted(ZERO, ZERO)
    pid = await database.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'")
    os.kill(pid, signal.SIGSTOP)
    log.commands(*(c for c, _ in flow(3, 30)))
    await asyncio.sleep(0.5)
    try:
        assert "left to the next start" in stop(process)
    finally:
        os.kill(pid, signal.SIGCONT)
    sidecar.start()
    await database.until("SELECT count(*) FROM orders", 90)


async def test_second_signal_ends_at_once(sidecar: Sidecar, log: Log, database: Database) -> None:
    process = sidecar.start(drain_grace_s=60)
    await database.until_persisted(ZERO, ZERO)
    pid = await database.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'ordergate-persister-0'")
    os.kill(pid, signal.SIGSTOP)
    log.commands(*(c for c, _ in flow(3, 30)))
    await asyncio.sleep(0.5)
    process.terminate()
    await asyncio.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_S)
    os.kill(pid, signal.SIGCONT)
    assert process.returncode == 128 + signal.SIGINT


async def test_dead_letters_survive_a_kill_once(sidecar: Sidecar, log: Log, database: Database) -> None:
    """A batch with poison is written by bisection, in the transaction that moves the offset."""
    for number in range(1, 30):
        made = Commands()
        for place in range(20):
            made.new("alice", f"{number}-{place}" if place != 7 else f"{number}\0")
        log.commands(made.entry(number))
    for pause in (0.7, 0.9, 1.1):
        process = sidecar.start(batch_rows=20, batch_rows_max=100)
        await asyncio.sleep(pause)
        process.kill()
    sidecar.start()
    await database.until_persisted(LogId(29, 0), ZERO)
    assert await database.value("SELECT count(*) FROM orders") == 29 * 19
    assert await database.value("SELECT count(DISTINCT ms) || ' ' || count(*) FROM dead_letters") == "29 29"
