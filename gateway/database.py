"""Reading from Postgres. The gateway never writes there: that is the persister's."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 2.0
"""A look-up by primary key takes well below a millisecond: after this time the database is not there."""

_CONNECTIONS_MAX = 4


FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when Postgres does not answer. The last: its server ended while a query was being handed over."""


class DatabaseUnavailable(Exception):
    """Postgres can't be reached or asked; the message says why."""


class Database:
    """Read-only connections to Postgres, opened when they are first needed, so that a worker starts without it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Any = None
        self._opening = asyncio.Lock()

    async def order_row(self, key: bytes) -> Mapping[str, Any] | None:
        """Row of the order with this key, whoever owns it.

        Raises:
            DatabaseUnavailable: no answer.
        """
        rows = await self.rows("orders_by_id", [UUID(bytes=key)])
        return rows[0] if rows else None

    async def rows(self, query: str, *args: Any, timeout_s: float = TIMEOUT_S) -> list[Mapping[str, Any]]:
        """Rows of a query.

        Args:
            query: name of a file in `gateway/sql`, without its ending.
            args: its parameters.
            timeout_s: longest time for it.

        Raises:
            DatabaseUnavailable: no answer, or not in time.
        """
        try:
            pool = self._pool or await self._open()
            rows: list[Mapping[str, Any]] = await pool.fetch(_statement(query), *args, timeout=timeout_s)
        except FAILURES as error:
            if isinstance(error, asyncpg.InternalClientError):
                await self.close()  # the connection stays in the state that it was caught in
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
        return rows

    async def close(self) -> None:
        """Closes all connections; the next look-up would open new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=_CONNECTIONS_MAX,
                    timeout=TIMEOUT_S,
                    command_timeout=TIMEOUT_S,
                    server_settings={
                        "application_name": "ordergate-gateway",
                        "default_transaction_read_only": "on",
                        "jit": "off",
                    },
                )
        return self._pool


@cache
def _statement(query: str) -> str:
    return files("gateway").joinpath(f"sql/{query}.sql").read_text(encoding="utf-8")
