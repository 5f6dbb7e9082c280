"""Connections to Postgres: made, checked, and dropped.

A connection of the writer is its own, never from a pool: advisory locks, temporary tables and session settings live
on it. There must be no transaction-pooling proxy between persister and Postgres.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from persistence.errors import NotDurable, Refused
from persistence.statements import statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOCK_SPACE = 0x6F67
"""First key of our advisory locks ("og"); the second is the shard, or -1 for the migrations."""

CONNECT_TIMEOUT_S = 5.0
OPERATION_TIMEOUT_S = 30.0
"""Longest wait for Postgres within one operation; then the connection is dropped and the work done again."""
_SERVER_VERSION_MIN = 140000
"""idle_session_timeout came with 14."""

_SESSION = {
    "jit": "off",  # compiling costs more than any statement of ours takes
    # Stages are never analysed: without these the planner may choose to scan the whole of a large table.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "statement_timeout": "25s",
    # A persister that was frozen must not keep the lock of its shard: it shows a sign of life every few seconds.
    "idle_in_transaction_session_timeout": "15s",
    "idle_session_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


async def connect(dsn: str, name: str, *, allow_volatile: bool = False) -> Any:
    """A connection for writing: session settings made, durability checked.

    Args:
        dsn: where Postgres is.
        name: application_name, as pg_stat_activity shows it.
        allow_volatile: take a server with fsync or full_page_writes off.

    Raises:
        NotDurable: Postgres may forget what it commits.
        Refused: the server is too old, or does not let us in.
    """
    settings = {**_SESSION, "application_name": name}
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=settings)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise Refused(f"Postgres refuses the connection: {error}") from None
    try:
        await _check(connection, allow_volatile=allow_volatile)
        # Ids travel as the 16 bytes that they are; a UUID object for each would cost more than the rest of the row.
        await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _check(connection: Any, *, allow_volatile: bool) -> None:
    row = await connection.fetchrow(statement("session", "durability"))
    if row["version"] < _SERVER_VERSION_MIN:
        raise Refused(f"Postgres {row['version'] // 10000} is too old; 14 or newer is needed")
    waivable = () if allow_volatile else ("fsync", "full_page_writes")
    for name in (*waivable, "synchronous_commit"):
        if row[name] == "off":
            raise NotDurable(
                f"Postgres runs with {name} = off and may forget what it committed: "
                f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf(); or start with --allow-volatile true"
            )


@asynccontextmanager
async def watched(connection: Any, timeout_s: float = OPERATION_TIMEOUT_S) -> AsyncIterator[None]:
    """Drops the connection if the block takes longer than `timeout_s`; the waiting call then fails as disconnected.

    Cancelling a call of asyncpg instead would ask the frozen server for a cancellation, and wait for that.
    """
    timer = asyncio.get_running_loop().call_later(timeout_s, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


async def disconnect(connection: Any) -> None:
    """Closes the connection if the server still answers, drops it if not."""
    try:
        async with watched(connection, 2.0):
            await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
