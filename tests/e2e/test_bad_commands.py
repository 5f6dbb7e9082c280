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


def body(name: str, reason: str, field: str, code: str = "INVALID_ARGUMENT", **fields: object) -> Fault:
    return Fault(name, lambda: Command(**{"command_id": new_id(), **fields}), reason, field, code)


def cancel(name: str, field: str, reason: str = "INVALID_FIELD", code: str = "INVALID_ARGUMENT", **fields) -> Fault:
    return body(name, reason, field, code, cancel_order=command_pb2.CancelOrder(**fields))


def amend(name: str, field: str, reason: str = "INVALID_FIELD", code: str = "INVALID_ARGUMENT", **fields) -> Fault:
    return body(name, reason, field, code, amend_order=command_pb2.AmendOrder(**fields))


def mass(name: str, field: str, reason: str = "INVALID_FIELD", **fields: object) -> Fault:
    return body(name, reason, field, mass_cancel=command_pb2.MassCancel(**fields))


STOP = {"order_type": order_pb2.ORDER_TYPE_STOP, "limit_price": "", "stop_price": "9"}
STOP_LIMIT = STOP | {"order_type": order_pb2.ORDER_TYPE_STOP_LIMIT, "limit_price": "10"}
GTD = {"time_in_force": order_pb2.TIME_IN_FORCE_GTD}
LATER = Timestamp(seconds=4_000_000_000)
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
    bad("no symbol", "new_order.symbol", symbol=""),
    order("unknown symbol", "UNKNOWN_SYMBOL", "new_order.symbol", symbol="NONE"),
    order("symbol in lower case", "UNKNOWN_SYMBOL", "new_order.symbol", symbol="acme"),
    order("100 kB of symbol", "UNKNOWN_SYMBOL", "new_order.symbol", symbol="x" * 100_000),
    bad("no side", "new_order.side", side=0),
    bad("unknown side", "new_order.side", side=3),
    bad("negative side", "new_order.side", side=-(2**31)),
    bad("no order_type", "new_order.order_type", order_type=0),
    bad("unknown order_type", "new_order.order_type", order_type=77),
    bad("no time_in_force", "new_order.time_in_force", time_in_force=0),
    bad("unknown time_in_force", "new_order.time_in_force", time_in_force=1000),
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
    bad("STOP with a limit_price", "new_order.limit_price", **STOP | {"limit_price": "10"}),
    bad("STOP without a stop_price", "new_order.stop_price", **STOP | {"stop_price": ""}),
    bad("STOP_LIMIT without a limit_price", "new_order.limit_price", **STOP_LIMIT | {"limit_price": ""}),
    bad("STOP_LIMIT that is post_only", "new_order.post_only", **STOP_LIMIT, post_only=True),
    *(
        bad(f"stop_price {text!r}", "new_order.stop_price", **STOP | {"stop_price": text})
        for text in ("0", "-1", "1e2")
    ),
    order("stop_price off the increment", "PRICE_INCREMENT", "new_order.stop_price", **STOP | {"stop_price": "9.001"}),
    order("stop_price above the band", "PRICE_BAND", "new_order.stop_price", **STOP | {"stop_price": "1000000.01"}),
    bad("expire_at of a GTC", "new_order.expire_at", expire_at=LATER),
    bad("expire_at of a DAY", "new_order.expire_at", expire_at=LATER, time_in_force=order_pb2.TIME_IN_FORCE_DAY),
    bad("GTD without expire_at", "new_order.expire_at", **GTD),
    bad("expire_at that is no time", "new_order.expire_at", **GTD, expire_at=Timestamp(seconds=-1)),
    order(
        "expire_at has passed",
        "STALE",
        "new_order.expire_at",
        "FAILED_PRECONDITION",
        **GTD,
        expire_at=Timestamp(seconds=1_700_000_000),
    ),
    *(
        bad(f"display_quantity {text!r}", "new_order.display_quantity", quantity="5", display_quantity=text)
        for text in ("0", "6", "x")
    ),
    order("display_quantity off the lot", "LOT_SIZE", "new_order.display_quantity", display_quantity="0.5"),
    bad("display_quantity of a STOP", "new_order.display_quantity", **STOP, display_quantity="1"),
    bad(
        "display_quantity of an IOC",
        "new_order.display_quantity",
        time_in_force=order_pb2.TIME_IN_FORCE_IOC,
        display_quantity="1",
    ),
    bad("unknown self-trade prevention", "new_order.self_trade_prevention", self_trade_prevention=9),
    bad("negative self-trade prevention", "new_order.self_trade_prevention", self_trade_prevention=-1),
    bad("stp_group that is no ASCII", "new_order.stp_group", stp_group="帳"),
    bad("100 kB of stp_group", "new_order.stp_group", stp_group="g" * 100_000),
    bad("cancel_on_disconnect without a name", "new_order.cancel_on_disconnect", cancel_on_disconnect=True),
    bad("65 characters of tag", "new_order.tag", tag="t" * 65),
    bad("newline in tag", "new_order.tag", tag="a\n"),
    cancel("cancel of nothing", "cancel_order.order"),
    cancel("no order_id", "cancel_order.order.order_id", order=order_pb2.OrderKey(order_id="")),
    cancel("order_id that is no UUID", "cancel_order.order.order_id", order=order_pb2.OrderKey(order_id="x" * 36)),
    cancel("no client_order_id", "cancel_order.order.client_order_id", order=order_pb2.OrderKey(client_order_id="")),
    cancel("bad client_order_id", "cancel_order.order.client_order_id", order=order_pb2.OrderKey(client_order_id="é")),
    cancel("cancel with a bad symbol", "cancel_order.symbol", "UNKNOWN_SYMBOL", order=KEY, symbol="NONE"),
    amend("amend of nothing", "amend_order.order"),
    amend("amend of no UUID", "amend_order.order.order_id", order=order_pb2.OrderKey(order_id="x" * 36)),
    amend("amend that changes nothing", "amend_order", order=KEY, expected_version=1),
    amend("amend to nothing", "amend_order.quantity", order=KEY, quantity="0"),
    amend("amend to no number", "amend_order.limit_price", order=KEY, limit_price="1e2"),
    amend("amend of 19 digits", "amend_order.stop_price", order=KEY, stop_price="0.1234567890123456789"),
    amend("amend off the lot", "amend_order.quantity", "LOT_SIZE", order=KEY, symbol="ACME", quantity="0.5"),
    amend(
        "amend above the band", "amend_order.limit_price", "PRICE_BAND", order=KEY, symbol="ACME", limit_price="9" * 9
    ),
    amend("amend with a bad symbol", "amend_order.symbol", "UNKNOWN_SYMBOL", order=KEY, symbol="NONE", quantity="1"),
    amend(
        "amend to the past",
        "amend_order.expire_at",
        "STALE",
        "FAILED_PRECONDITION",
        order=KEY,
        expire_at=Timestamp(seconds=1),
    ),
    mass("mass cancel with a bad symbol", "mass_cancel.symbol", "UNKNOWN_SYMBOL", symbol="NONE"),
    mass("mass cancel with a bad side", "mass_cancel.side", side=3),
    mass("mass cancel with a bad tag", "mass_cancel.tag", tag="\0"),
    mass("mass cancel with a bad session_name", "mass_cancel.session_name", session_name="s" * 65),
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
