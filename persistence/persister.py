"""The process: bring the schema up to date, then persist every shard until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import structlog

from persistence import database
from persistence.errors import Refused
from persistence.instruments import Instrument, load_instruments, publish_instruments
from persistence.metrics import ShardsCollector, serve
from persistence.migrate import load_migrations, migrate
from persistence.outages import is_passing
from persistence.packed import Packer
from persistence.shard import ShardPersister

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistence.settings import Settings

_RETRY_S = 1.0
"""Pause between attempts to reach Postgres at start."""


class Persister:
    """All shards of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    async def run(self) -> None:
        """Works until `stop`, then writes what was read, for at most `drain_grace_s`.

        Raises:
            Refused: it can't be done rightly; the text says why.
        """
        instruments = load_instruments(self._settings.instruments)
        packer = Packer.find(self._settings.rows_native)
        if self._settings.metrics_listen:
            serve(self._settings.metrics_listen)
            self._log.info("metrics", url=f"http://{self._settings.metrics_listen}/metrics")
        self._listen_to_signals()
        if not await self._prepare(instruments):
            return
        settings, stop = self._settings, self._stop
        shards = [ShardPersister(settings, shard, stop, packer) for shard in range(settings.shards)]
        ShardsCollector(shards)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(s.run(), name=f"shard-{n}") for n, s in enumerate(shards)]
                group.create_task(self._limit_grace(tasks), name="grace")
        except* Refused as refused:
            raise _first(refused) from None
        self._log.info("persister stopped")

    def stop(self) -> None:
        """Asks for the end; may be called again and from a signal handler."""
        self._stop.set()

    async def _prepare(self, instruments: Sequence[Instrument]) -> bool:
        """Migrates and publishes the instruments, as soon as Postgres lets us; False if the stop came first."""
        waiting = False
        while not self._stop.is_set():
            try:
                await self._migrate(instruments)
            except Exception as error:
                if not is_passing(error):
                    raise
                if not waiting:
                    self._log.warning("waiting for Postgres", error=repr(error))
                waiting = True
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_S):
                        await self._stop.wait()
            else:
                return True
        return False

    async def _migrate(self, instruments: Sequence[Instrument]) -> None:
        connection = await database.connect(
            self._settings.postgres_dsn, "ordergate-persister", allow_volatile=self._settings.allow_volatile
        )
        try:
            for migration in await migrate(connection, load_migrations()):
                self._log.info("migrated", version=migration.version, name=migration.name)
            await publish_instruments(connection, instruments)
        finally:
            await database.disconnect(connection)

    async def _limit_grace(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Ends work that does not finish in time. Nothing is lost by it: the log still holds what is not committed."""
        await self._stop.wait()
        _, late = await asyncio.wait(tasks, timeout=self._settings.drain_grace_s)
        for task in late:
            self._log.warning("not finished within the grace, left to the next start", task=task.get_name())
            task.cancel()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._on_signal, name)

    def _on_signal(self, name: signal.Signals) -> None:
        if self._stop.is_set():
            self._log.warning("second signal: ending at once", signal=name.name)
            os._exit(128 + name)
        self._log.info("stopping", signal=name.name)
        self.stop()


def _first(group: BaseExceptionGroup[Refused]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
