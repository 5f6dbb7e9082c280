"""Starts services in order, restarts what dies, stops them in reverse."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.stack.process import CONFIGURATION_REFUSED, Process, StackError, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_POLL_S = 0.05
_BACKOFF_FIRST_S = 0.2
_BACKOFF_MAX_S = 10.0
_HEALTHY_S = 20.0
"""A service that ran this long starts again with the first, shortest wait."""


@dataclass(slots=True)
class _Care:
    """What the supervisor knows of one service."""

    process: Process
    backoff_s: float = 0.0
    restart_at: float | None = None
    """Monotonic time of the next start, None while it runs."""


class Supervisor:
    """Cares for services, from first start to orderly end.

    Args:
        say: takes one line for the user.
        changed: called after every start that changed a process id.
    """

    def __init__(self, say: Callable[[str], None], changed: Callable[[dict[str, int]], None]) -> None:
        self._say = say
        self._changed = changed
        self._cared: list[_Care] = []

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by service."""
        return {care.process.program.name: care.process.pid for care in self._cared}

    async def start(self, processes: Sequence[Process]) -> None:
        """Starts services together and waits until each serves; call it again for those that need these.

        Raises:
            StackError: one ended, or took too long. A first start is not tried again: whoever started us watches.
        """
        for process in processes:
            self._cared.append(_Care(process))
            process.start()
        self._changed(self.pids)
        pending = list(processes)
        while pending:
            self._fail_on_death()
            pending = [p for p in pending if not await asyncio.to_thread(p.check_ready)]
            if pending:
                await asyncio.sleep(_POLL_S)

    async def watch(self, stop: asyncio.Event) -> None:
        """Restarts what dies until `stop` is set.

        Raises:
            StackError: a service refuses its configuration, so that restarting it is of no use.
        """
        while not stop.is_set():
            for care in self._cared:
                self._look_after(care)
            try:
                async with asyncio.timeout(_POLL_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Stops all in reverse order, each before the next, so that none loses what it depends on."""
        while self._cared:
            await asyncio.to_thread(self._cared.pop().process.stop)

    def _look_after(self, care: _Care) -> None:
        now = time.monotonic()
        if care.restart_at is not None:
            if now >= care.restart_at:
                care.restart_at = None
                care.process.start()
                self._changed(self.pids)
            return
        status = care.process.died
        if status is None:
            leaving = care.process.program.leaving
            if leaving and leaving():
                care.process.ask_to_stop()
            return
        name, lived_s = care.process.program.name, now - care.process.started_at
        if status == CONFIGURATION_REFUSED:
            raise StackError(f"{name}: {care.process.last_words()}", CONFIGURATION_REFUSED)
        care.process.end_remains()
        care.backoff_s = 0.0 if lived_s > _HEALTHY_S else min(care.backoff_s * 2, _BACKOFF_MAX_S)
        care.backoff_s = max(care.backoff_s, _BACKOFF_FIRST_S)
        care.restart_at = now + care.backoff_s
        reason = f": {care.process.last_words()}" if status > 0 else ""
        self._say(
            f"{name} {describe(status)} after {lived_s:.1f} s, starting it again in {care.backoff_s:.1f} s{reason}"
        )

    def _fail_on_death(self) -> None:
        for care in self._cared:
            if care.process.died is not None:
                care.process.check_ready()
