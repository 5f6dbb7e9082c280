"""Trading states and limits: set by an operator, in force with the next order, told to who is concerned."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from gateway.ids import OPERATIONS
from ordergate.v1 import admin_service_pb2 as pb
from ordergate.v1 import command_pb2, event_pb2, failure_pb2, limits_pb2, order_events_service_pb2, order_pb2
from ordergate.v1.admin_service_pb2_grpc import AdminServiceStub

from ..support.wire import CALL_TIMEOUT_S, cancel_order, connect, limit_order, new_account, new_id, refused
from .conftest import new_symbols
from .probe import SessionProbe, open_session
from .words import cause, kind, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..support.stack import RunningStack
    from ..support.wire import Wire

ENGINE, PERSISTED = command_pb2.ACK_LEVEL_ENGINE, command_pb2.ACK_LEVEL_PERSISTED
ACTIVE, CANCEL_ONLY, BLOCKED = (
    limits_pb2.TRADING_STATE_ACTIVE,
    limits_pb2.TRADING_STATE_CANCEL_ONLY,
    limits_pb2.TRADING_STATE_BLOCKED,
)
SELL = order_pb2.SIDE_SELL


class Operator:
    """Whoever has the scope admin."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._stub = AdminServiceStub(wire.channel)

    async def set_state(self, state: int, **fields: Any) -> pb.SetTradingStateResponse:
        request = pb.SetTradingStateRequest(state=state, **fields)
        return await self._stub.SetTradingState(request, metadata=self.wire.metadata, timeout=CALL_TIMEOUT_S)

    async def set_limits(self, account: str, command_id: str = "", **fields: Any) -> limits_pb2.Limits:
        request = pb.SetLimitsRequest(account=account, limits=limits_pb2.Limits(**fields), command_id=command_id)
        response = await self._stub.SetLimits(request, metadata=self.wire.metadata, timeout=CALL_TIMEOUT_S)
        return response.limits

    async def limits(self, account: str) -> pb.GetLimitsResponse:
        request = pb.GetLimitsRequest(account=account)
        return await self._stub.GetLimits(request, metadata=self.wire.metadata, timeout=CALL_TIMEOUT_S)

    @contextlib.asynccontextmanager
    async def state(self, state: int, **concerned: str) -> AsyncIterator[None]:
        """A state that is taken back: others use the same stack."""
        await self.set_state(state, **concerned)
        try:
            yield
        finally:
            await self.set_state(ACTIVE, **concerned)


@pytest.fixture
async def operator(stack: RunningStack) -> AsyncIterator[Operator]:
    async with connect(stack.address, stack.token(new_account(), scopes=("admin",))) as wire:
        yield Operator(wire)


async def reason(wire: Wire, command: command_pb2.Command) -> str:
    """Why the engine refuses a command; empty if it does not."""
    command.ack_level = ENGINE
    ack = await wire.submit(command)
    return failure_pb2.Reason.Name(ack.failure.reason).removeprefix("REASON_") if ack.HasField("failure") else ""


def kinds(session: SessionProbe) -> list[str]:
    return [kind(event) for event in session.events]


async def test_a_blocked_symbol_takes_nothing_until_it_is_active_again(
    operator: Operator, wire: Wire, symbol: str
) -> None:
    (elsewhere,) = new_symbols(1)
    resting = (await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE))).order_id
    async with operator.state(BLOCKED, symbol=symbol):
        assert await reason(wire, limit_order(symbol=symbol)) == "TRADING_STATE"
        assert await reason(wire, cancel_order(resting)) == "TRADING_STATE"
        assert await reason(wire, limit_order(symbol=elsewhere)) == ""
    assert await reason(wire, limit_order(symbol=symbol)) == ""
    assert await reason(wire, cancel_order(resting)) == ""


async def test_cancel_only_takes_cancels(operator: Operator, wire: Wire, account: str, symbol: str) -> None:
    resting = (await wire.submit(limit_order(symbol=symbol, ack_level=ENGINE))).order_id
    async with operator.state(CANCEL_ONLY, account=account):
        assert await reason(wire, limit_order(symbol=symbol)) == "TRADING_STATE"
        assert await reason(wire, cancel_order(resting)) == ""


async def test_a_kill_switch_cancels_what_rests_and_tells_everybody(
    operator: Operator, wire: Wire, account: str, symbol: str
) -> None:
    async with open_session(wire) as session:
        await session.send(*[limit_order(symbol=symbol, limit_price=f"{price}.00") for price in (9, 10, 11)])
        await session.until_events(3)
        command_id = new_id()
        answer = await operator.set_state(BLOCKED, account=account, cancel_open_orders=True, command_id=command_id)
        await session.until_events(8)
        assert kinds(session)[3:] == ["TRADING_STATE", *["CANCELED"] * 3, "MASS_CANCEL_DONE"]
        told, *canceled, done = session.events[3:]
        assert (told.trading_state.account, told.trading_state.state) == (account, BLOCKED)
        assert (told.command_id, told.engine_at) == (command_id, answer.engine_at)
        assert [(cause(e), status(e.order), e.order.limit_price) for e in canceled] == [
            ("KILL_SWITCH", "CANCELED", price) for price in ("11.00", "10.00", "9.00")
        ]
        assert (done.mass_cancel.matched, done.mass_cancel.canceled, answer.canceled) == (3, 3, 3)
        again = await operator.set_state(BLOCKED, account=account, cancel_open_orders=True, command_id=command_id)
        assert (again.canceled, again.position != answer.position) == (0, True)
        told = await refused(operator.set_state(CANCEL_ONLY, account=account, command_id=command_id))
        assert (told.code, told.reason, told.disposition) == ("FAILED_PRECONDITION", "ID_CONFLICT", "NOT_APPLIED")
    await operator.set_state(ACTIVE, account=account)
    assert await reason(wire, limit_order(symbol=symbol)) == ""


async def test_a_halt_of_all_is_told_to_the_operations(operator: Operator, wire: Wire, symbol: str) -> None:
    request = order_events_service_pb2.FollowRequest(accounts=[OPERATIONS])
    call = operator.wire.follow(request)
    events: list[event_pb2.OrderEvent] = []
    assert (await call.read()).opened.accounts == [OPERATIONS]
    async with operator.state(BLOCKED):
        assert await reason(wire, limit_order(symbol=symbol)) == "TRADING_STATE"
    assert await reason(wire, limit_order(symbol=symbol)) == ""
    while len(events) < 2:
        events += [e for e in (await call.read()).events if e.kind != event_pb2.EVENT_KIND_TICK]
    assert [e.trading_state.state for e in events] == [BLOCKED, ACTIVE]
    assert all(not (e.trading_state.account or e.trading_state.symbol) for e in events)
    call.cancel()


@pytest.mark.parametrize(
    ("limits", "first", "order", "why"),
    [
        ({"max_order_quantity": "5"}, {"quantity": "5"}, {"quantity": "6"}, "MAX_ORDER_QUANTITY"),
        (
            {"max_order_notional": "50"},
            {"quantity": "5"},
            {"quantity": "5", "limit_price": "10.01"},
            "MAX_ORDER_NOTIONAL",
        ),
        ({"max_open_orders": 1}, {}, {}, "MAX_OPEN_ORDERS"),
        ({"max_open_notional": "30"}, {"quantity": "2"}, {"quantity": "2"}, "MAX_OPEN_NOTIONAL"),
        ({"max_position": "3"}, {"quantity": "2"}, {"quantity": "2"}, "MAX_POSITION"),
    ],
)
async def test_a_limit_holds_from_the_next_order_on(
    limits: dict[str, Any],
    first: dict[str, str],
    order: dict[str, str],
    why: str,
    operator: Operator,
    wire: Wire,
    account: str,
    symbol: str,
) -> None:
    await operator.set_limits(account, **limits)
    assert await reason(wire, limit_order(symbol=symbol, **first)) == ""
    assert await reason(wire, limit_order(symbol=symbol, **order)) == why
    await operator.set_limits(account)
    assert await reason(wire, limit_order(symbol=symbol, **order)) == ""


async def test_a_price_band_is_measured_from_the_last_trade(
    operator: Operator, wire: Wire, other: Wire, account: str, symbol: str
) -> None:
    await operator.set_limits(account, price_band="0.05")
    assert await reason(wire, limit_order(symbol=symbol, limit_price="99.00")) == ""
    assert await reason(other, limit_order(symbol=symbol, side=SELL, limit_price="99.00")) == ""
    assert await reason(wire, limit_order(symbol=symbol, limit_price="94.05")) == ""
    assert await reason(wire, limit_order(symbol=symbol, limit_price="94.04")) == "PRICE_BAND"


async def test_limits_and_their_use_are_told(
    operator: Operator, wire: Wire, other: Wire, account: str, symbol: str
) -> None:
    fields = {"max_order_quantity": "100", "max_open_notional": "5000.5", "max_open_orders": 9, "price_band": "0.9"}
    async with open_session(wire) as session:
        set_ = await operator.set_limits(account, "limits-1", **fields)
        (told,) = await session.until_events(1)
    assert (kind(told), told.command_id, told.limits) == ("LIMITS", "limits-1", set_)
    await wire.submit(limit_order(symbol=symbol, quantity="7", limit_price="10.00", ack_level=ENGINE))
    await other.submit(limit_order(symbol=symbol, side=SELL, quantity="3", limit_price="10.00", ack_level=ENGINE))
    answer = await operator.limits(account)
    assert answer.limits == set_
    assert {n: str(getattr(set_, n)).rstrip("0").rstrip(".") for n in fields} | {"max_order_quantity": "100"} == {
        n: str(v) for n, v in fields.items()
    }
    assert (answer.open_orders, float(answer.open_notional)) == (1, 40.0)
    assert [(p.symbol, p.quantity) for p in answer.positions] == [(symbol, "3")]
    assert await operator.set_limits(account, "limits-1", **fields) == set_
    told_ = await refused(operator.set_limits(account, "limits-1"))
    assert told_.reason == "ID_CONFLICT"


@pytest.mark.parametrize("level", [ENGINE, PERSISTED])
async def test_every_kind_of_command_is_answered_at_every_level(level: int, wire: Wire, symbol: str) -> None:
    order = (await wire.submit(limit_order(symbol=symbol, quantity="5", ack_level=level))).order_id
    key = order_pb2.OrderKey(order_id=order)
    amend = command_pb2.AmendOrder(order=key, quantity="3")
    amended = await wire.submit(command_pb2.Command(command_id=new_id(), amend_order=amend, ack_level=level))
    assert (amended.level, amended.order.quantity, amended.order.version) == (level, "3", 2)
    mass = command_pb2.MassCancel(symbol=symbol)
    swept = await wire.submit(command_pb2.Command(command_id=new_id(), mass_cancel=mass, ack_level=level))
    assert (swept.level, swept.HasField("order"), swept.HasField("failure")) == (level, False, False)
    assert swept.engine_at.ToNanoseconds() >= amended.engine_at.ToNanoseconds()
    late = await wire.submit(cancel_order(order, ack_level=level))
    assert (late.level, late.failure.reason, status(late.order)) == (level, failure_pb2.REASON_TOO_LATE, "CANCELED")


async def test_an_amend_that_trades_is_acked_with_the_order_after_its_fill(
    wire: Wire, other: Wire, symbol: str
) -> None:
    await other.submit(limit_order(symbol=symbol, side=SELL, quantity="2", limit_price="11.00", ack_level=ENGINE))
    order = (await wire.submit(limit_order(symbol=symbol, quantity="5", ack_level=ENGINE))).order_id
    amend = command_pb2.AmendOrder(order=order_pb2.OrderKey(order_id=order), limit_price="11.00")
    ack = await wire.submit(command_pb2.Command(command_id=new_id(), amend_order=amend, ack_level=ENGINE))
    assert (status(ack.order), ack.order.executed_quantity, ack.order.version) == ("PARTIALLY_FILLED", "2", 3)
