"""The right to write a shard: one persister has it, others stand by and take over when it is dead or frozen.

The right is an advisory lock of the active persister's session. When that process dies, its connection ends, and with
it the lock. A process that is frozen, or whose host is cut off, keeps its connection: its backend then waits for it,
while a living persister shows a sign of life at least every `heartbeat_ms`. A standby that sees the backend wait
without a break for `takeover_ms` ends it. Should the other wake up, its next word finds the connection gone; what it
had not committed was rolled back, and the offset's compare-and-set is a second wall.

A backend that is at work is never ended, however long that takes: then it is Postgres that is slow, and a standby would
not be faster.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from persistence import database
from persistence.statements import statement

if TYPE_CHECKING:
    from persistence.settings import Settings


class Standby:
    """Waits for the right to write one shard."""

    def __init__(self, settings: Settings, shard: int, stop: asyncio.Event) -> None:
        self._shard = shard
        self._stop = stop
        self._poll_s = settings.standby_poll_ms / 1000
        self._takeover_s = settings.takeover_ms / 1000
        self._log = structlog.get_logger(__name__).bind(shard=shard)
        self._seen: tuple[Any, ...] | None = None
        self._since = 0.0

    async def lock(self, connection: Any) -> bool:
        """Waits for the right; False if the stop came first.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError: Postgres fails.
        """
        key = (database.LOCK_SPACE, self._shard)
        waiting = False
        while not self._stop.is_set():
            async with database.watched(connection):
                if await connection.fetchval(statement("session", "try_lock"), *key):
                    return True
                if not waiting:
                    self._log.info("standby: another persister is active")
                waiting = True
                await self._end_if_frozen(connection, key)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._stop.wait()
        return False

    async def _end_if_frozen(self, connection: Any, key: tuple[int, int]) -> None:
        now = asyncio.get_running_loop().time()
        row = await connection.fetchrow(statement("session", "waiting_holder"), *key)
        seen = None if row is None else tuple(row)
        if seen is None or seen != self._seen:
            self._seen, self._since = seen, now
            return
        if now - self._since < self._takeover_s:
            return
        pid, self._seen = seen[0], None
        try:
            ended = await connection.fetchval(statement("session", "end_holder"), *key, pid)
        except asyncpg.InsufficientPrivilegeError as error:
            self._log.error(
                "the active persister is frozen, and this role may not end its connection", error=str(error)
            )
            return
        if ended:
            self._log.warning("the active persister is frozen: its connection was ended", pid=pid)
