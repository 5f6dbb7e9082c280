"""Events that a session has received and the program has not read yet."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.client.errors import OrdergateError
    from ordergate.v1.event_pb2 import OrderEvent

_log = logging.getLogger(__name__)


class Inbox:
    """A bounded buffer between the reader of the stream and the program.

    When it is full the reader waits, and the server sees a slow reader: no event is lost, but acks wait behind them.

    Args:
        capacity: most events held, give or take one message.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._batches: deque[Sequence[OrderEvent]] = deque()
        self._count = 0
        self._ended = False
        self._error: OrdergateError | None = None
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._warned = False

    @property
    def full(self) -> bool:
        """True while the reader must wait."""
        return self._count >= self._capacity and not self._ended

    async def put(self, events: Sequence[OrderEvent]) -> None:
        """Adds the events of one message, once there is room."""
        while self.full:
            self._warn()
            self._emptied.clear()
            await self._emptied.wait()
        if not self._ended:
            self._batches.append(events)
            self._count += len(events)
            self._filled.set()

    async def get(self) -> Sequence[OrderEvent] | None:
        """The events of the next message, at least one; None at the end.

        Raises:
            OrdergateError: the session was lost; everything that it received was given before.
        """
        while not self._batches:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()
        events = self._batches.popleft()
        self._count -= len(events)
        self._emptied.set()
        return events

    def lift(self) -> None:
        """Holds any number from now on: the session is closing, and its last acks come behind events."""
        self._capacity = sys.maxsize
        self._emptied.set()

    def end(self, error: OrdergateError | None = None) -> None:
        """Nothing more will come; what a program does not read by now it may still read."""
        self._ended = True
        self._error = self._error or error
        self._filled.set()
        self._emptied.set()

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "%d events of the session are not read: its acks wait too. Read session.events(), or open the session "
                "with events=False",
                self._count,
            )
