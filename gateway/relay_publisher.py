"""Event frames on their way from the engine to the events stream: each once, in order, or not at all."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from gateway.redis_client import command
from ordergate.log.v1 import event_frame_pb2 as event_pb
from ordergate.v1 import order_entry_service_pb2 as entry_pb
from ordergate.v1 import order_pb2 as order_pb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from gateway.streams import Keys
    from ordergate.engine.v1 import engine_service_pb2 as engine_pb

log = structlog.get_logger()

OOM_PAUSE_S = 0.25
"""Pause before the next attempt when Redis' memory is full."""

# KEYS: events, epoch, times. ARGV: our epoch, then id, frame, engine time and number of events of each entry.
# One script, so that a batch is appended whole or not at all (in a plain pipeline one XADD could fail for lack of
# memory and the next succeed, and the first could never be put in again), and a relay whose epoch has passed appends
# nothing, however late its request arrives.
_PUBLISH = """#!lua
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return redis.error_reply('FENCED epoch ' .. ARGV[1] .. ' has passed')
end
for i = 2, #ARGV, 4 do
  redis.call('XADD', KEYS[3], ARGV[i], 't', ARGV[i + 2])
  redis.call('XADD', KEYS[1], ARGV[i], 'f', ARGV[i + 1], 't', ARGV[i + 2], 'n', ARGV[i + 3])
end
return redis.status_reply('OK')
"""


# KEYS: those of the orders. ARGV: their values, then the life in s. One command costs us a fifth of a pipeline of SETs.
_CACHE = """#!lua
for i, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[i], 'EX', ARGV[#ARGV])
end
return #KEYS
"""


class Fenced(Exception):
    """A session with a higher epoch has begun; this one must end."""


class Publisher:
    """Appends event frames to the events stream, under the ids of their command frames."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self.waiting_for_memory = False
        """True while Redis refuses for lack of memory."""

    async def publish(self, epoch: int, frames: Sequence[engine_pb.EventEntry]) -> None:
        """Appends `frames`; returns when Redis has answered, which is when they are durable.

        Waits for as long as Redis has no memory for them.

        Raises:
            Fenced: `epoch` is not the newest.
            redis.exceptions.RedisError: the outcome is unknown; read the stream's end before going on.
        """
        keys = self._keys
        args: list[bytes | str | int] = [epoch]
        for frame in frames:
            args += (f"{frame.id.ms}-{frame.id.seq}", frame.frame, frame.engine_time_ns, frame.events)
        while True:
            try:
                await command(self._client, "EVAL", _PUBLISH, 3, keys.events, keys.epoch, keys.times, *args)
            except ResponseError as error:
                await self._judge(error)
            else:
                self.waiting_for_memory = False
                return

    async def _judge(self, error: ResponseError) -> None:
        if str(error).startswith("FENCED"):
            raise Fenced(str(error)) from error
        if not isinstance(error, OutOfMemoryError):
            raise error
        if not self.waiting_for_memory:
            log.error("redis has no memory for event frames; waiting", stream=self._keys.events)
            self.waiting_for_memory = True
        await asyncio.sleep(OOM_PAUSE_S)


FINAL = frozenset(
    {
        order_pb.ORDER_STATUS_FILLED,
        order_pb.ORDER_STATUS_CANCELED,
        order_pb.ORDER_STATUS_EXPIRED,
        order_pb.ORDER_STATUS_REJECTED,
    }
)
"""States in which an order stays for ever."""

_FINAL_BYTES = frozenset(FINAL)


class FinalOrders:
    """Fills the status cache with orders that can't change any more.

    Leaving an order out is always right, since a reader that finds none looks further. So this takes only what fits
    its budget of `events_per_s`, never waits, and forgets what fails.
    """

    BATCH_EVENTS_MAX = 250
    """A larger batch is left out whole: parsing holds up the relay's loop, about 6 µs an event."""
    EVENTS_PER_S = 2000
    GATHER_S = 0.05
    """What comes within this time is written together: a reader that finds nothing loses only time."""

    def __init__(self, client: Redis, keys: Keys, ttl_s: int, clock: Callable[[], float]) -> None:
        self._client = client
        self._keys = keys
        self._ttl_s = ttl_s
        self._clock = clock
        self._tokens = float(self.EVENTS_PER_S)
        self._filled_at = clock()
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self.unreadable = 0
        """Event frames that could not be parsed; the persister is the one who says so out loud."""

    def offer(self, frames: Sequence[engine_pb.EventEntry]) -> None:
        """Takes published frames if the budget allows; never blocks."""
        count = sum(frame.events for frame in frames)
        now = self._clock()
        self._tokens = min(self.EVENTS_PER_S, self._tokens + (now - self._filled_at) * self.EVENTS_PER_S)
        self._filled_at = now
        if count <= min(self.BATCH_EVENTS_MAX, self._tokens):
            self._tokens -= count
            self._waiting.extend(frame.frame for frame in frames if frame.events)
            self._wake.set()

    async def run(self) -> None:
        """Writes what was offered; never returns."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self.GATHER_S)
            self._wake.clear()
            orders: dict[str, bytes] = {}
            while self._waiting:
                try:
                    orders.update(final_orders(self._waiting.popleft()))
                except DecodeError:
                    self.unreadable += 1
                await asyncio.sleep(0)  # frames that are on their way come first
            if orders:
                await self._write(orders)

    async def _write(self, orders: dict[str, bytes]) -> None:
        keys = [self._keys.order(order_id) for order_id in orders]
        try:
            await command(self._client, "EVAL", _CACHE, len(keys), *keys, *orders.values(), self._ttl_s)
        except RedisError as error:
            log.debug("status cache not filled", error=str(error))


def final_orders(raw: bytes) -> dict[str, bytes]:
    """Orders of an event frame that are final after it: serialised `ordergate.v1.Order` by order_id."""
    frame = event_pb.EventFrame.FromString(raw)
    if _FINAL_BYTES.isdisjoint(frame.statuses):
        return {}
    found: dict[str, bytes] = {}
    for account in frame.account_events:
        for event in entry_pb.SessionResponse.FromString(account.events).events:
            order = event.order
            if order.status in FINAL and order.order_id:
                found[order.order_id] = order.SerializeToString()
    return found
