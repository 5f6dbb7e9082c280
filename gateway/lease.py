"""The relay's lease: at most one relay of a shard works, and a late one can do no harm.

Two walls. The lease (a key with a life) makes relays take turns. The epoch makes a relay that still believes in a
lease it has lost harmless: each lease taken and each session opened raises it, and both the engine and the script
that publishes events refuse an older one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from gateway.redis_client import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from gateway.streams import Keys

log = structlog.get_logger()

# KEYS: lease, epoch. ARGV: holder, life in ms. One script, since a pause between SET and INCR would let two relays
# take their epochs in the wrong order.
_TAKE = """#!lua
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return redis.call('INCR', KEYS[2])
end
return 0
"""

# KEYS: lease, epoch. ARGV: holder, life in ms, epoch of the holder. A key that is gone while the epoch stands was
# evicted or ran out, and nobody has taken it since: it is put back. Both must work when the memory is full.
_RENEW = """#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if not holder and redis.call('GET', KEYS[2]) == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
"""

# KEYS: lease, epoch. ARGV: holder.
_ADVANCE = """#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('INCR', KEYS[2])
end
return 0
"""

# KEYS: lease. ARGV: holder.
_RELEASE = """#!lua
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


class LeaseLost(Exception):
    """The lease is another's, or could not be confirmed before it ran out: stop working at once."""


class Lease:
    """Lease of one shard, for one relay.

    `take` until it gives True, then run `hold` beside the work: it raises `LeaseLost` as soon as the work must stop.
    Time is that of `clock` (seconds, monotonic) and counts from before each request was sent, so that this side's
    idea of the lease ends before Redis' own.
    """

    def __init__(
        self, client: Redis, keys: Keys, name: str, ttl_ms: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._keys = keys
        self._ttl_ms = ttl_ms
        self._clock = clock
        self._until = 0.0
        self.holder = f"{name}/{secrets.token_hex(4)}"
        """Value of the key: the name, and a part of its own, so that a namesake after a restart is not taken for us."""
        self.epoch = 0
        """Fencing epoch; 0 before the first lease."""

    @property
    def held(self) -> bool:
        """True while the lease is confirmed and has not run out."""
        return self._clock() < self._until

    async def take(self) -> bool:
        """Takes the lease if it is free; True if it is ours now, with a new epoch.

        Raises:
            redis.exceptions.RedisError: Redis can't be asked.
        """
        asked_at = self._clock()
        epoch = await self._eval(_TAKE, self._ttl_ms)
        if epoch:
            self.epoch = epoch
            self._until = asked_at + self._ttl_ms / 1000
        return bool(epoch)

    async def advance(self) -> int:
        """A new epoch for a new session, which fences every session before it.

        Raises:
            LeaseLost: the lease is not ours any more.
            redis.exceptions.RedisError: Redis can't be asked.
        """
        epoch = await self._eval(_ADVANCE)
        if not epoch:
            raise LeaseLost("the lease is not ours any more")
        self.epoch = epoch
        return epoch

    async def hold(self) -> None:
        """Renews every third of the lease's life; never returns.

        Raises:
            LeaseLost: another holds it, or no renewal was confirmed before it ran out.
        """
        pause_s = self._ttl_ms / 3000
        while True:
            await asyncio.sleep(min(pause_s, max(0.0, self._until - self._clock())))
            if not self.held:
                raise LeaseLost("the lease ran out")
            try:
                async with asyncio.timeout(self._until - self._clock()):
                    await self._renew()
                pause_s = self._ttl_ms / 3000
            except TimeoutError:
                raise LeaseLost("the lease ran out without an answer of Redis") from None
            except RedisError as error:
                log.warning("lease not renewed", holder=self.holder, error=str(error))
                pause_s = self._ttl_ms / 20000

    async def release(self) -> None:
        """Gives the lease up if it is ours, so that another need not wait for its end."""
        self._until = 0.0
        await command(self._client, "EVAL", _RELEASE, 1, self._keys.lease, self.holder)

    async def _renew(self) -> None:
        asked_at = self._clock()
        if not await self._eval(_RENEW, self._ttl_ms, self.epoch):
            self._until = 0.0
            raise LeaseLost("the lease is another's")
        self._until = asked_at + self._ttl_ms / 1000

    async def _eval(self, script: str, *args: int) -> int:
        reply = await command(self._client, "EVAL", script, 2, self._keys.lease, self._keys.epoch, self.holder, *args)
        return int(reply or 0)
