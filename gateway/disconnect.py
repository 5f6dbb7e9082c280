"""Named sessions of one worker, and what is canceled when one is lost (cancel_on_disconnect).

What is owed belongs to a name and an account, not to a stream: a session that comes back under the name takes over what
the one before it owed. All of it is in this worker's memory. Another worker does not see that a session has come back,
and a worker that dies or shuts down cancels nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import structlog

from gateway import errors
from gateway.ids import order_key
from gateway.outcome import Awaited
from gateway.rows import MASS_CANCEL, MassCancel
from gateway.wire import Prepared, now_ns
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import command_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.hub import Hub
    from gateway.queue import CommandQueue

_log = structlog.get_logger(__name__)

RETRY_S = 1.0
"""Pause before a cancel that the queue refused is tried again."""


class _Name:
    """One name of one account."""

    __slots__ = ("canceling", "open", "shards")

    def __init__(self) -> None:
        self.open = 0
        """Streams that have the name now."""
        self.shards: set[int] = set()
        """Where orders with cancel_on_disconnect went since the last cancel."""
        self.canceling: asyncio.Task[None] | None = None


class Seat:
    """One stream's hold on its name, for each account of its token."""

    def __init__(self, sessions: NamedSessions, name: str, accounts: Iterable[str], grace_s: float) -> None:
        self.name = name
        self._sessions = sessions
        self._accounts = tuple(accounts)
        self._grace_s = grace_s

    def sent(self, commands: Sequence[Prepared]) -> None:
        """Takes note of commands that are about to be stored."""
        for command in commands:
            if isinstance(command.extra, log.OrderTerms) and command.extra.cancel_on_disconnect:
                self._sessions.owe(self.name, command.account, command.shard)

    def leave(self) -> None:
        """The stream has ended, for whatever reason."""
        for account in self._accounts:
            self._sessions.left(self.name, account, self._grace_s)


class NamedSessions:
    """The names that are held in this worker, and the cancels that are due."""

    def __init__(self, queues: Sequence[CommandQueue], hubs: Sequence[Hub], draining: asyncio.Event) -> None:
        """Makes it empty.

        Args:
            queues: one for each shard, in order.
            hubs: likewise.
            draining: set when the worker shuts down: its clients are told to go on with another, so nothing is lost.
        """
        self._queues = queues
        self._hubs = hubs
        self._draining = draining
        self._names: dict[tuple[str, str], _Name] = {}

    def enter(self, name: str, accounts: Iterable[str], grace_s: float) -> Seat:
        """A stream of these accounts takes the name; others may have it too.

        Args:
            name: session_name of its hello.
            accounts: all that its token holds.
            grace_s: how long the client may be away before its orders are canceled, in seconds.
        """
        seat = Seat(self, name, accounts, grace_s)
        for account in accounts:
            entry = self._names.setdefault((name, account), _Name())
            entry.open += 1
            if entry.canceling is not None:
                entry.canceling.cancel()
                entry.canceling = None
        return seat

    def owe(self, name: str, account: str, shard: int) -> None:
        """An order with cancel_on_disconnect is about to be stored."""
        self._names[name, account].shards.add(shard)

    def left(self, name: str, account: str, grace_s: float) -> None:
        """A stream has given up the name; if it was the last, what is owed falls due after the grace."""
        entry = self._names[name, account]
        entry.open -= 1
        if entry.open:
            return
        if entry.shards and not self._draining.is_set():
            entry.canceling = asyncio.create_task(self._cancel(name, account, entry, grace_s), name="disconnect")
        else:
            del self._names[name, account]

    async def _cancel(self, name: str, account: str, entry: _Name, grace_s: float) -> None:
        """Cancels what the lost session had sent. Ends early if the name is taken again."""
        await asyncio.sleep(grace_s)
        for shard in sorted(entry.shards):
            if not await self._append(_mass_cancel(name, account, shard)):
                _log.warning("session lost, orders not canceled: shutting down", session=name, account=account)
                break
            _log.info("session lost, orders canceled", session=name, account=account, shard=shard)
        del self._names[name, account]

    async def _append(self, command: Prepared) -> bool:
        """Stores the cancel, however often that must be tried; False if the worker shuts down first."""
        while not self._draining.is_set():
            waiter = Awaited([command], self._hubs[command.shard])
            self._queues[command.shard].submit(waiter)
            try:
                await waiter.result
            except errors.OrdergateError as error:
                _log.warning("session lost, cancel not stored yet", account=command.account, error=error.text)
                await asyncio.sleep(RETRY_S)  # under the same id: if it was stored after all, it is a duplicate
            else:
                return True
        return False


def _mass_cancel(name: str, account: str, shard: int) -> Prepared:
    command_id = f"~disconnect-{uuid.uuid4()}"
    return Prepared(
        kind=MASS_CANCEL,
        key=order_key(account, command_id),
        command_id=command_id,
        account=account,
        received_ns=now_ns(),
        level=command_pb2.ACK_LEVEL_QUEUED,
        valid_until_ns=0,
        shard=shard,
        order_id="",
        body=MassCancel(session=name, disconnected=True),
    )
