"""Between the task that reads and the task that writes: waiting, over the pure batcher."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistence.batcher import Batch, Batcher
    from persistence.streams import Entry


class Feed:
    """One reader adds, one writer takes, in one event loop."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    def add(self, commands: Sequence[Entry], events: Sequence[Entry]) -> None:
        """Appends what was read."""
        self._batcher.add(commands, events, self._loop.time())
        self._changed.set()

    async def room(self) -> tuple[int, int]:
        """Waits until something may be read; rows of commands and of events."""
        while not any(room := self._batcher.room):
            self._taken.clear()
            await self._taken.wait()
        return room

    def close(self, error: BaseException | None = None) -> None:
        """No more will be added, because of a stop or of `error`; what waits is due at once. The first call counts."""
        if not self._closed:
            self._closed, self._error = True, error
        self._changed.set()

    async def batch(self, timeout_s: float) -> Batch | None:
        """Waits until a batch is due and takes it; None after `timeout_s` without, and once closed and empty.

        Raises:
            BaseException: the feed was closed with it, and all that waited was taken.
        """
        deadline = self._loop.time() + timeout_s
        while True:
            now = self._loop.time()
            due_in = self._batcher.due_in(now)
            if due_in is not None and (due_in <= 0 or self._closed):
                return self._take(now)
            if self._closed and self._error is not None:
                raise self._error
            if self._closed or now >= deadline:
                return None
            await self._wait(deadline - now if due_in is None else min(deadline - now, due_in))

    async def full_batch(self) -> Batch | None:
        """Waits for a batch of the largest size and takes it; None once closed."""
        while not (self._closed or self._batcher.full):
            await self._wait(None)
        return None if self._closed else self._take(self._loop.time())

    @property
    def exhausted(self) -> bool:
        """Whether it is closed without an error and nothing can be taken any more."""
        return self._closed and self._error is None and not self._batcher.takeable

    def _take(self, now: float) -> Batch | None:
        batch = self._batcher.take(now)
        self._taken.set()
        return batch

    async def _wait(self, timeout_s: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass
