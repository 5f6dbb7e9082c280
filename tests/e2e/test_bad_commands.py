"""Commands that are refused: each field wrong in turn, by every door, with the same reason and field."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordergate.v1 import command_pb2, order_pb2

from ..support.gateway import RunningGateway
from ..support.wire import Refusal, Wire, cancel_order, connect, limit_order, new_account, new_id, refusal_of, refused
from .probe import open_session

Command = command_pb2.Command


class Fault(NamedTuple):
    """A command and what is wrong with it."""

    name: str
    command: Callable[[], Command]
    reason: str
    field: str
    code: str = "INVALID_ARGUMENT"


def order(name: str, reason: str, field: str, code: str = "INVALID_ARGUMENT", **terms: object) -> Fault:
    return Fault(name, lambda: limit_order(**terms), reason, field, code)


def bad(name: str, field: str, **terms: object) -> Fault:
    return order(name, "INVALID_FIELD", field, **terms)


def later(name: str, field: str, **terms: object) -> Fault:
    """Known by name, not built yet."""
    return order(name, "UNIMPLEMENTED", field, "UNIMPLEMENTED", **terms)


def body(name: str, reason: str, field: str, code: str = "INVALID_ARGUMENT", **fields: object) -> Fault:
    return Fault(name, lambda: Command(**{"command_id": new_id(), **fields}), reason, field, code)


def cancel(name: str, field: str, reason: str = "INVALID_FIELD", code: str = "INVALID_ARGUMENT", **fields) -> Fault:
    return body(name, reason, field, code, cancel_order=command_pb2.CancelOrder(**fields))


MARKET = {"order_type": order_pb2.ORDER_TYPE_MARKET, "time_in_force": order_pb2.TIME_IN_FORCE_IOC, "limit_price": ""}
KEY = order_pb2.OrderKey(client_order_id="one")

FAULTS = [
    bad("no command_id", "command_id", command_id=""),
    bad("65 characters of command_id", "command_id", command_id="x" * 65),
    bad("space in command_id", "command_id", command_id="a b"),
    bad("NUL in command_id", "command_id", command_id="a\0"),
    bad("not ASCII in command_id", "command_id", command_id="ä"),
    bad("100 kB of command_id", "command_id", command_id="x" * 100_000),
    order("foreign account", "PERMISSION", "account", "PERMISSION_DENIED", account="somebody"),
    order("100 kB of account", "PERMISSION", "account", "PERMISSION_DENIED", account="x" * 100_000),
    order("account in another script", "PERMISSION", "account", "PERMISSION_DENIED", account="帳戶\n\0"),
    bad("unknown ack_level", "ack_level", ack_level=99),
    bad("negative ack_level", "ack_level", ack_level=-1),
    order("valid_until has passed", "STALE", "valid_until", "FAILED_PRECONDITION", valid_until=Timestamp(seconds=1)),
    bad("valid_until before 1970", "valid_until", valid_until=Timestamp(seconds=-1)),
    bad("valid_until in the year 3000", "valid_until", valid_until=Timestamp(seconds=32_503_680_000)),
    bad("valid_until at the end of all numbers", "valid_until", valid_until=Timestamp(seconds=2**63 - 1)),
    bad("too many nanoseconds", "valid_until", valid_until=Timestamp(seconds=4_000_000_000, nanos=10**9)),
    bad("negative nanoseconds", "valid_until", valid_until=Timestamp(seconds=4_000_000_000, nanos=-1)),
    body("no body", "INVALID_FIELD", "body"),
    body("amend", "UNIMPLEMENTED", "amend_order", "UNIMPLEMENTED", amend_order=command_pb2.AmendOrder()),
    body("mass cancel", "UNIMPLEMENTED", "mass_cancel", "UNIMPLEMENTED", mass_cancel=command_pb2.MassCancel()),
    bad("no symbol", "new_order.symbol", symbol=""),
    order("unknown symbol", "UNKNOWN_SYMBOL", "new_order.symbol", symbol="NONE"),
    order("symbol in lower case", "UNKNOWN_SYMBOL", "new_order.symbol", symbol="acme"),
    order("100 kB of symbol", "UNKNOWN_SYMBOL", "new_order.symbol", symbol="x" * 100_000),
    bad("no side", "new_order.side", side=0),
    bad("unknown side", "new_order.side", side=3),
    bad("negative side", "new_order.side", side=-(2**31)),
    bad("no order_type", "new_order.order_type", order_type=0),
    bad("unknown order_type", "new_order.order_type", order_type=77),
    later("STOP", "new_order.order_type", order_type=order_pb2.ORDER_TYPE_STOP, stop_price="9"),
    later("STOP_LIMIT", "new_order.order_type", order_type=order_pb2.ORDER_TYPE_STOP_LIMIT, stop_price="9"),
    bad("no time_in_force", "new_order.time_in_force", time_in_force=0),
    bad("unknown time_in_force", "new_order.time_in_force", time_in_force=1000),
    later("DAY", "new_order.time_in_force", time_in_force=order_pb2.TIME_IN_FORCE_DAY),
    later("GTD", "new_order.time_in_force", time_in_force=order_pb2.TIME_IN_FORCE_GTD),
    bad("MARKET that is GTC", "new_order.time_in_force", **MARKET | {"time_in_force": order_pb2.TIME_IN_FORCE_GTC}),
    *(bad(f"quantity {text!r}", "new_order.quantity", quantity=text) for text in ("", "0", "0.0", "-1", "+1", "1e3")),
    *(bad(f"quantity {text!r}", "new_order.quantity", quantity=text) for text in ("NaN", "inf", "1,0", " 1", "0x1")),
    *(bad(f"quantity {text!r}", "new_order.quantity", quantity=text) for text in (".", "1.2.3", "١", "1_000", "1\0")),
    bad("41 digits of quantity", "new_order.quantity", quantity="0" * 40 + "1"),
    bad("100 kB of quantity", "new_order.quantity", quantity="1" * 100_000),
    order("quantity off the lot", "LOT_SIZE", "new_order.quantity", quantity="1.5"),
    order("quantity above the maximum", "MAX_ORDER_QUANTITY", "new_order.quantity", quantity="1000001"),
    order("quantity above 63 bits", "MAX_ORDER_QUANTITY", "new_order.quantity", quantity="9" * 30),
    *(bad(f"limit_price {text!r}", "new_order.limit_price", limit_price=text) for text in ("", "-1", "1e2", "NaN")),
    bad("price of 0", "new_order.limit_price", limit_price="0"),
    order("price off the increment", "PRICE_INCREMENT", "new_order.limit_price", limit_price="10.001"),
    order("price above the band", "PRICE_BAND", "new_order.limit_price", limit_price="1000000.01"),
    order("price above 63 bits", "PRICE_BAND", "new_order.limit_price", limit_price="9" * 30),
    bad("MARKET with a price", "new_order.limit_price", **MARKET | {"limit_price": "10"}),
    bad("post_only that is IOC", "new_order.post_only", post_only=True, time_in_force=order_pb2.TIME_IN_FORCE_IOC),
    bad("post_only that is MARKET", "new_order.post_only", **MARKET, post_only=True),
    bad("stop_price of a LIMIT", "new_order.stop_price", stop_price="9"),
    bad("expire_at of a GTC", "new_order.expire_at", expire_at=Timestamp(seconds=4_000_000_000)),
    later("display_quantity", "new_order.display_quantity", display_quantity="1"),
    later("self-trade prevention", "new_order.self_trade_prevention", self_trade_prevention=2),
    bad("unknown self-trade prevention", "new_order.self_trade_prevention", self_trade_prevention=9),
    later("stp_group", "new_order.stp_group", stp_group="g"),
    later("cancel_on_disconnect", "new_order.cancel_on_disconnect", cancel_on_disconnect=True),
    later("tag", "new_order.tag", tag="t"),
    cancel("cancel of nothing", "cancel_order.order"),
    cancel("no order_id", "cancel_order.order.order_id", order=order_pb2.OrderKey(order_id="")),
    cancel("order_id that is no UUID", "cancel_order.order.order_id", order=order_pb2.OrderKey(order_id="x" * 36)),
    cancel("no client_order_id", "cancel_order.order.client_order_id", order=order_pb2.OrderKey(client_order_id="")),
    cancel("bad client_order_id", "cancel_order.order.client_order_id", order=order_pb2.OrderKey(client_order_id="é")),
    cancel("version", "cancel_order.expected_version", "UNIMPLEMENTED", "UNIMPLEMENTED", order=KEY, expected_version=1),
    cancel("cancel with a bad symbol", "cancel_order.symbol", "UNKNOWN_SYMBOL", order=KEY, symbol="NONE"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_is_named_by_every_door(fault: Fault, door: Wire) -> None:
    before = time.time()
    for call in (door.submit, door.check):
        refusal = await refused(call(fault.command()))
        assert (refusal.code, refusal.reason, refusal.field) == (fault.code, fault.reason, fault.field)
        assert refusal.disposition == "NOT_APPLIED"
        assert 10 < len(refusal.text) < 300
    command = fault.command()
    (in_batch,) = await door.submit_batch(command)
    async with open_session(door) as session:
        await session.send(command)
        in_session = (await session.until_acks(1))[0]
        await session.half_close()
        await session.until_ended()
    for ack in (in_batch, in_session):
        told = refusal_of(ack.failure)
        assert (told.reason, told.field, told.disposition) == (fault.reason, fault.field, "NOT_APPLIED")
        assert ack.command_id == command.command_id
        assert (ack.level, ack.position) == (command_pb2.ACK_LEVEL_UNSPECIFIED, "")
        assert before - 1 < ack.received_at.seconds <= time.time()
        assert not ack.HasField("queued_at")


def test_names_of_faults_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


async def test_several_accounts_need_one_to_be_named(gateway: RunningGateway) -> None:
    accounts = [new_account(), new_account()]
    async with connect(gateway.address, gateway.token(*accounts)) as wire:
        assert await refused(wire.submit(limit_order())) == Refusal(
            "INVALID_FIELD",
            "account",
            "NOT_APPLIED",
            None,
            "INVALID_ARGUMENT",
            "account is needed: the token holds several",
        )
        assert (await wire.submit(limit_order(account=accounts[1]))).account == accounts[1]


async def test_of_a_batch_only_the_faulty_commands_are_refused(door: Wire, account: str) -> None:
    commands = [limit_order(), limit_order(quantity="0"), cancel_order(client_order_id="x"), limit_order(side=0)]
    acks = await door.submit_batch(*commands)
    assert [ack.command_id for ack in acks] == [command.command_id for command in commands]
    assert [ack.failure.field for ack in acks] == ["", "new_order.quantity", "", "new_order.side"]
    assert [bool(ack.position) for ack in acks] == [True, False, True, False]
    assert {ack.account for ack in acks} == {account}


async def test_in_a_session_acks_of_faulty_commands_keep_the_order_of_messages(door: Wire) -> None:
    async with open_session(door) as session:
        sent = []
        for number in range(60):
            commands = [limit_order(quantity="0" if (number + k) % 3 == 0 else "1") for k in range(5)]
            sent.append([c.command_id for c in commands])
            await session.send(*commands)
        await session.until_acks(300)
    acked = [ack.command_id for ack in session.acks]
    assert [set(acked[n : n + 5]) for n in range(0, 300, 5)] == [set(ids) for ids in sent]
