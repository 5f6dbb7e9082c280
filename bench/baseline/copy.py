"""The persister's ceiling: COPY of the rows that it wrote into new tables of the same schema."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from gateway.stack.postgres import create_database
from persistence.migrate import load_migrations, migrate

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLES = ("orders", "executions", "command_frames", "account_events")
"""What a load without operations fills."""
_DATABASE = "bench_copy"
_SETTINGS = {"application_name": "ordergate-bench", "synchronous_commit": "on", "jit": "off"}


async def count_rows(dsn: str, tables: Sequence[str] = TABLES) -> int:
    """Rows of all tables."""
    connection = await asyncpg.connect(dsn)
    try:
        return sum([int(await connection.fetchval(f"SELECT count(*) FROM {table}")) for table in tables])  # noqa: S608
    finally:
        await connection.close()


async def copy_rows_per_s(dsn: str) -> float:
    """Rows a second of a binary COPY of every table into a new database of the same server, one transaction a table.

    The rows are those of the database at `dsn`, read beforehand; indexes and constraints are in place.
    """
    copy_dsn = _sibling(dsn)
    admin = await asyncpg.connect(dsn)
    await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE}")
    await create_database(dsn, _DATABASE)
    source, target = await asyncpg.connect(dsn), await asyncpg.connect(copy_dsn, server_settings=_SETTINGS)
    try:
        await migrate(target, load_migrations())
        with tempfile.TemporaryDirectory(prefix="ordergate-copy-") as folder:
            files = {table: Path(folder) / table for table in ("instruments", *TABLES)}
            for table, file in files.items():
                await source.copy_from_table(table, output=file, format="binary")
            await target.copy_to_table("instruments", source=files["instruments"], format="binary")
            await source.execute("CHECKPOINT")  # what others have written is not to be paid for here
            began = time.monotonic()
            for table in TABLES:
                await target.copy_to_table(table, source=files[table], format="binary")
            taken = time.monotonic() - began
        return await count_rows(copy_dsn) / taken
    finally:
        await source.close()
        await target.close()
        await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await admin.close()


def _sibling(dsn: str) -> str:
    head, sep, query = dsn.partition("?")
    return f"{head.rpartition('/')[0]}/{_DATABASE}{sep}{query}"
