"""When the persister refuses to work, and what it says; and its health check."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import asyncpg
import pytest

from persistence import database as postgres
from persistence.errors import InstrumentConflict, NotDurable, SchemaMismatch
from persistence.instruments import load_instruments, publish_instruments
from persistence.migrate import Migration, load_migrations, migrate
from persistence.streams import ZERO, LogId
from tests.integration.persistence.conftest import ROOT, stop
from tests.unit.persistence.frames import Commands, flow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

    from tests.integration.persistence.conftest import Database, Log, Sidecar
    from tests.support.servers import PostgresServer

pytestmark = pytest.mark.integration

REFUSED = 78


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncIterator[Any]:
    made = await postgres.connect(postgres_dsn, "test")
    yield made
    await made.close()


async def test_wiped_redis_is_refused_at_start(sidecar: Sidecar, log: Log, database: Database) -> None:
    frames = list(flow(3, 30))
    log.commands(*(c for c, _ in frames))
    process = sidecar.start()
    await database.until_persisted(frames[-1][0].id, ZERO)
    stop(process)
    log.client.flushall()
    status, said = sidecar.run()
    assert status == REFUSED
    assert "og:{0}:commands" in said
    assert f"up to {frames[-1][0].id}, but the stream in Redis ends at 0-0: Redis was wiped" in said
    assert await database.value("SELECT count(*) FROM orders") == 90


async def test_redis_wiped_under_a_running_persister_is_noticed(sidecar: Sidecar, log: Log, database: Database) -> None:
    frames = list(flow(3, 30))
    log.commands(*(c for c, _ in frames))
    process = sidecar.start()
    await database.until_persisted(frames[-1][0].id, ZERO)
    log.client.flushall()
    _, said = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == REFUSED
    assert "Redis was wiped" in said


@pytest.mark.parametrize("how", ["deleted", "trimmed", "trimmed to nothing"])
async def test_entries_that_were_removed_too_early_are_refused(
    sidecar: Sidecar, log: Log, database: Database, how: str
) -> None:
    frames = list(flow(9, 30))
    log.commands(*(c for c, _ in frames[:3]))
    process = sidecar.start()
    await database.until_persisted(frames[2][0].id, ZERO)
    stop(process)
    log.commands(*(c for c, _ in frames[3:]))
    if how == "deleted":
        log.client.xdel(log.keys.commands, str(frames[4][0].id))
    else:
        log.client.xtrim(log.keys.commands, maxlen=0 if "nothing" in how else 5, approximate=False)
    status, said = sidecar.run()
    assert status == REFUSED
    assert "were trimmed or deleted before they were written" in said


async def test_trimming_below_the_offset_is_no_fault(sidecar: Sidecar, log: Log, database: Database) -> None:
    frames = list(flow(9, 30))
    log.commands(*(c for c, _ in frames[:6]))
    process = sidecar.start()
    await database.until_persisted(frames[5][0].id, ZERO)
    stop(process)
    log.client.xtrim(log.keys.commands, minid=str(frames[5][0].id), approximate=False)
    log.commands(*(c for c, _ in frames[6:]))
    sidecar.start()
    await database.until_persisted(frames[8][0].id, ZERO)
    assert await database.value("SELECT count(*) FROM orders") == 270


async def test_frame_of_a_newer_version_stops_the_persister_before_it(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    good, newer = Commands(), Commands()
    good.new("alice", "a1")
    newer.new("alice", "a2")
    newer.frame.format = 2
    log.commands(good.entry(1))
    process = sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    log.commands(newer.entry(2))
    _, said = await asyncio.to_thread(process.communicate, timeout=30)
    assert process.returncode == REFUSED
    assert "frame 2-0 has format 2; this version reads 1" in said
    assert await database.value("SELECT commands_ms FROM persister_offsets") == 1
    assert await database.value("SELECT count(*) FROM dead_letters") == 0


async def test_postgres_that_may_forget_is_refused_unless_waived(
    sidecar: Sidecar, postgres_dsn: str, database: Database
) -> None:
    await database.fetch("ALTER SYSTEM SET full_page_writes = off")
    await database.fetch("SELECT pg_reload_conf()")
    try:
        await database.until("SHOW full_page_writes", "off")
        status, said = await asyncio.to_thread(sidecar.run)
        assert status == REFUSED
        assert "Postgres runs with full_page_writes = off" in said
        assert "ALTER SYSTEM SET full_page_writes = on" in said
        with pytest.raises(NotDurable):
            await postgres.connect(postgres_dsn, "test")
        sidecar.start(allow_volatile="true")
        await database.until_persisted(ZERO, ZERO)
    finally:
        await database.fetch("ALTER SYSTEM RESET full_page_writes")
        await database.fetch("SELECT pg_reload_conf()")


async def test_session_commits_synchronously_whatever_the_role_says(postgres_dsn: str, database: Database) -> None:
    await database.fetch("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
    try:
        connection = await postgres.connect(postgres_dsn, "test")
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW jit") == "off"
        await connection.close()
    finally:
        await database.fetch("ALTER ROLE CURRENT_USER RESET synchronous_commit")


async def test_unknown_database_is_refused(sidecar: Sidecar, postgres_server: PostgresServer) -> None:
    status, said = sidecar.run(postgres_dsn=postgres_server.dsn_of("nowhere"))
    assert status == REFUSED
    assert 'database "nowhere" does not exist' in said


async def test_other_steps_of_an_instrument_are_refused(connection: Any, tmp_path: Path) -> None:
    await migrate(connection, load_migrations())
    await publish_instruments(connection, load_instruments(ROOT / "instruments.toml"))
    await publish_instruments(connection, load_instruments(ROOT / "instruments.toml"))
    path = tmp_path / "instruments.toml"
    path.write_text('[[instrument]]\nsymbol = "ACME"\nprice_increment = "0.05"\nlot_size = "1"\n')
    with pytest.raises(InstrumentConflict, match=r"ACME has price_increment 0\.05 .* but 0\.01 and 1 in the database"):
        await publish_instruments(connection, load_instruments(path))
    assert await connection.fetchval("SELECT count(*) FROM instruments") == 4


async def test_migrations_run_once_though_many_start_together(postgres_dsn: str) -> None:
    async def one() -> int:
        connection = await postgres.connect(postgres_dsn, "test")
        done = await migrate(connection, load_migrations())
        await connection.close()
        return len(done)

    assert sorted(await asyncio.gather(*(one() for _ in range(6)))) == [0] * 5 + [len(load_migrations())]


async def test_changed_migration_is_refused(connection: Any) -> None:
    first = Migration(1, "first", "CREATE TABLE a (x int)")
    await migrate(connection, [first])
    with pytest.raises(SchemaMismatch, match="0001_first in the database is not 0001_first of this version"):
        await migrate(connection, [Migration(1, "first", "CREATE TABLE a (x bigint)")])


async def test_newer_database_is_refused(connection: Any) -> None:
    first, second = Migration(1, "first", "CREATE TABLE a (x int)"), Migration(2, "second", "CREATE TABLE b (x int)")
    await migrate(connection, [first, second])
    with pytest.raises(SchemaMismatch, match="0002_second, which this version does not know"):
        await migrate(connection, [first])


async def test_failed_migration_leaves_nothing(connection: Any) -> None:
    first, broken = Migration(1, "first", "CREATE TABLE a (x int)"), Migration(2, "broken", "CREATE TABLE b (; )")
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await migrate(connection, [first, broken])
    assert await connection.fetchval("SELECT to_regclass('a')") is None


async def test_schema_is_the_sum_of_the_migrations(connection: Any) -> None:
    """persistence/migrations/schema.txt tells the whole schema at a glance; this keeps it true."""
    await migrate(connection, load_migrations())
    rows = await connection.fetch(
        """SELECT c.relname || CASE c.relkind WHEN 'v' THEN ' (view)' ELSE '' END AS relation,
                  a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
                  || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
                  || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
           LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
           ORDER BY c.relname, a.attnum"""
    )
    indexes = await connection.fetch(
        "SELECT tablename AS relation, indexdef AS line FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
    )
    lines: dict[str, list[str]] = {}
    for row in (*rows, *indexes):
        lines.setdefault(row["relation"], []).append("  " + row["line"].replace(" ON public.", " ON "))
    found = "\n".join("\n".join([relation, *columns]) for relation, columns in lines.items()) + "\n"
    path = ROOT / "persistence" / "migrations" / "schema.txt"
    assert found == path.read_text(), f"the migrations now make this; write it to {path}:\n{found}"


async def test_check_tells_whether_a_persister_is_at_work(
    sidecar: Sidecar, database: Database, postgres_server: PostgresServer
) -> None:
    assert sidecar.run("--check") == (1, "shard 0: no persister was ever active\n")
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    status, said = sidecar.run("--check")
    assert (status, said[:16]) == (0, "1 shard(s) alive")
    assert said.endswith(f"schema {load_migrations()[-1].version}\n")
    assert sidecar.run("--check", shards=2)[0] == 1
    stop(process)
    await database.fetch("UPDATE persister_offsets SET updated_at = now() - interval '20 seconds'")
    status, said = sidecar.run("--check")
    assert status == 1
    assert re.fullmatch(r"shard 0: last sign of life 2\d s ago\n", said)
    assert sidecar.run("--check", postgres_dsn=postgres_server.dsn_of("nowhere"))[0] == 3


async def test_check_tells_that_the_schema_is_another_version_s(sidecar: Sidecar, connection: Any) -> None:
    known = load_migrations()
    await migrate(connection, known[:-1])
    older, newer = len(known) - 1, len(known) + 1
    assert sidecar.run("--check") == (1, f"the database has schema {older}, this version needs {len(known)}\n")
    await migrate(connection, [*known, Migration(newer, "newer", "SELECT 1")])
    assert sidecar.run("--check") == (1, f"the database has schema {newer}, this version needs {len(known)}\n")


async def test_orders_of_the_first_schema_are_kept(connection: Any) -> None:
    """A database of the first version goes on: its orders have the usual terms and no more."""
    first, *later = load_migrations()
    await migrate(connection, [first])
    await connection.execute(
        """INSERT INTO orders (
               order_id, shard, account, client_order_id, symbol, side, order_type, time_in_force, flags, quantity_lots,
               limit_price_ticks, status, reject_reason, cause, executed_lots, leaves_lots, executed_notional, version,
               last_event_seq, command_ms, command_seq, command_index)
           VALUES (gen_random_uuid(), 0, 'alice', 'a1', 'ACME', 1, 1, 1, 0, 10,
                   1000, 2, 0, 0, 0, 10, 0, 1, 1, 1, 0, 0)"""
    )
    before = dict(await connection.fetchrow("SELECT * FROM orders"))
    await migrate(connection, [first, *later])
    row = dict(await connection.fetchrow("SELECT * FROM orders"))
    assert {name: row[name] for name in before} == before
    more = {name: value for name, value in row.items() if name not in before and value is not None}
    assert more == {"self_trade_prevention": 0, "cancel_on_disconnect": False}
    shown = await connection.fetchrow("SELECT * FROM order_view")
    assert (shown["self_trade_prevention"], shown["stop_price"], shown["limit_price"]) == ("NONE", None, None)


async def test_idle_persister_shows_signs_of_life(sidecar: Sidecar, database: Database) -> None:
    sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    await database.fetch("UPDATE persister_offsets SET updated_at = now() - interval '1 hour'")
    await database.until("SELECT updated_at > now() - interval '10 seconds' FROM persister_offsets", True)
