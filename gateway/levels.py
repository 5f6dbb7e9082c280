"""Acks of levels ENGINE and PERSISTED of one session: in the order of its commands, and never behind their events.

A decision waits in its future until the session's writer collects it, which it does before it takes events: those of
the same frame are handed to the session only after its decisions. No task and no timer per command.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import outcome
from ordergate.v1 import command_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.hub import Hub
    from gateway.streams import LogId
    from gateway.verdicts import Verdict
    from gateway.wire import Prepared


@dataclass(slots=True)
class _Waiting:
    """A stored command whose level was not reached yet."""

    ack: command_pb2.Ack
    level: int
    place: LogId
    verdict: asyncio.Future[Verdict]
    deadline: float
    """Loop time at which it is told how far it came."""


class LevelAcks:
    """Commands of one session that wait for more than QUEUED."""

    def __init__(
        self,
        hubs: Sequence[Hub],
        timeout_s: float,
        emit: Callable[[command_pb2.Ack], None],
        wake: Callable[[], None],
    ) -> None:
        """Prepares.

        Args:
            hubs: one for each shard, in order.
            timeout_s: longest wait for a level, in seconds.
            emit: takes an ack that is ready.
            wake: called when `collect` has something to do.
        """
        self._hubs = hubs
        self._timeout_s = timeout_s
        self._emit = emit
        self._wake = wake
        self._undecided: list[deque[_Waiting]] = [deque() for _ in hubs]
        self._unstored: list[deque[_Waiting]] = [deque() for _ in hubs]
        self._storing: dict[int, asyncio.Task[None]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pending(self) -> bool:
        """Whether any ack is still to come."""
        return not self._idle.is_set()

    async def idle(self) -> None:
        """Returns when every ack was emitted."""
        await self._idle.wait()

    def add(self, command: Prepared, place: LogId, index: int, queued_ns: int) -> None:
        """Takes a stored command: index `index` of frame `place`."""
        ack = outcome.queued_ack(command, place, index, queued_ns)
        verdict = self._hubs[command.shard].verdict(place, index)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        self._undecided[command.shard].append(_Waiting(ack, command.level, place, verdict, deadline))
        self._idle.clear()
        verdict.add_done_callback(lambda _: self._wake())

    def collect(self) -> None:
        """Emits the acks of all decisions that have come. To be called before events are taken."""
        for shard, undecided in enumerate(self._undecided):
            while undecided and undecided[0].verdict.done():
                self._decided(shard, undecided.popleft())
        self._settle()

    def expire(self) -> None:
        """Tells those whose time has passed how far they came; to be called every second or so."""
        now = asyncio.get_running_loop().time()
        for undecided in self._undecided:
            while undecided and undecided[0].deadline <= now and not undecided[0].verdict.done():
                waiting = undecided.popleft()
                waiting.verdict.cancel()
                self._late(waiting)
        self._settle()

    async def close(self) -> None:
        """Waits for nothing any more; acks that did not come will not."""
        for waiting in (w for undecided in self._undecided for w in undecided):
            waiting.verdict.cancel()
        tasks = list(self._storing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _decided(self, shard: int, waiting: _Waiting) -> None:
        outcome.decide(waiting.ack, waiting.verdict)
        reached = waiting.ack.level == command_pb2.ACK_LEVEL_ENGINE
        if reached and waiting.level >= command_pb2.ACK_LEVEL_PERSISTED:
            self._unstored[shard].append(waiting)
            if shard not in self._storing:
                self._storing[shard] = asyncio.create_task(self._store(shard), name=f"session-stored-{shard}")
        else:
            self._emit(waiting.ack)

    async def _store(self, shard: int) -> None:
        """Waits until Postgres holds what waits, the oldest first."""
        unstored = self._unstored[shard]
        while unstored:
            oldest = unstored[0]
            try:
                async with asyncio.timeout_at(oldest.deadline):
                    await self._hubs[shard].wait_persisted(oldest.place)
            except TimeoutError:
                self._late(unstored.popleft())
                continue
            while unstored and unstored[0].place <= oldest.place:
                waiting = unstored.popleft()
                waiting.ack.level = command_pb2.ACK_LEVEL_PERSISTED
                self._emit(waiting.ack)
        del self._storing[shard]
        self._settle()

    def _late(self, waiting: _Waiting) -> None:
        outcome.fail_late(waiting.ack, self._timeout_s)
        self._emit(waiting.ack)

    def _settle(self) -> None:
        if self.pending and not self._storing and not any(self._undecided):
            self._idle.set()
            self._wake()
