"""The unary RPCs of order entry, administration and market data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway import errors, outcome
from gateway.streams import ZERO, Keys
from gateway.wire import now_ns, queued_acks
from ordergate.v1 import admin_service_pb2 as admin
from ordergate.v1 import command_pb2 as commands
from ordergate.v1 import failure_pb2
from ordergate.v1 import market_data_service_pb2 as market
from ordergate.v1 import order_entry_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.auth import Principal
    from gateway.wire import Prepared
    from gateway.worker import Worker

_QUEUED = commands.ACK_LEVEL_QUEUED


class OrderEntry:
    """Submit, SubmitBatch and Check."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def submit(self, request: pb.SubmitRequest, principal: Principal) -> pb.SubmitResponse | bytes:
        """One command; a refusal by the gateway is a status, one by the engine an ack with `failure`."""
        command = self._prepare(request.command, request.HasField("command"), principal)
        waiter = outcome.Awaited([command], self._worker.hubs[command.shard])
        self._worker.queues[command.shard].submit(waiter)
        place, first, queued_ns = await waiter.result
        if command.level == _QUEUED and command.order_id:
            # `ack` of SubmitResponse has the tag of `acks` of SessionResponse, for which these bytes are made.
            return queued_acks([command], f"{command.shard}:{place}:".encode(), first, queued_ns)
        ack = await self._ack(waiter, 0)
        if ack.failure.reason == failure_pb2.REASON_ACK_TIMEOUT:
            raise errors.AckTimeout(ack.failure.text)
        return pb.SubmitResponse(ack=ack)

    async def check(self, request: pb.CheckRequest, principal: Principal) -> pb.CheckResponse:
        """All checks, no effect."""
        command = self._prepare(request.command, request.HasField("command"), principal)
        if full := self._worker.queues[command.shard].full_for([command]):
            raise errors.QueueFull(full)
        ack = commands.Ack(command_id=command.command_id, account=command.account, order_id=command.order_id)
        ack.received_at.FromNanoseconds(command.received_ns)
        return pb.CheckResponse(ack=ack)

    def _prepare(self, command: commands.Command, given: bool, principal: Principal) -> Prepared:
        principal.require_scope("trade")
        if not given:
            raise errors.InvalidField("command", "command is needed")
        return self._worker.validator.prepare(command, principal, now_ns(), _QUEUED)

    async def submit_batch(self, request: pb.SubmitBatchRequest, principal: Principal) -> pb.SubmitBatchResponse:
        """Many commands in order, each with its own verdict."""
        principal.require_scope("trade")
        most = self._worker.settings.max_commands_per_message
        if not request.commands:
            raise errors.InvalidField("commands", "commands is needed: a batch carries at least one")
        if len(request.commands) > most:
            raise errors.TooManyCommands("commands", f"a batch may carry {most} commands")
        received_ns = now_ns()
        acks: list[commands.Ack | None] = []
        by_shard: dict[int, list[tuple[int, Prepared]]] = {}
        for n, command in enumerate(request.commands):
            try:
                prepared = self._worker.validator.prepare(command, principal, received_ns, _QUEUED)
            except errors.OrdergateError as error:
                account = command.account or principal.sole_account
                acks.append(outcome.failed_ack(command, account, received_ns, error))
            else:
                acks.append(None)
                by_shard.setdefault(prepared.shard, []).append((n, prepared))
        await self._submit_parts(by_shard, acks)
        return pb.SubmitBatchResponse(acks=[a for a in acks if a is not None])

    async def _submit_parts(
        self, by_shard: dict[int, list[tuple[int, Prepared]]], acks: list[commands.Ack | None]
    ) -> None:
        """Submits all parts before it waits for the first, then fills in their acks."""
        waiters = {s: outcome.Awaited([c for _, c in part], self._worker.hubs[s]) for s, part in by_shard.items()}
        for shard, waiter in waiters.items():
            self._worker.queues[shard].submit(waiter)
        for shard, waiter in waiters.items():
            try:
                await waiter.result
            except errors.OrdergateError as error:
                for n, command in by_shard[shard]:
                    acks[n] = outcome.refused_ack(command, error)
            else:
                for offset, (n, _) in enumerate(by_shard[shard]):
                    acks[n] = await self._ack(waiter, offset)

    async def _ack(self, waiter: outcome.Awaited, offset: int) -> commands.Ack:
        place, first, queued_ns = waiter.result.result()
        command = waiter.commands[offset]
        ack = outcome.queued_ack(command, place, first + offset, queued_ns)
        verdict = waiter.verdicts.get(offset)
        if verdict is None:
            return ack
        hub = self._worker.hubs[command.shard]
        return await outcome.raise_level(ack, command, verdict, place, hub, self._worker.settings.ack_timeout_s)


class Administration:
    """Status."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def status(self, _: admin.StatusRequest, principal: Principal) -> admin.StatusResponse:
        """State of the whole way, as this worker sees it."""
        principal.require_scope("admin")
        worker, readiness = self._worker, self._worker.readiness
        response = admin.StatusResponse(
            server_version=worker.version,
            worker=worker.name,
            queue_ok=readiness.queue_ok,
            relay_ok=readiness.relay_ok,
            engine_ok=readiness.engine_ok,
            queue_memory_permille=readiness.memory_permille,
            shards=[await self._shard(n) for n in range(len(worker.queues))],
        )
        response.started_at.FromNanoseconds(worker.started_ns)
        return response

    async def _shard(self, shard: int) -> admin.ShardStatus:
        keys, redis, relay = Keys(shard), self._worker.redis, self._worker.readiness.relays[shard]
        persisted: Any = await redis.hgetall(keys.persisted)
        last: list[str] = []
        for stream in (keys.commands, keys.events):
            entries: Any = await redis.xrevrange(stream, count=1)
            last.append(entries[0][0].decode() if entries else str(ZERO))
        return admin.ShardStatus(
            shard=shard,
            last_command_id=last[0],
            last_event_id=last[1],
            persisted_command_id=persisted.get(b"commands", b"0-0").decode(),
            persisted_event_id=persisted.get(b"events", b"0-0").decode(),
            relay=relay.relay,
            epoch=relay.epoch,
        )


class MarketData:
    """ListInstruments."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def list_instruments(
        self, request: market.ListInstrumentsRequest, _: Principal
    ) -> market.ListInstrumentsResponse:
        """The instruments, or those that are named."""
        known = self._worker.instruments.by_symbol
        for symbol in request.symbols:
            if symbol not in known:
                raise errors.UnknownSymbol("symbols", f"no instrument {symbol[:64]!r}")
        wanted: Sequence[str] = sorted(set(request.symbols)) or list(known)
        return market.ListInstrumentsResponse(
            instruments=[
                market.Instrument(
                    symbol=i.symbol,
                    price_increment=i.price.text,
                    lot_size=i.quantity.text,
                    min_price=i.price.format(i.min_price_ticks),
                    max_price=i.price.format(i.max_price_ticks),
                    max_quantity=i.quantity.format(i.max_quantity_lots),
                    shard=i.shard,
                    reference_price=i.reference_price,
                    price_band=i.price_band,
                )
                for i in (known[s] for s in wanted)
            ]
        )
