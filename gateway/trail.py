"""Finding a command by its id: in the log's tail, and behind it in Postgres.

Order of the places, so that what moves from one to the next meanwhile is in both, never in neither: the tail (all that
Postgres does not hold yet), the table of orders, the events of the account. The last is a search, newest first; it
ends at what is found, at the time before which the command was not sent, or at the account's first event.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from google.protobuf.message import DecodeError
from redis.exceptions import RedisError

from gateway import fate
from gateway.database import DatabaseUnavailable
from gateway.entries import read_one
from gateway.errors import UNKNOWN, Internal, Unavailable
from gateway.fate import Trace
from gateway.frames import FrameError, find_keys, read_command_frame, read_event_frame
from gateway.history import NEWEST
from gateway.rows import FENCE
from gateway.streams import Keys, LogId
from gateway.verdicts import Verdict, read_verdicts
from ordergate.v1 import event_pb2, failure_pb2, order_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

    from gateway.database import Database
    from gateway.history import AccountHistory
    from gateway.tail import TailIndex
    from ordergate.log.v1.command_frame_pb2 import CommandFrame

log = structlog.get_logger(__name__)

CLOCK_SLACK_MS = 3_600_000
"""How far a client's clock may be off that says when it sent a command at the earliest."""

SEARCH_S = 8.0
"""Longest search through an account's events: below the time that a client gives a call."""


class Found(NamedTuple):
    """What a search found: at most one of the two that matter."""

    decided: Trace | None
    """The command, or a fence of it, that the engine decided on."""
    stored: Trace | None
    """The command, of which the engine has not told yet."""
    repeat: Trace | None
    """A repeat of it: it was seen, and the trace of the decision itself is lost."""
    fences: Sequence[Trace]
    """Fences that the engine has not told of."""


class Trail:
    """Finds commands of all kinds."""

    def __init__(
        self, tails: Sequence[TailIndex], redis: Redis, database: Database, histories: Sequence[AccountHistory]
    ) -> None:
        """Makes a finder.

        Args:
            tails: index of the log's tail, one for each shard.
            redis: shared client for reads that do not block.
            database: where the persister writes.
            histories: the events in Postgres, one for each shard.
        """
        self._tails = tails
        self._redis = redis
        self._database = database
        self._histories = histories

    async def find(self, account: str, command_id: str, key: bytes, since_ms: int = 0) -> Found:
        """What is known of the command.

        Args:
            account: whose; verified.
            command_id: its id.
            key: hash of both, see `gateway.ids.order_key`.
            since_ms: it was not sent before, ms since 1970; 0: not known.

        Raises:
            Unavailable: not all places could be searched, and what was found is not enough for a sure answer.
        """
        try:
            # An id does not tell its shard.
            traces = [t for part in await asyncio.gather(*(self._in_tail(t, key) for t in self._tails)) for t in part]
            found = fate.decided(traces)
            if found is None:
                older = await self._in_database(account, command_id, key, since_ms, traces)
                found = fate.decided(older)
                traces = [*older, *traces]
        except (RedisError, OSError) as error:
            raise Unavailable(f"the queue can't be read now: {type(error).__name__}", UNKNOWN) from error
        except (FrameError, DecodeError) as error:
            log.exception("log can't be read", command_id=command_id)
            raise Internal("the command's log can't be read") from error
        return Found(
            found,
            fate.undecided(traces),
            next((t for t in traces if t.verdict is not None and fate.is_repeat(t.verdict)), None),
            [t for t in traces if t.verdict is None and t.kind == FENCE],
        )

    async def _in_tail(self, tail: TailIndex, key: bytes) -> list[Trace]:
        await tail.refresh()
        traces: list[Trace] = []
        for place in tail.command_frames(key):
            entry = await read_one(self._redis, tail.keys.commands, place)
            if entry is None:
                continue  # trimmed since: Postgres has it
            frame = read_command_frame(entry.frame)
            traces += await self._in_frame(tail.keys, place, frame, key, persisted=place <= tail.persisted)
        return traces

    async def _in_frame(
        self, keys: Keys, place: LogId, frame: CommandFrame, key: bytes, *, persisted: bool
    ) -> list[Trace]:
        """The commands with the key in a frame, with what Redis has of the engine's answer."""
        indexes = list(find_keys(frame.keys, key))
        entry = await read_one(self._redis, keys.events, place)
        told = read_verdicts(read_event_frame(entry.frame), indexes) if entry is not None else {}
        return [Trace(keys.shard, place, index, frame, told.get(index), persisted) for index in indexes]

    # Postgres

    async def _in_database(
        self, account: str, command_id: str, key: bytes, since_ms: int, traces: Sequence[Trace]
    ) -> list[Trace]:
        try:
            row = await self._database.order_row(key)
            entered: list[Trace] = []
            if row is not None and row["account"] == account:
                entered = await self._of_row(row, key)
                if row["reject_reason"] not in fate.KNOWN:
                    return entered
            async with asyncio.timeout(SEARCH_S):
                parts = [await self._in_history(h, account, command_id, key, since_ms) for h in self._histories]
            return [trace for part in parts for trace in part] + entered
        except (DatabaseUnavailable, TimeoutError) as error:
            log.warning("Postgres can't be asked for a command", error=repr(error))
            if fate.undecided(traces) is not None:
                return []  # stored is sure, whatever came before
            if isinstance(error, TimeoutError):
                text = "the account has too many events to search in time; say with sent_after when it was sent"
                raise Unavailable(text, UNKNOWN) from error
            raise Unavailable("the database can't be asked now, and the queue does not tell", UNKNOWN) from error

    async def _of_row(self, row: Mapping[str, Any], key: bytes) -> list[Trace]:
        """The NewOrder that made a row."""
        place, keys = LogId(row["command_ms"], row["command_seq"]), Keys(row["shard"])
        frame, engine_time_ns = await self._archived(keys.shard, place)
        if row["status"] == order_pb2.ORDER_STATUS_QUEUED:
            return await self._in_frame(keys, place, frame, key, persisted=False)
        reason = row["reject_reason"]
        refused = row["status"] == order_pb2.ORDER_STATUS_REJECTED
        failure = None
        if refused:
            name = failure_pb2.Reason.Name(reason).removeprefix("REASON_")
            failure = failure_pb2.Failure(
                reason=reason, disposition=failure_pb2.DISPOSITION_NOT_APPLIED, text=f"the engine refused it: {name}"
            )
        kind = event_pb2.EVENT_KIND_REJECTED if refused else event_pb2.EVENT_KIND_ACCEPTED
        if reason in fate.KNOWN:
            kind = event_pb2.EVENT_KIND_COMMAND_REJECTED
        verdict = Verdict(engine_time_ns, kind, reason, duplicate=False, order=None, failure=failure)
        return [Trace(keys.shard, place, row["command_index"], frame, verdict, persisted=True)]

    async def _in_history(
        self, history: AccountHistory, account: str, command_id: str, key: bytes, since_ms: int
    ) -> list[Trace]:
        """Commands that have no row: what their account's events tell.

        Raises:
            Unavailable: older events that may tell of it are not kept.
        """
        text = command_id.encode()
        needle = bytes((3 << 3 | 2, len(text))) + text  # OrderEvent.command_id
        before, traces = NEWEST, list[Trace]()
        while True:
            page = await history.search(account, needle, before)
            for place, events in page.found:
                traces = await self._of_events(history.shard, place, events, command_id, key) + traces
            if fate.decided(traces) is not None or (page.oldest_seq and page.oldest.ms < since_ms - CLOCK_SLACK_MS):
                return traces
            if page.whole:
                return traces
            if not page.oldest_seq:
                raise Unavailable(
                    "the database does not hold all of the account's events; say with sent_after when it was sent",
                    UNKNOWN,
                )
            before = page.oldest_seq

    async def _of_events(self, shard: int, place: LogId, events: bytes, command_id: str, key: bytes) -> list[Trace]:
        verdicts = fate.told_of(events, command_id)
        if not verdicts:
            return []
        frame, _ = await self._archived(shard, place)
        pairs = zip(find_keys(frame.keys, key), verdicts, strict=False)
        return [Trace(shard, place, index, frame, verdict, persisted=True) for index, verdict in pairs]

    async def _archived(self, shard: int, place: LogId) -> tuple[CommandFrame, int]:
        """A command frame from the archive, and the engine time at which it was applied (0: not yet)."""
        rows = await self._database.rows("command_frame", shard, *place)
        if not rows:
            raise FrameError(f"frame {place} is not in the archive")
        return read_command_frame(rows[0]["payload"]), rows[0]["engine_time_ns"] or 0
