"""What people see of the tables: decimals and names."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.instruments import Grid
from ordergate.v1 import event_pb2, failure_pb2, order_pb2
from persistence.streams import ZERO, LogId
from tests.unit.persistence.frames import FILL, PARTIAL, Commands, Events

if TYPE_CHECKING:
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("notional", "lots"), [(20_000, 3), (1, 8), (10**25 + 7, 10**7 - 3), (5, 16), (3, 2)])
async def test_view_shows_decimals_and_names(
    sidecar: Sidecar, log: Log, database: Database, notional: int, lots: int
) -> None:
    made, told = Commands(), Events()
    key = made.new("alice", "a1", symbol="BUND", price=20_251, quantity=10**8, flags=1)
    state = {"status": PARTIAL, "executed": lots, "leaves": 5, "version": 2, "notional": str(notional), "cause": 6}
    event = told.add(FILL, "alice", key, 2, **state)
    told.trade(12, event, event, symbol="BUND", price=20_251, quantity=lots)
    log.commands(made.entry(1))
    log.events(told.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), LogId(1, 0))
    (row,) = await database.fetch("SELECT * FROM order_view")
    assert str(row["limit_price"]) == "101.255"
    assert str(row["average_price"]) == Grid(Decimal("0.005")).format_mean(notional, lots)
    shown = {name: row[name] for name in ("side", "order_type", "time_in_force", "status", "reject_reason", "cause")}
    assert shown == {
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "status": "PARTIALLY_FILLED",
        "reject_reason": None,
        "cause": "IOC_REMAINDER",
    }
    assert (row["post_only"], row["position"]) == (True, "0:1-0:0")
    (trade,) = await database.fetch("SELECT trade_id, price, quantity, taker_side FROM execution_view")
    assert (trade["trade_id"], str(trade["price"]), trade["taker_side"]) == ("0-12", "101.255", "SELL")


async def test_names_of_the_view_are_those_of_the_contract(sidecar: Sidecar, database: Database) -> None:
    sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    enums = {
        "side": (order_pb2.Side, "SIDE_"),
        "order_type": (order_pb2.OrderType, "ORDER_TYPE_"),
        "time_in_force": (order_pb2.TimeInForce, "TIME_IN_FORCE_"),
        "status": (order_pb2.OrderStatus, "ORDER_STATUS_"),
        "reject_reason": (failure_pb2.Reason, "REASON_"),
        "cause": (event_pb2.Cause, "CAUSE_"),
        "self_trade_prevention": (order_pb2.SelfTradePrevention, "SELF_TRADE_PREVENTION_"),
    }
    for column, (enum, prefix) in enums.items():
        for name, number in enum.items():
            if number:
                await database.fetch(
                    """INSERT INTO orders SELECT (jsonb_populate_record(NULL::orders, $1)).* """,
                    _order_json(**{column: number}),
                )
                assert await database.value(f"SELECT {column} FROM order_view") == name.removeprefix(prefix)
                await database.fetch("TRUNCATE orders")


def _order_json(**columns: int) -> str:
    names = """shard side order_type time_in_force flags quantity_lots status reject_reason cause executed_lots
    leaves_lots executed_notional version last_event_seq command_ms command_seq command_index self_trade_prevention"""
    base: dict[str, object] = {"cancel_on_disconnect": False, **dict.fromkeys(names.split(), 1)}
    times = dict.fromkeys(("created_at", "queued_at", "updated_at"), "2026-01-01")
    texts = dict.fromkeys(("account", "client_order_id", "symbol"), "x")
    return orjson.dumps(base | texts | times | {"order_id": str(uuid.UUID(int=1))} | columns).decode()
