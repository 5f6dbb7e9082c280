"""OrderEntryService.Resolve: what became of a command, and the fence that makes "never seen" final.

A fence is a command like any other, with the id of the one that it is about: it stands in the log before a late copy of
that, which the engine then refuses, or behind it, and then changes nothing. So nothing has to be locked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from gateway import errors, fate, fields, outcome
from gateway.ids import is_client_id, order_key, text_key
from gateway.rows import FENCE
from gateway.wire import Prepared, now_ns
from ordergate.v1 import command_pb2
from ordergate.v1 import order_entry_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.auth import Principal
    from gateway.fate import Trace
    from gateway.lookup import OrderLookup
    from gateway.trail import Trail
    from gateway.verdicts import Verdict
    from gateway.worker import Worker

log = structlog.get_logger(__name__)


class Resolver:
    """Servicer of Resolve."""

    def __init__(self, worker: Worker, trail: Trail, lookup: OrderLookup) -> None:
        self._worker = worker
        self._trail = trail
        self._lookup = lookup

    async def resolve(self, request: pb.ResolveRequest, principal: Principal) -> pb.ResolveResponse:
        """What became of a command.

        Raises:
            InvalidField: account, command_id or sent_after is missing or malformed.
            PermissionDenied: the token does not cover the account, or lacks the scope.
            Unavailable, QueueFull, AckTimeout: no sure answer now (disposition UNKNOWN).
        """
        scopes = ("trade",) if request.fence else ("trade", "read")
        account, command_id = principal.account_or_sole(request.account, *scopes), request.command_id
        if not is_client_id(command_id):
            raise errors.InvalidField("command_id", "command_id must be 1 to 64 printable ASCII characters, no spaces")
        since_ms = 0
        if request.HasField("sent_after"):
            since_ms = fields.nanoseconds("sent_after", request.sent_after) // 1_000_000
        found = await self._trail.find(account, command_id, order_key(account, command_id), since_ms)
        trace = found.decided or found.stored or found.repeat
        if trace is not None:
            return pb.ResolveResponse(ack=await self._ack(account, trace))
        if not request.fence:
            return pb.ResolveResponse(
                ack=command_pb2.Ack(command_id=command_id, account=account, failure=fate.NOT_SEEN)
            )
        try:
            return pb.ResolveResponse(ack=await self._fence(account, command_id, found.fences))
        except errors.OrdergateError as error:
            # Whatever became of the fence: of the command nothing is known.
            error.disposition = errors.UNKNOWN
            raise

    async def _ack(self, account: str, trace: Trace) -> command_pb2.Ack:
        """The trace's ack, with the order as it is now."""
        ack = fate.ack_of(trace)
        key = text_key(ack.order_id) if trace.verdict is not None else None
        if key is not None:
            try:
                found = await self._lookup.get(account, key)
            except errors.OrdergateError as error:
                log.warning("order of a resolved command can't be asked", error=error.text)
            else:
                if found is not None:
                    ack.order.CopyFrom(found.order)
        return ack

    async def _fence(self, account: str, command_id: str, fences: Sequence[Trace]) -> command_pb2.Ack:
        """Fences the id in every shard, since it does not tell its own.

        Raises:
            OrdergateError: a fence was not stored, or the engine did not decide on it in time.
        """
        shards = range(len(self._worker.hubs))
        under_way = {trace.shard: trace for trace in fences}
        results = await asyncio.gather(*(self._fence_in(s, account, command_id, under_way.get(s)) for s in shards))
        if not any(fate.is_repeat(verdict) for _, verdict in results):
            ack, verdict = results[0]
            ack.level = command_pb2.ACK_LEVEL_ENGINE
            ack.position = ",".join(each.position for each, _ in results)
            ack.engine_at.FromNanoseconds(verdict.engine_time_ns)
            ack.failure.CopyFrom(fate.FENCED)
            return ack
        # It came between the look and the fence.
        found = await self._trail.find(account, command_id, order_key(account, command_id), now_ns() // 1_000_000)
        trace = found.decided or found.stored or found.repeat
        if trace is None:
            raise errors.Unavailable("the engine knows the id; its trail was not found", errors.UNKNOWN)
        return await self._ack(account, trace)

    async def _fence_in(
        self, shard: int, account: str, command_id: str, under_way: Trace | None
    ) -> tuple[command_pb2.Ack, Verdict]:
        """The ack and the verdict of the fence in one shard; of the one that is on its way already, if there is one."""
        hub = self._worker.hubs[shard]
        timeout_s = self._worker.settings.ack_timeout_s
        if under_way is not None:
            ack, waiting = fate.ack_of(under_way), hub.verdict(under_way.place, under_way.index)
        else:
            key = order_key(account, command_id)
            level = command_pb2.ACK_LEVEL_ENGINE
            command = Prepared(FENCE, key, command_id, account, now_ns(), level, 0, shard, "", None)
            waiter = outcome.Awaited([command], hub)
            self._worker.queues[shard].submit(waiter)
            place, index, queued_ns = await waiter.result
            ack, waiting = outcome.queued_ack(command, place, index, queued_ns), waiter.verdicts[0]
        done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
        if not done or waiting.cancelled():
            waiting.cancel()
            raise errors.AckTimeout(f"the fence is stored; the engine did not decide within {timeout_s:g} s: ask again")
        return ack, waiting.result()
