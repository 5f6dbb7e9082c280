"""AdminService between a client and the log, without an engine: what is refused, and what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from gateway.ids import OPERATIONS
from gateway.instruments import crc32c
from gateway.streams import Keys
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import admin_service_pb2 as pb
from ordergate.v1 import limits_pb2, order_events_service_pb2
from ordergate.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.support.wire import connect, limit_order, new_account, new_id, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.gateway import RunningGateway
    from tests.support.wire import Refusal, Wire

pytestmark = pytest.mark.integration

BLOCKED = limits_pb2.TRADING_STATE_BLOCKED
ADMIN = ("admin",)
SHORT = ("--ack-timeout-s", "0.3")


async def call(wire: Wire, request: Any) -> Any:
    method = type(request).__name__.removesuffix("Request")
    return await getattr(AdminServiceStub(wire.channel), method)(request, metadata=wire.metadata, timeout=30)


async def refusal(running: RunningGateway, request: Any, scopes: tuple[str, ...] = ADMIN) -> Refusal:
    async with connect(running.address, running.token(scopes=scopes)) as wire:
        return await refused(call(wire, request))


async def stored(running: RunningGateway, shard: int = 0) -> list[log.CommandFrame]:
    """Frames in the log."""
    async with redis.asyncio.Redis.from_url(running.redis_url) as client:
        entries = await client.xrange(Keys(shard).commands)
    return [log.CommandFrame.FromString(fields[b"f"]) for _, fields in entries]


def state(**fields: Any) -> pb.SetTradingStateRequest:
    return pb.SetTradingStateRequest(**{"state": BLOCKED, **fields})


def limits(account: str = "a", **fields: Any) -> pb.SetLimitsRequest:
    return pb.SetLimitsRequest(account=account, limits=limits_pb2.Limits(**fields))


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (state(symbol="NOPE"), "UNKNOWN_SYMBOL", "symbol"),
        (state(state=0), "INVALID_FIELD", "state"),
        (state(state=4), "INVALID_FIELD", "state"),
        (state(account="a", symbol="ACME"), "INVALID_FIELD", "symbol"),
        (state(account="a b"), "INVALID_FIELD", "account"),
        (state(account=OPERATIONS), "INVALID_FIELD", "account"),
        (state(command_id="x" * 65), "INVALID_FIELD", "command_id"),
        (limits(account=""), "INVALID_FIELD", "account"),
        (limits(account=OPERATIONS), "INVALID_FIELD", "account"),
        (limits(max_order_quantity="-1"), "INVALID_FIELD", "limits.max_order_quantity"),
        (limits(max_order_notional="1e3"), "INVALID_FIELD", "limits.max_order_notional"),
        (limits(max_open_notional="1."), "INVALID_FIELD", "limits.max_open_notional"),
        (limits(max_position="0." + "1" * 19), "INVALID_FIELD", "limits.max_position"),
        (limits(max_position=str(2**62)), "INVALID_FIELD", "limits.max_position"),
        (limits(price_band="0.0000001"), "INVALID_FIELD", "limits.price_band"),
        (limits(price_band="1000.000001"), "INVALID_FIELD", "limits.price_band"),
        (pb.GetLimitsRequest(), "INVALID_FIELD", "account"),
    ],
)
async def test_a_fault_is_named_and_nothing_is_stored(
    request_: Any, reason: str, field: str, gateway: RunningGateway
) -> None:
    before = len(await stored(gateway))
    told = await refusal(gateway, request_)
    assert (told.reason, told.field, told.disposition) == (reason, field, "NOT_APPLIED")
    assert len(await stored(gateway)) == before


@pytest.mark.parametrize("request_", [state(), limits(), pb.GetLimitsRequest(account="a")])
async def test_the_scope_admin_is_needed(request_: Any, gateway: RunningGateway) -> None:
    told = await refusal(gateway, request_, scopes=("trade", "read"))
    assert (told.code, told.reason) == ("PERMISSION_DENIED", "PERMISSION")


async def test_without_an_engine_it_is_stored_and_not_known_to_be_in_force(
    gateway_factory: Callable[..., RunningGateway],
) -> None:
    running = gateway_factory(*SHORT)
    for request in (
        state(symbol="ACME", cancel_open_orders=True, command_id="halt-1"),
        state(account="x"),
        limits("y", max_order_quantity="1.50", max_open_orders=7, max_position="0", price_band="0.05"),
    ):
        told = await refusal(running, request)
        assert (told.code, told.reason, told.disposition) == ("DEADLINE_EXCEEDED", "ACK_TIMEOUT", "APPLIED")
    halt, account, limited = await stored(running)
    assert (halt.accounts, halt.command_ids, halt.symbols) == ([OPERATIONS], ["halt-1"], ["ACME"])
    assert list(halt.trading_states) == [log.TradingStateRow(symbol=1, state=BLOCKED, cancel_open_orders=True)]
    assert account.accounts == ["x"]
    assert list(account.trading_states) == [log.TradingStateRow(account="x", state=BLOCKED)]
    assert limited.accounts == ["y"]
    assert list(limited.limits) == [
        log.LimitsRow(
            account="y",
            max_order_quantity=log.Decimal(mantissa=15, digits=1),
            max_open_orders=7,
            price_band_ppm=50_000,
        )
    ]
    told = await refusal(running, pb.GetLimitsRequest(account="y"))
    assert (told.code, told.disposition) == ("UNAVAILABLE", "NOT_APPLIED")


async def test_a_symbol_concerns_its_shard_and_all_else_every_shard(
    gateway_factory: Callable[..., RunningGateway],
) -> None:
    running = gateway_factory(*SHORT, "--shards", "2")
    requests = (state(symbol="ACME"), state(account="x"), state(), limits("y", max_open_orders=1))
    for request in requests:
        told = await refusal(running, request)
        assert (told.code, told.disposition) == ("DEADLINE_EXCEEDED", "APPLIED")
    mine = crc32c(b"ACME") % 2
    for shard, count in ((mine, 4), (1 - mine, 3)):
        assert len(await stored(running, shard)) == count


async def test_nobody_trades_as_the_operations(gateway: RunningGateway) -> None:
    async with connect(gateway.address, gateway.token(new_account(), scopes=("trade", "read", "admin"))) as wire:
        told = await refused(wire.submit(limit_order(account=OPERATIONS, command_id=new_id())))
        assert (told.code, told.reason, told.field) == ("PERMISSION_DENIED", "PERMISSION", "account")


@pytest.mark.parametrize("scopes", [("trade", "read"), ("admin",)])
async def test_following_the_operations_needs_the_scope_admin(scopes: tuple[str, ...], gateway: RunningGateway) -> None:
    async with connect(gateway.address, gateway.token(scopes=scopes)) as wire:
        call = wire.follow(order_events_service_pb2.FollowRequest(accounts=[OPERATIONS]))
        if "admin" in scopes:
            assert (await call.read()).opened.accounts == [OPERATIONS]
        else:
            assert (await refused(call.read())).reason == "PERMISSION"
        call.cancel()
