"""AdminService: trading states and limits.

They are commands in the log like any other, so that every replay and every worker sees them at the same place; a call
answers when the engine of every shard concerned has applied them. What concerns one account stands under its name, all
else under `OPERATIONS`.
"""

from __future__ import annotations

import asyncio
import decimal
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import grpc

from gateway import errors, fields, outcome
from gateway.ids import OPERATIONS, is_client_id, order_key
from gateway.instruments import plain
from gateway.rows import SET_LIMITS, SET_TRADING_STATE, TradingState
from gateway.wire import Prepared, now_ns
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import admin_service_pb2 as pb
from ordergate.v1 import command_pb2, failure_pb2, limits_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.auth import Principal
    from gateway.rows import Body
    from gateway.verdicts import Verdict
    from gateway.worker import Worker
    from ordergate.engine.v1 import engine_service_pb2 as engine_pb

ENGINE_TIMEOUT_S = 2.0
"""The engine answers within its current batch: after this time it is not there."""

_STATES = frozenset(limits_pb2.TradingState.values()) - {limits_pb2.TRADING_STATE_UNSPECIFIED}
_MANTISSA_MAX = 2**62 - 1
_DIGITS_MAX = 18
_BAND_DIGITS = 6
_BAND_PPM_MAX = 1_000_000_000
_EXACT = decimal.Context(prec=100)


class _Applied(NamedTuple):
    """What one shard's engine answered."""

    position: str
    verdict: Verdict


class Operations:
    """SetTradingState, GetLimits and SetLimits; all need the scope admin, for whatever account."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def set_trading_state(
        self, request: pb.SetTradingStateRequest, principal: Principal
    ) -> pb.SetTradingStateResponse:
        """Sets the trading state of an account, a symbol or all.

        Raises:
            OrdergateError: it was refused, or (disposition UNKNOWN or APPLIED) its effect was not seen in time.
        """
        principal.require_scope("admin")
        shards: Iterable[int] = range(len(self._worker.queues))
        if request.account:
            _check_account(request.account)
        if request.symbol:
            instrument = self._worker.instruments.by_symbol.get(request.symbol)
            if instrument is None:
                raise fields.symbol_error("symbol", request.symbol)
            shards = (instrument.shard,)
        if request.state not in _STATES:
            raise errors.InvalidField("state", "state must be ACTIVE, CANCEL_ONLY or BLOCKED")
        if request.account and request.symbol:
            raise errors.InvalidField("symbol", "account or symbol, not both; neither: all")
        command_id = _command_id(request.command_id)
        body = TradingState(request.account, request.symbol, request.state, request.cancel_open_orders)
        done = await self._apply(SET_TRADING_STATE, request.account or OPERATIONS, command_id, body, shards)
        response = pb.SetTradingStateResponse(
            position=",".join(shard.position for shard in done),
            canceled=sum(shard.verdict.mass_cancel.canceled for shard in done if shard.verdict.mass_cancel),
        )
        response.engine_at.FromNanoseconds(max(shard.verdict.engine_time_ns for shard in done))
        return response

    async def set_limits(self, request: pb.SetLimitsRequest, principal: Principal) -> pb.SetLimitsResponse:
        """Replaces the limits of an account.

        Raises:
            OrdergateError: as `set_trading_state`.
        """
        principal.require_scope("admin")
        _check_account(request.account)
        row = _limits_row(request.account, request.limits)
        command_id = _command_id(request.command_id)
        done = await self._apply(SET_LIMITS, request.account, command_id, row, range(len(self._worker.queues)))
        if (limits := done[0].verdict.limits) is not None:
            return pb.SetLimitsResponse(limits=limits)
        # A repeat: others may have set limits since.
        return pb.SetLimitsResponse(limits=(await self._ask(request.account)).limits)

    async def get_limits(self, request: pb.GetLimitsRequest, principal: Principal) -> pb.GetLimitsResponse:
        """Limits of an account, as the engines have them now, and what it uses of them over all shards.

        Raises:
            Unavailable: an engine can't be asked.
        """
        principal.require_scope("admin")
        _check_account(request.account)
        return await self._ask(request.account)

    async def _ask(self, account: str) -> pb.GetLimitsResponse:
        asking = (engine.limits(account, timeout_s=ENGINE_TIMEOUT_S) for engine in self._worker.engines)
        try:
            shards = await asyncio.gather(*asking)
        except grpc.aio.AioRpcError as error:
            raise errors.Unavailable(f"the engine can't be asked now: {error.code().name}") from error
        return _merged(shards)

    async def _apply(
        self, kind: int, account: str, command_id: str, body: Body, shards: Iterable[int]
    ) -> list[_Applied]:
        """Stores the command in the log of each shard and waits for their engines.

        Raises:
            OrdergateError: the first that failed; the disposition tells of all shards.
        """
        key, received_ns = order_key(account, command_id), now_ns()
        waiters = []
        for shard in shards:
            command = Prepared(
                kind, key, command_id, account, received_ns, command_pb2.ACK_LEVEL_ENGINE, 0, shard, "", body
            )
            waiter = outcome.Awaited([command], self._worker.hubs[shard])
            self._worker.queues[shard].submit(waiter)
            waiters.append(waiter)
        results = await asyncio.gather(*map(self._answer, waiters), return_exceptions=True)
        done = [result for result in results if isinstance(result, _Applied)]
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise _failure(failures, len(done), command_id)
        return done

    async def _answer(self, waiter: outcome.Awaited) -> _Applied:
        place, first, queued_ns = await waiter.result
        (command,), verdict = waiter.commands, waiter.verdicts[0]
        ack = outcome.queued_ack(command, place, first, queued_ns)
        hub, timeout_s = self._worker.hubs[command.shard], self._worker.settings.ack_timeout_s
        await outcome.raise_level(ack, command, verdict, place, hub, timeout_s)
        if ack.failure.reason == failure_pb2.REASON_ACK_TIMEOUT:
            raise errors.AckTimeout(ack.failure.text)
        if ack.HasField("failure"):
            raise errors.Refused(ack.failure)
        return _Applied(ack.position, verdict.result())


def _failure(failures: Sequence[BaseException], done: int, command_id: str) -> BaseException:
    """The first failure, with what became of the command in all shards."""
    first, dispositions = failures[0], {errors.APPLIED} if done else set()
    for failure in failures:
        if not isinstance(failure, errors.OrdergateError):
            return failure
        dispositions.add(failure.disposition)
    assert isinstance(first, errors.OrdergateError)
    if len(dispositions) > 1:
        first.disposition = errors.UNKNOWN
        first.text += f"; {done} of {done + len(failures)} shards did it, so retry with command_id {command_id}"
    return first


def _check_account(account: str) -> None:
    if not account:
        raise errors.InvalidField("account", "account is needed")
    if not is_client_id(account):
        raise errors.InvalidField("account", "account must be 1 to 64 printable ASCII characters, no spaces")
    if account == OPERATIONS:
        raise errors.InvalidField("account", f"{OPERATIONS} is no account that trades")


def _command_id(given: str) -> str:
    if given and not is_client_id(given):
        raise errors.InvalidField("command_id", "command_id must be 1 to 64 printable ASCII characters, no spaces")
    return given or f"admin-{uuid.uuid4().hex}"


def _limits_row(account: str, limits: limits_pb2.Limits) -> log.LimitsRow:
    row = log.LimitsRow(account=account, max_open_orders=limits.max_open_orders)
    for name in ("max_order_quantity", "max_order_notional", "max_open_notional", "max_position"):
        if text := getattr(limits, name):
            mantissa, digits = _number(f"limits.{name}", text, _DIGITS_MAX)
            if mantissa > _MANTISSA_MAX:
                raise errors.InvalidField(f"limits.{name}", f"{name} has too many digits")
            if mantissa:
                getattr(row, name).CopyFrom(log.Decimal(mantissa=mantissa, digits=digits))
    if limits.price_band:
        mantissa, digits = _number("limits.price_band", limits.price_band, _BAND_DIGITS)
        ppm = mantissa * 10 ** (_BAND_DIGITS - digits)
        if ppm > _BAND_PPM_MAX:
            raise errors.InvalidField("limits.price_band", "price_band may be 1000 at most; 0.05 is 5 %")
        row.price_band_ppm = ppm
    return row


def _number(field: str, text: str, digits_max: int) -> tuple[int, int]:
    """Mantissa and fraction digits of a decimal that is not negative; zeros at its end are not counted."""
    whole, point, fraction = text.partition(".")
    good = whole.isascii() and whole.isdecimal() and (not point or (fraction.isascii() and fraction.isdecimal()))
    if not good or len(text) > 40:
        raise errors.InvalidField(field, f"{fields.name_of(field)} must be {fields.DECIMAL}")
    fraction = fraction.rstrip("0")
    if len(fraction) > digits_max:
        raise errors.InvalidField(field, f"{fields.name_of(field)} may have {digits_max} digits behind the point")
    return int(whole + fraction), len(fraction)


def _merged(shards: Sequence[engine_pb.GetLimitsResponse]) -> pb.GetLimitsResponse:
    """What the engines told, together. Limits hold per shard and are set in all of them alike."""
    first = shards[0]
    limits = limits_pb2.Limits(
        max_order_quantity=first.max_order_quantity,
        max_order_notional=first.max_order_notional,
        max_open_orders=first.max_open_orders,
        max_open_notional=first.max_open_notional,
        max_position=first.max_position,
        price_band=first.price_band,
    )
    notional = Decimal(0)
    for shard in shards:
        notional = _EXACT.add(notional, Decimal(shard.open_notional or "0"))
    positions = [pb.Position(symbol=p.symbol, quantity=p.quantity) for shard in shards for p in shard.positions]
    return pb.GetLimitsResponse(
        limits=limits,
        open_orders=sum(shard.open_orders for shard in shards),
        open_notional=plain(notional),
        positions=sorted(positions, key=lambda position: position.symbol),
    )
