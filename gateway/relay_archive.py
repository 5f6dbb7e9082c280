"""The archive of command frames in Postgres, for an engine that needs what Redis no longer holds. Only read."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import asyncpg

from gateway.database import FAILURES, DatabaseUnavailable
from gateway.streams import ZERO, LogId

if TYPE_CHECKING:
    from collections.abc import Awaitable

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
"""A page is some megabytes by primary key; a database that is busy writing may take its time."""
PAGE_BYTES = 4_194_304
"""Aim of a page: enough to make the round trip cheap."""
_ROWS_FIRST = 32
"""Rows of the first page, before the size of frames is known."""
_ROWS_MAX = 4096

_FRAMES_AFTER = files("gateway").joinpath("sql/frames_after.sql").read_text(encoding="utf-8")
_HOLDS = files("gateway").joinpath("sql/frame_is_archived.sql").read_text(encoding="utf-8")

ArchivedFrame = tuple[LogId, bytes, int | None]
"""Id, frame, and the engine time at which it was applied; None: not known to Postgres."""


class Archive:
    """One read-only connection, opened when it is first needed and closed by `close`. One reader at a time."""

    def __init__(self, dsn: str, shard: int) -> None:
        self._dsn = dsn
        self._shard = shard
        self._connection: Any = None
        self._rows = _ROWS_FIRST

    async def frames_after(self, after: LogId, until: LogId) -> list[ArchivedFrame]:
        """The next frames in (after, until], in order, about `PAGE_BYTES` of them; empty if there are none.

        Raises:
            DatabaseUnavailable: no answer.
        """
        found = await self._ask("fetch", _FRAMES_AFTER, self._shard, *after, *until, self._rows)
        page = [(LogId(row["ms"], row["seq"]), row["payload"], row["engine_time_ns"]) for row in found]
        if page:
            size = sum(len(frame) for _, frame, _ in page)
            self._rows = max(1, min(_ROWS_MAX, PAGE_BYTES * len(page) // (size + 1), 4 * self._rows))
        return page

    async def holds(self, entry_id: LogId) -> bool:
        """Whether a frame is archived; the beginning of the log always is.

        Raises:
            DatabaseUnavailable: no answer.
        """
        return entry_id == ZERO or bool(await self._ask("fetchval", _HOLDS, self._shard, *entry_id))

    async def close(self) -> None:
        """Drops the connection; the next question would open another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _ask(self, how: str, sql: str, *args: int) -> Any:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._dsn,
                    timeout=_CONNECT_TIMEOUT_S,
                    command_timeout=_READ_TIMEOUT_S,
                    server_settings={
                        "application_name": "ordergate-relay",
                        "default_transaction_read_only": "on",
                        "jit": "off",
                    },
                )
            asking: Awaitable[Any] = getattr(self._connection, how)(sql, *args)
            return await asking
        except (*FAILURES, ValueError) as error:
            await self.close()
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
