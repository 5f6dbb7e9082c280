"""`--check`: is a persister at work on every shard? Asks Postgres only, and imports little: it runs often."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from persistence.migrate import load_migrations
from persistence.statements import statement

if TYPE_CHECKING:
    from persistence.settings import Settings

AGE_MAX_S = 15.0
"""Three heartbeats (see `shard.HEARTBEAT_S`)."""
_TIMEOUT_S = 4.0

HEALTHY, UNHEALTHY, UNREACHABLE = 0, 1, 3


async def check(settings: Settings) -> tuple[int, str]:
    """Exit status and a line for people.

    Every shard must have shown a sign of life within `AGE_MAX_S`. A persister does so with each batch and, when there
    is nothing to write, every few seconds as long as it reaches Redis and holds the shard's lock. And the schema must
    be that of this version: with another one it is another version's persister that is at work.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            connection = await asyncpg.connect(settings.postgres_dsn)
            try:
                schema = await connection.fetchval(statement("migrate", "newest"))
                rows = await connection.fetch(statement("session", "heartbeats"))
            finally:
                connection.terminate()
    except asyncpg.UndefinedTableError:
        schema, rows = None, []
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return UNREACHABLE, f"Postgres can't be asked: {error!r}"
    known = load_migrations()[-1].version
    if schema not in {None, known}:
        return UNHEALTHY, f"the database has schema {schema}, this version needs {known}"
    ages = {row["shard"]: row["age_s"] for row in rows}
    for shard in range(settings.shards):
        if shard not in ages:
            return UNHEALTHY, f"shard {shard}: no persister was ever active"
        if ages[shard] > AGE_MAX_S:
            return UNHEALTHY, f"shard {shard}: last sign of life {ages[shard]:.0f} s ago"
    oldest = max(ages.values())
    return HEALTHY, f"{settings.shards} shard(s) alive, oldest sign of life {oldest:.1f} s ago, schema {known}"
