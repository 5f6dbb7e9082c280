"""Group commit: the commands of all streams of a worker, appended to the log in frames, one append at a time.

What arrives while an append is under way joins the next one, so that one fsync serves everybody who waited. Within
one stream the order of sending is the order of the log (P2): one connection, one append in flight, and after an append
without an answer nothing is appended before that one can no longer land (`_settle`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway import errors
from gateway.plain import frame_of
from gateway.rows import CANCEL_ORDER, MASS_CANCEL, SET_TRADING_STATE
from gateway.streams import FIELD_COUNT, FIELD_FRAME, ZERO, Keys, LogId
from gateway.wire import now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from gateway.wire import Prepared

_log = structlog.get_logger(__name__)

TAKES_RISK_OFF = frozenset({CANCEL_ORDER, MASS_CANCEL, SET_TRADING_STATE})
"""Kinds of commands that a full queue still takes while its reserve lasts: a market must be stoppable."""
_RETRY_AFTER_S = 0.5
_BRAKE_MAX_S = 0.5
"""Longest pause after one append."""
_SETTLE_PAUSE_S = 0.1
_SETTLE_PAUSE_MAX_S = 1.0


class Submission(Protocol):
    """Commands that belong together: stored in order, in one frame, or not at all."""

    commands: Sequence[Prepared]

    def stored(self, place: LogId, first: int, queued_ns: int) -> None:
        """They are durable: frame `place`, from index `first` on, handed to Redis at `queued_ns`. Must not raise."""

    def refused(self, error: errors.OrdergateError) -> None:
        """They are not stored, or (disposition UNKNOWN) may be. Must not raise."""


class CommandQueue:
    """The way of one worker into the log of one shard. All calls belong to the loop that runs `run`."""

    def __init__(
        self,
        shard: int,
        connect: Callable[[], Redis],
        *,
        origin: str,
        flush_commands_max: int,
        waiting_commands_max: int,
        linger_s: float = 0.0,
    ) -> None:
        """Prepares the queue; nothing is sent before `run`.

        Args:
            shard: shard of the log.
            connect: makes a client with one connection, no retries, a timeout and a name that no other connection has.
            origin: worker's name, recorded in each frame.
            flush_commands_max: most commands in one frame; a submission is never split.
            waiting_commands_max: above this many commands `room` waits.
            linger_s: pause before an append, for more to join; 0 appends at once what waits.
        """
        self.shard = shard
        self.last = ZERO
        """Id of this worker's last stored frame."""
        self.full = ""
        """Why new commands are refused with QUEUE_FULL; "" if they are taken."""
        self.reserved = False
        """While full, commands that only take risk off are taken all the same."""
        self.brake_s = 0.0
        """Pause after an append for each of its commands: a queue that fills up is filled more slowly."""
        self.healthy = True
        """False after an append failed, until one succeeds or the connection is found to work."""
        self.commands_stored = 0
        self.appends = 0
        self._key = Keys(shard).commands
        self._connect = connect
        self._client = connect()
        self._origin = origin
        self._flush_max = flush_commands_max
        self._waiting_max = waiting_commands_max
        self._linger_s = linger_s
        self._waiting: deque[Submission] = deque()
        self._waiting_commands = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._in_flight: asyncio.Future[None] | None = None
        self._stopping = False

    @property
    def waiting(self) -> int:
        """Commands that wait for their append."""
        return self._waiting_commands

    # -- for streams and calls ------------------------------------------------------------------------------------

    def submit(self, submission: Submission) -> None:
        """Takes commands; exactly one of `stored` and `refused` is called later, or at once if the queue is full."""
        if full := self.full_for(submission.commands):
            submission.refused(errors.QueueFull(full))
            return
        if self._stopping:
            submission.refused(errors.Draining())
            return
        self._waiting.append(submission)
        self._waiting_commands += len(submission.commands)
        if self._waiting_commands >= self._waiting_max:
            self._room.clear()
        self._idle.clear()
        self._wake.set()

    def full_for(self, commands: Sequence[Prepared]) -> str:
        """Why these commands would be refused with QUEUE_FULL; "" if they are taken, together or not at all."""
        if self.full and self.reserved and all(command.kind in TAKES_RISK_OFF for command in commands):
            return ""
        return self.full

    async def room(self) -> None:
        """Returns when another message may be read: back-pressure for the streams."""
        if not self._room.is_set():
            await self._room.wait()

    async def settled(self, seen: LogId) -> None:
        """Returns when no append of this worker with an id up to `seen` is still without its answer.

        The event side calls it before it forwards the events of frame `seen`, so that no event overtakes its ack. An
        append that begins later than this call gets an id above `seen`, so one wait is enough.
        """
        if self._in_flight is not None and seen > self.last:
            await asyncio.shield(self._in_flight)

    async def probe(self, redis: Redis) -> None:
        """After a failed append: finds out whether Redis takes writes again, without storing anything.

        Without it a queue that nobody sends to, because it says that it is not healthy, would stay so for ever.

        Args:
            redis: another client of the same Redis.

        Raises:
            redis.exceptions.RedisError: it does not answer.
        """
        if self.healthy or self._in_flight is not None:
            return
        try:
            # Refused like any append (memory, disk, replica); adds nothing, for there is no such stream.
            await redis.execute_command(  # type: ignore[no-untyped-call]
                "XADD", f"{self._key}:probe", "NOMKSTREAM", "*", FIELD_COUNT, 0
            )
        except ResponseError as error:
            _log.warning("queue refuses writes", shard=self.shard, error=_brief(error))
        else:
            self.healthy = True

    async def idle(self) -> None:
        """Returns when nothing waits and nothing is under way."""
        await self._idle.wait()

    # -- the loop -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Appends until `stop` was called and all is answered."""
        try:
            while not (self._stopping and not self._waiting):
                await self._wake.wait()
                if self._linger_s and not self._stopping:
                    await asyncio.sleep(self._linger_s)
                while self._waiting:
                    count = await self._flush(self._take())
                    if self.brake_s and not self._stopping:
                        await asyncio.sleep(min(count * self.brake_s, _BRAKE_MAX_S))
                self._wake.clear()
                self._idle.set()
        finally:
            await self._client.aclose()

    def stop(self) -> None:
        """Takes no more commands; `run` returns when those that wait are answered."""
        self._stopping = True
        self._wake.set()

    def _take(self) -> list[Submission]:
        batch = [self._waiting.popleft()]
        count = len(batch[0].commands)
        while self._waiting and count + len(self._waiting[0].commands) <= self._flush_max:
            batch.append(self._waiting.popleft())
            count += len(batch[-1].commands)
        self._waiting_commands -= count
        if self._waiting_commands < self._waiting_max:
            self._room.set()
        return batch

    async def _flush(self, batch: list[Submission]) -> int:
        """Appends what was taken, and tells how many commands that are."""
        count = sum(len(submission.commands) for submission in batch)
        queued_ns = now_ns()
        frame = frame_of([submission.commands for submission in batch], queued_ns, self._origin)
        self._in_flight = asyncio.get_running_loop().create_future()
        try:
            place = await self._append(frame, count)
        except errors.OrdergateError as error:
            self.healthy = False
            for submission in batch:
                submission.refused(error)
            if error.disposition == errors.UNKNOWN:
                await self._settle()
        else:
            self.healthy = True
            self.last = place
            self.appends += 1
            self.commands_stored += count
            first = 0
            for submission in batch:
                submission.stored(place, first, queued_ns)
                first += len(submission.commands)
        finally:
            self._in_flight.set_result(None)
            self._in_flight = None
        return count

    async def _append(self, frame: bytes, count: int) -> LogId:
        """Stores one frame.

        Raises:
            QueueFull: Redis has no memory left; nothing was stored.
            Unavailable: not stored, or the answer did not come (disposition UNKNOWN).
        """
        try:
            raw = await self._client.execute_command(  # type: ignore[no-untyped-call]
                "XADD", self._key, b"*", FIELD_FRAME, frame, FIELD_COUNT, count
            )
            return LogId.parse(raw)
        except ResponseError as error:
            raise _refusal(error) from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            if not _was_sent(error):
                raise errors.Unavailable(f"the queue can't be reached: {_brief(error)}") from error
            _log.warning("append without answer", shard=self.shard, commands=count, error=_brief(error))
            raise errors.Unavailable(
                "the queue did not answer in time; retry with the same command_id", errors.UNKNOWN
            ) from error

    async def _settle(self) -> None:
        """Waits until the append without an answer can no longer land, on whatever connection it was.

        The old connection is closed here. Redis may still hold bytes of it that it has not read: every other connection
        of this queue's name is killed, after which they are executed or dropped.
        """
        pause = _SETTLE_PAUSE_S
        while True:
            await self._client.aclose()
            self._client = self._connect()
            try:
                await self._kill_others()
            except (RedisError, OSError) as error:
                _log.warning("queue not reached", shard=self.shard, error=_brief(error))
                self._refuse_waiting(errors.Unavailable(f"the queue can't be reached: {_brief(error)}"))
                if self._stopping:
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, _SETTLE_PAUSE_MAX_S)
            else:
                _log.info("queue reached again", shard=self.shard)
                self.healthy = True
                return

    async def _kill_others(self) -> None:
        mine = str(await self._client.client_id())
        name = self._client.connection_pool.connection_kwargs["client_name"]
        for other in await self._client.client_list():
            if other["name"] == name and other["id"] != mine:
                await self._client.client_kill_filter(_id=other["id"])

    def _refuse_waiting(self, error: errors.OrdergateError) -> None:
        """What was never handed to Redis is not applied, and says so rather than wait for a Redis that is away."""
        waiting, self._waiting = self._waiting, deque()
        self._waiting_commands = 0
        self._room.set()
        for submission in waiting:
            submission.refused(error)


def _refusal(error: ResponseError) -> errors.OrdergateError:
    if isinstance(error, OutOfMemoryError):
        return errors.QueueFull("the queue's memory is used up; nothing was stored")
    return errors.Unavailable(f"the queue refuses writes: {str(error)[:120]}")


def _was_sent(error: BaseException) -> bool:
    """False only if the connection was never made, so that Redis can't have seen the command."""
    return " connecting to " not in str(error)


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:160]
