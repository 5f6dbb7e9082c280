"""OrderEntryService.Session: frames of commands up, acks and events down, on one stream.

    _read → _take → CommandQueue → Message.stored → outbox ─┐
                                             EventFeed ──────┼→ _write
                                  heartbeat, GoAway ─────────┘

One task reads, one writes; acks and events wait as bytes and go down joined. Nothing here ends a stream in mid-flight
with an error: what is wrong with a command is an ack, what ends the stream is a GoAway.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from gateway import errors, outcome
from gateway.levels import LevelAcks
from gateway.message import Message
from gateway.opening import HEARTBEAT_S, first_message, heartbeat_interval, in_parts, session_name
from gateway.rpc import internal, parse
from gateway.start import parse_start
from gateway.wire import length_delimited, now_ns, queued_acks
from ordergate.v1 import command_pb2, event_pb2, failure_pb2
from ordergate.v1 import order_entry_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.auth import Principal
    from gateway.disconnect import Seat
    from gateway.feed import EventFeed
    from gateway.plain import PlainReader
    from gateway.rpc import Context
    from gateway.streams import LogId
    from gateway.wire import Prepared
    from gateway.worker import Worker
    from ordergate.v1 import order_pb2

_log = structlog.get_logger(__name__)

WRITE_BYTES_MAX = 524_288
"""Most bytes joined into one response; far below the 4 MB that clients take by default."""

OUTBOX_BYTES_MAX = 1_048_576
"""Above this many unsent bytes of acks no more commands are read: a client that does not read stops being read."""

_QUEUED = command_pb2.ACK_LEVEL_QUEUED
_ACKS = 1


class Session:
    """One stream of one client."""

    def __init__(self, worker: Worker, principal: Principal, context: Context) -> None:
        self._worker = worker
        self._principal = principal
        self._context = context
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._outbox_low = asyncio.Event()
        self._outbox_low.set()
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._outstanding = 0
        self._last: Message | None = None
        self._closing = False
        self._feed: EventFeed | None = None
        self._feed_task: asyncio.Task[None] | None = None
        self._levels = LevelAcks(worker.hubs, worker.settings.ack_timeout_s, self.emit_ack, self._wake.set)
        self._default_level: int = _QUEUED
        self._heartbeat_s = HEARTBEAT_S[1]
        self._seat: Seat | None = None
        self._plain: PlainReader | None = None
        self._opened_at = time.time()
        self._written_at = time.monotonic()

    # -- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves the stream until the client half-closes, or after a GoAway.

        Raises:
            OrdergateError: the first message is refused; nothing was written yet.
        """
        raw = await first_message(self._context, self._worker.draining)
        if raw is None:
            return
        first = parse(pb.SessionRequest, raw)
        await self._open(first)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._read(), name="session-read"),
            asyncio.create_task(self._write(), name="session-write"),
        ]
        ended = asyncio.create_task(self._ended.wait(), name="session-ended")
        try:
            self._take(first, first=True)
            await asyncio.wait([ended, tasks[1]], return_when=asyncio.FIRST_COMPLETED)
            await self._finish(tasks[1])
        finally:
            try:
                await self._close([*tasks, ended])
            finally:
                if self._seat is not None:
                    self._seat.leave()

    async def _open(self, first: pb.SessionRequest) -> None:
        hello = first.hello
        name, grace_s = session_name(hello)
        if hello.default_ack_level not in command_pb2.AckLevel.values():
            raise errors.InvalidField("hello.default_ack_level", "one of QUEUED, ENGINE, PERSISTED")
        if len(hello.client) > 64:
            raise errors.InvalidField("hello.client", "client may have 64 characters")
        self._default_level = hello.default_ack_level or _QUEUED
        if hello.HasField("heartbeat_interval"):
            self._heartbeat_s = heartbeat_interval(hello.heartbeat_interval, "hello.heartbeat_interval")
        accounts = self._principal.chosen(hello.accounts, "trade", field="hello.accounts")
        cursors: list[str] = []
        orders: list[order_pb2.Order] = []
        if not hello.acks_only:
            start = parse_start(hello.start if hello.HasField("start") else None, len(self._worker.hubs), "hello.start")
            self._feed = self._worker.make_feed(accounts, start, self._wake.set)
            try:
                await self._worker.open_feed(self._feed)
            except errors.CursorInvalid as error:
                error.field = f"hello.{error.field}"  # the feed does not know in which message its start came
                raise
            if start.snapshot:
                orders = await self._worker.queries.open_orders(accounts)
            self._feed_task = asyncio.create_task(self._feed.run(), name="session-feed")
            self._feed_task.add_done_callback(self._feed_done)
            cursors = self._feed.cursors()
        if name:
            self._seat = self._worker.named.enter(name, self._principal.accounts, grace_s)
        elif self._default_level == _QUEUED:
            self._plain = self._worker.plain.reader(self._principal.accounts)
        self.emit(self._welcome(cursors).SerializeToString())
        for part in in_parts(orders):
            self.emit(pb.SessionResponse(orders=part).SerializeToString())

    def _welcome(self, cursors: list[str]) -> pb.SessionResponse:
        welcome = pb.Welcome(
            server_version=self._worker.version,
            accounts=sorted(self._principal.accounts),
            max_commands_per_message=self._worker.settings.max_commands_per_message,
            max_message_bytes=self._worker.settings.max_message_bytes,
            cursors=cursors,
            shards=len(self._worker.hubs),
            durable=self._worker.durable,
        )
        welcome.heartbeat_interval.FromNanoseconds(int(self._heartbeat_s * 1e9))
        return pb.SessionResponse(welcome=welcome)

    async def _finish(self, writer: asyncio.Task[None]) -> None:
        """Answers everything that was taken, then lets the writer end."""
        if not writer.done():
            await self._settled.wait()
            await self._levels.idle()
            self._closing = True
            self._wake.set()
        await writer

    async def _close(self, tasks: list[asyncio.Task[Any]]) -> None:
        if self._feed_task is not None:
            tasks.append(self._feed_task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._levels.close()
        if self._feed is not None:
            self._feed.close()

    def go_away(self, failure: failure_pb2.Failure, grace_s: float = 0.0) -> None:
        """Tells the client why and where to go on, takes no more commands, and ends when all is answered.

        Within `grace_s` the client may still half-close by itself; after it the stream is ended.
        """
        if self._closing:
            return
        self._closing = True
        away = event_pb2.GoAway(failure=failure, cursors=self._feed.cursors() if self._feed else [])
        away.grace.FromNanoseconds(int(grace_s * 1e9))
        self.emit(pb.SessionResponse(go_away=away).SerializeToString())
        if grace_s:
            asyncio.get_running_loop().call_later(grace_s, self._ended.set)
        else:
            self._ended.set()

    def tick(self, now: float) -> None:
        """Called every second or so: heartbeat after silence, late acks, and the end of the token's life."""
        self._levels.expire()
        if (end := self._principal.ended(self._opened_at, time.time())) is not None:
            self.go_away(end.failure())
        elif now - self._written_at >= self._heartbeat_s:
            self._emit_heartbeat()

    def _emit_heartbeat(self) -> None:
        beat = event_pb2.Heartbeat(cursors=self._feed.cursors() if self._feed else [])
        beat.server_time.GetCurrentTime()
        self.emit(pb.SessionResponse(heartbeat=beat).SerializeToString())

    # -- up -------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        read, outbox_low = self._context.read, self._outbox_low
        queues = self._worker.queues
        try:
            while True:
                raw = await read()
                if not isinstance(raw, bytes):
                    break
                if not self._take_plain(raw):
                    self._take(parse(pb.SessionRequest, raw))
                for queue in queues:
                    await queue.room()
                if not outbox_low.is_set():
                    await outbox_low.wait()
        except errors.OrdergateError as error:
            self.go_away(error.failure())
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect ends this stream in band, and no other
            self.go_away(internal(error, "Session").failure())
        self._ended.set()

    def _take_plain(self, raw: bytes) -> bool:
        """Takes a message of plain commands; False if it is none, or there is no way to tell."""
        if self._plain is None or self._closing:
            return False
        received_ns = now_ns()

        def prepared() -> list[Prepared]:
            prepare, principal = self._worker.validator.prepare, self._principal
            return [prepare(c, principal, received_ns, _QUEUED) for c in parse(pb.SessionRequest, raw).commands]

        most = self._worker.settings.max_commands_per_message
        commands = self._plain.read(raw, most, received_ns, prepared)
        if commands is None:
            return False
        self._hand_over(0, commands)
        return True

    def _take(self, message: pb.SessionRequest, *, first: bool = False) -> None:
        if message.HasField("hello") and not first:
            raise errors.InvalidField("hello", "hello belongs into the first message only")
        if message.ping:
            self._emit_heartbeat()
        commands = message.commands
        if not commands:
            return
        received_ns = now_ns()
        refused: list[bytes] = []
        good: list[Prepared] = []
        if (refusal := self._refusal(len(commands))) is not None:
            refused = [_ack(outcome.failed_ack(c, c.account, received_ns, refusal)) for c in commands]
        else:
            prepare, principal, level = self._worker.validator.prepare, self._principal, self._default_level
            name = self._seat.name if self._seat is not None else ""
            for command in commands:
                try:
                    good.append(prepare(command, principal, received_ns, level, name))
                except errors.OrdergateError as error:
                    account = command.account or principal.sole_account
                    refused.append(_ack(outcome.failed_ack(command, account, received_ns, error)))
        if good:
            if self._seat is not None:
                self._seat.sent(good)
            self._submit(good)
        self._emit_refused(refused)

    def _refusal(self, count: int) -> errors.OrdergateError | None:
        """Why no command of a message is taken at all."""
        if self._closing:
            return errors.Draining()
        most = self._worker.settings.max_commands_per_message
        if count > most:
            return errors.TooManyCommands("commands", f"a message may carry {most} commands; this one has {count}")
        return None

    def _submit(self, commands: list[Prepared]) -> None:
        queues = self._worker.queues
        by_shard = {commands[0].shard: commands} if len(queues) == 1 else _by_shard(commands)
        for shard, part in by_shard.items():
            self._hand_over(shard, part)

    def _hand_over(self, shard: int, commands: Sequence[Prepared]) -> None:
        message = Message(self, shard, commands)
        self._outstanding += 1
        self._settled.clear()
        self._last = message
        self._worker.queues[shard].submit(message)

    def _emit_refused(self, acks: list[bytes]) -> None:
        if not acks:
            return
        if self._last is None:
            for ack in acks:
                self.emit(ack)
        else:
            self._last.trailer += acks

    # -- down -----------------------------------------------------------------------------------------------------

    def settle(self, message: Message) -> None:
        """The queue has answered for a message."""
        for ack in message.trailer:
            self.emit(ack)
        if self._last is message:
            self._last = None
        self._outstanding -= 1
        if not self._outstanding:
            self._settled.set()

    def emit(self, data: bytes) -> None:
        """Puts bytes of a SessionResponse into the outbox."""
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if self._outbox_bytes > OUTBOX_BYTES_MAX:
            self._outbox_low.clear()
        self._wake.set()

    def emit_ack(self, ack: command_pb2.Ack) -> None:
        """Puts one ack into the outbox."""
        self.emit(_ack(ack))

    def emit_levels(self, commands: Sequence[Prepared], place: LogId, first: int, queued_ns: int) -> None:
        """Acks of stored commands of which some wait for a higher level than QUEUED, or are about no single order."""
        for index, command in enumerate(commands, first):
            if command.level != _QUEUED:
                self._levels.add(command, place, index, queued_ns)
            elif command.order_id:
                self.emit(queued_acks([command], f"{command.shard}:{place}:".encode(), index, queued_ns))
            else:
                self.emit_ack(outcome.queued_ack(command, place, index, queued_ns))

    async def _write(self) -> None:
        context, wake = self._context, self._wake
        while True:
            await wake.wait()
            wake.clear()
            while data := self._collect():
                self._written_at = time.monotonic()
                await context.write(data)
            if self._feed is not None and self._feed.failure is not None and not self._closing:
                self.go_away(self._feed.failure)
            if self._closing and self._ended.is_set() and not self._outstanding and not self._levels.pending:
                return

    def _collect(self) -> bytes:
        self._levels.collect()
        parts, size = self._outbox, self._outbox_bytes
        if size > WRITE_BYTES_MAX:
            parts, size = self._cut()
        else:
            self._outbox, self._outbox_bytes = [], 0
        # Events only behind all acks: some of those that wait may be theirs.
        room = 0 if self._outbox else WRITE_BYTES_MAX - size
        if self._feed is not None and room > 0 and (events := self._feed.take(room)):
            parts.append(events)
        if self._outbox_bytes <= OUTBOX_BYTES_MAX:
            self._outbox_low.set()
        return b"".join(parts)

    def _cut(self) -> tuple[list[bytes], int]:
        """The oldest parts of the outbox that fit one response, at least one."""
        size = 0
        for n, part in enumerate(self._outbox):
            if n and size + len(part) > WRITE_BYTES_MAX:
                parts, self._outbox = self._outbox[:n], self._outbox[n:]
                self._outbox_bytes -= size
                return parts, size
            size += len(part)
        parts, self._outbox, self._outbox_bytes = self._outbox, [], 0
        return parts, size

    def _feed_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self.go_away(internal(error, "Session feed").failure())


def _ack(ack: command_pb2.Ack) -> bytes:
    return length_delimited(_ACKS, ack.SerializeToString())


def _by_shard(commands: list[Prepared]) -> dict[int, list[Prepared]]:
    parts: dict[int, list[Prepared]] = {}
    for command in commands:
        parts.setdefault(command.shard, []).append(command)
    return parts
