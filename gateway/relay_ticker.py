"""Ticks: commands that let the engine's time go on when an order is due to expire and nothing else comes.

An order expires with the first frame whose engine time reaches its end. So the relay writes one TICK at that time,
unless commands flow anyway. It stands in the log like any command: a replay sees it again at the same time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.ids import OPERATIONS, order_key
from gateway.redis_client import command
from gateway.streams import FIELD_COUNT, FIELD_FRAME, ZERO, LogId
from gateway.wire import now_ns
from ordergate.log.v1 import command_frame_pb2 as log_pb

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from gateway.relay_window import Window
    from gateway.streams import Keys

log = structlog.get_logger()

RETRY_S = 0.25
"""Pause after a Redis that did not take a tick; it need not have refused it."""
WAIT_MAX_S = 60.0
"""A sleep is never longer: the clock that orders expire by may be set meanwhile."""
TICK_GAP_S = 0.01
"""Least time between two ticks: orders that end at neighbouring instants share one."""


class Ticker:
    """Ticks of one session of the relay. At most one is under way.

    An append by a relay that was overtaken does no harm, and needs no fence: a tick says nothing but that time goes on,
    and it gets its engine time from whichever relay sends it. So a tick whose append was not answered is written again.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        epoch: int,
        window: Window,
        *,
        origin: str,
        clock_ns: Callable[[], int] = now_ns,
    ) -> None:
        """Prepares; nothing is written before `run`.

        Args:
            client: for plain commands.
            keys: of the shard.
            epoch: of the session, unique among all sessions of the shard.
            window: frames under way.
            origin: relay's name, recorded in each frame.
            clock_ns: the clock that engine times are stamped by.
        """
        self._client = client
        self._keys = keys
        self._epoch = epoch
        self._window = window
        self._origin = origin
        self._clock_ns = clock_ns
        self._due_ns = 0
        self._last = ZERO
        self._told = asyncio.Event()
        self.written = 0
        """Ticks appended so far, as far as is known."""

    def told(self, due_ns: int) -> None:
        """The engine's latest word on when its next order is due to expire; 0: none is."""
        self._due_ns = due_ns
        self._told.set()

    async def run(self) -> None:
        """Writes ticks; never returns."""
        while True:
            self._told.clear()
            pause_s = self.pause_s()
            if pause_s is not None and pause_s <= 0:
                await self._write()
                await asyncio.sleep(TICK_GAP_S)
                continue
            try:
                async with asyncio.timeout(pause_s):
                    await self._told.wait()
            except TimeoutError:
                continue

    def pause_s(self) -> float | None:
        """Seconds until a tick is to be written; None: not before the engine has told something new.

        It will, as soon as it has applied a frame: the tick under way, or one that was sent at or after the due time.
        """
        window, due_ns = self._window, self._due_ns
        if not due_ns or window.sent < self._last or window.sent_ns >= due_ns:
            return None
        return min((due_ns - self._clock_ns()) / 1e9, WAIT_MAX_S)

    async def _write(self) -> None:
        self.written += 1
        frame = tick_frame(f"tick-{self._epoch}-{self.written}", self._clock_ns(), self._origin)
        try:
            raw = await command(self._client, "XADD", self._keys.commands, b"*", FIELD_FRAME, frame, FIELD_COUNT, 1)
        except (RedisError, OSError) as error:
            log.warning("no tick written", shard=self._keys.shard, error=str(error))
            await asyncio.sleep(RETRY_S)
        else:
            self._last = LogId.parse(raw)


def tick_frame(command_id: str, queued_ns: int, origin: str) -> bytes:
    """A command frame with nothing but a TICK."""
    return log_pb.CommandFrame(
        format=1,
        queued_at_ns=queued_ns,
        origin=origin,
        accounts=[OPERATIONS],
        kinds=bytes([log_pb.COMMAND_KIND_TICK]),
        keys=order_key(OPERATIONS, command_id),
        command_ids=[command_id],
        account_index=[0],
        age_us=[0],
    ).SerializeToString()
