"""Postgres holds of every order what its last event told, and of every operation what was asked and what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from ordergate.v1 import admin_service_pb2, command_pb2, event_pb2, limits_pb2, order_pb2
from ordergate.v1.admin_service_pb2_grpc import AdminServiceStub

from ..support.wire import CALL_TIMEOUT_S, Wire, connect, limit_order, new_id
from .probe import SessionProbe, open_session
from .words import kind

if TYPE_CHECKING:
    from ..support.stack import RunningStack

BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
SHOWN_ONLY = {"CANCEL_REJECTED", "AMEND_REJECTED", "DUPLICATE", "COMMAND_REJECTED"}
DECIMALS = (
    *("quantity", "limit_price", "stop_price", "display_quantity"),
    *("executed_quantity", "leaves_quantity", "average_price"),
)
ENUMS = {
    "side": (order_pb2.Side, "SIDE_"),
    "order_type": (order_pb2.OrderType, "ORDER_TYPE_"),
    "time_in_force": (order_pb2.TimeInForce, "TIME_IN_FORCE_"),
    "status": (order_pb2.OrderStatus, "ORDER_STATUS_"),
    "self_trade_prevention": (order_pb2.SelfTradePrevention, "SELF_TRADE_PREVENTION_"),
}
SAME = ("account", "client_order_id", "symbol", "post_only", "version", "last_event_seq", "cancel_on_disconnect")
TEXTS = ("stp_group", "tag", "session_name")
TIMES = ("created_at", "queued_at", "updated_at", "expire_at")


def told(order: order_pb2.Order) -> dict[str, Any]:
    """The order in the columns of order_view."""
    row: dict[str, Any] = {name: getattr(order, name) or None for name in (*DECIMALS, *TEXTS)}
    row |= {name: getattr(order, name) for name in SAME}
    for name, (enum, prefix) in ENUMS.items():
        row[name] = enum.Name(getattr(order, name)).removeprefix(prefix)
    for name in TIMES:
        moment = getattr(order, name)
        row[name] = moment.ToMicroseconds() if order.HasField(name) else None
    return row


async def stored(stack: RunningStack, account: str) -> dict[str, dict[str, Any]]:
    """Rows of order_view by order_id, comparable to `told`."""
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        rows = await connection.fetch("SELECT * FROM order_view WHERE account = $1", account)
    finally:
        await connection.close()
    found = {}
    for row in map(dict, rows):
        row |= {name: None if row[name] is None else str(row[name]) for name in DECIMALS}
        row |= {name: row[name] and round(row[name].timestamp() * 1_000_000) for name in TIMES}
        found[str(row.pop("order_id"))] = row
    return found


async def agree(stack: RunningStack, account: str, session: SessionProbe) -> dict[str, str]:
    """Compares Postgres with the last event of every order; their kinds by client_order_id."""
    last_of_all = limit_order(symbol="ACME", limit_price="0.01", ack_level=command_pb2.ACK_LEVEL_PERSISTED)
    await session.send(last_of_all)
    await session.until(lambda: last_of_all.command_id in {ack.command_id for ack in session.acks})
    last = {e.order.order_id: e for e in session.events if e.HasField("order") and kind(e) not in SHOWN_ONLY}
    rows = await stored(stack, account)
    assert rows.keys() == last.keys()
    for order_id, event in last.items():
        expected = told(event.order)
        assert {name: rows[order_id][name] for name in expected} == expected, kind(event)
    return {e.order.client_order_id: kind(e) for e in last.values()}


def amend(order_id: str, **fields: Any) -> command_pb2.Command:
    key = order_pb2.OrderKey(client_order_id=order_id)
    return command_pb2.Command(command_id=new_id(), amend_order=command_pb2.AmendOrder(order=key, **fields))


def in_s(seconds: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(time.time_ns() // 1000 + seconds * 1_000_000)
    return stamp


async def sent(session: SessionProbe, *commands: command_pb2.Command) -> None:
    """Sends commands and waits until the engine has answered each."""
    await session.send(*commands)
    ids = {command.command_id for command in commands}
    await session.until(lambda: ids <= {event.command_id for event in session.events})


async def test_every_order_ends_in_postgres_as_its_last_event_told(
    stack: RunningStack, wire: Wire, other: Wire, account: str, symbol: str
) -> None:
    gtd = {"time_in_force": order_pb2.TIME_IN_FORCE_GTD}
    stop_limit = {"order_type": order_pb2.ORDER_TYPE_STOP_LIMIT}
    iceberg = {"side": SELL, "quantity": "90", "limit_price": "30", "display_quantity": "10"}
    async with open_session(wire, session_name="desk") as session, open_session(other) as away:
        await sent(
            session,
            limit_order(command_id="plain", symbol=symbol),
            limit_order(command_id="full", symbol=symbol, tag="t", stp_group="g", cancel_on_disconnect=True, **iceberg),
            limit_order(command_id="day", symbol=symbol, time_in_force=order_pb2.TIME_IN_FORCE_DAY),
            limit_order(command_id="gtd", symbol=symbol, expire_at=in_s(3600), **gtd),
            limit_order(command_id="short", symbol=symbol, expire_at=in_s(3), **gtd),
            limit_order(command_id="waits", symbol=symbol, stop_price="50", limit_price="60", **stop_limit),
            limit_order(command_id="fires", symbol=symbol, stop_price="20", limit_price="21", **stop_limit),
            limit_order(command_id="amended", symbol=symbol, quantity="9", limit_price="9"),
            limit_order(command_id="lowered", symbol=symbol, quantity="9", limit_price="9"),
            limit_order(command_id="taken", symbol=symbol, side=SELL, quantity="7", limit_price="20"),
            limit_order(command_id="refused", symbol=symbol, side=SELL, limit_price="1", post_only=True),
        )
        await sent(
            session,
            amend("amended", quantity="12", limit_price="9.50"),
            amend("lowered", quantity="4"),
            amend("gtd", expire_at=in_s(7200)),
            amend("waits", stop_price="51", limit_price="61"),
            amend("refused", quantity="3"),
        )
        await sent(away, limit_order(symbol=symbol, quantity="3", limit_price="20"))  # fires
        await session.until(lambda: "TRIGGERED" in map(kind, session.events))
        decrement = order_pb2.SELF_TRADE_PREVENTION_DECREMENT
        await sent(
            session,
            limit_order(
                command_id="own", symbol=symbol, quantity="5", limit_price="20", self_trade_prevention=decrement
            ),
        )
        await session.until(lambda: "EXPIRED" in map(kind, session.events))
        kinds = await agree(stack, account, session)
    assert {name: kinds[name] for name in ("refused", "short", "fires", "own", "waits", "lowered", "gtd")} == {
        "refused": "REJECTED",
        "short": "EXPIRED",
        "fires": "FILL",
        "own": "RESTATED",
        **dict.fromkeys(("waits", "lowered", "gtd"), "AMENDED"),
    }


async def test_mass_cancels_halts_and_limits_are_found_by_an_auditor(
    stack: RunningStack, wire: Wire, account: str, symbol: str
) -> None:
    mass_cancel = command_pb2.MassCancel(symbol=symbol, tag="t")
    async with (
        open_session(wire) as session,
        connect(stack.address, stack.token(account, scopes=("admin",))) as admin,
    ):
        await sent(
            session,
            *(limit_order(symbol=symbol, tag=tag) for tag in ("t", "t", "u")),
            command_pb2.Command(command_id="mass", mass_cancel=mass_cancel),
        )
        limits = limits_pb2.Limits(max_order_quantity="5.5", max_open_orders=9, price_band="0.5")
        operations = AdminServiceStub(admin.channel)
        call = {"metadata": admin.metadata, "timeout": CALL_TIMEOUT_S}
        await operations.SetLimits(
            admin_service_pb2.SetLimitsRequest(account=account, limits=limits, command_id="lim"), **call
        )
        halt = admin_service_pb2.SetTradingStateRequest(
            symbol=symbol, state=limits_pb2.TRADING_STATE_BLOCKED, cancel_open_orders=True, command_id=f"h-{symbol}"
        )
        done = await operations.SetTradingState(halt, **call)
        await session.until(lambda: [kind(e) for e in session.events].count("CANCELED") == 3)
        causes = [event_pb2.Cause.Name(e.cause) for e in session.events if kind(e) == "CANCELED"]
        assert sorted(causes) == ["CAUSE_KILL_SWITCH", "CAUSE_MASS_CANCEL", "CAUSE_MASS_CANCEL"]
        await agree(stack, account, session)
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        sql = """SELECT kind, account, command_id, target_account, symbol, state, matched, canceled, position
                 FROM operation_view WHERE account = $1 OR symbol = $2 ORDER BY engine_at, kind DESC"""
        rows = [tuple(row.values()) for row in await connection.fetch(sql, account, symbol)]
        told_limits = await connection.fetchval("SELECT limits FROM operation_view WHERE command_id = 'lim'")
    finally:
        await connection.close()
    assert [row[:-1] for row in rows] == [
        ("MASS_CANCEL_DONE", account, "mass", account, symbol, None, 2, 2),
        ("LIMITS", account, "lim", account, None, None, None, None),
        ("TRADING_STATE", "_ordergate", f"h-{symbol}", None, symbol, "BLOCKED", None, None),
        ("MASS_CANCEL_DONE", "_ordergate", f"h-{symbol}", None, symbol, None, 1, 1),
    ]
    assert rows[2][-1] == done.position
    assert orjson.loads(told_limits) == {"max_order_quantity": "5.5", "max_open_orders": 9, "price_band": "0.5"}
