"""Calls that are no valid calls: bytes, sizes, tokens, hellos. Each gets a typed answer, and the server goes on."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable

import grpc
import jwt
import pytest
from google.protobuf.duration_pb2 import Duration

from ordergate.v1 import admin_service_pb2, command_pb2, event_pb2, order_pb2
from ordergate.v1 import market_data_service_pb2 as market
from ordergate.v1 import order_entry_service_pb2 as entry
from ordergate.v1 import order_events_service_pb2 as events
from ordergate.v1 import order_query_service_pb2 as query

from ..support.gateway import KEY, RunningGateway
from ..support.wire import Wire, bearer, cancel_order, connect, limit_order, refusal_of_rpc, refused
from .probe import open_session, raw_session

SUBMIT, BATCH = "/ordergate.v1.OrderEntryService/Submit", "/ordergate.v1.OrderEntryService/SubmitBatch"
GET_ORDER = "/ordergate.v1.OrderQueryService/GetOrder"
FOLLOW = "/ordergate.v1.OrderEventsService/Follow"
STATUS = "/ordergate.v1.AdminService/Status"
INSTRUMENTS = "/ordergate.v1.MarketDataService/ListInstruments"
MARK = "MARK"
NOT_UTF8 = b"\xff\xfe\xc0\x80"


@pytest.fixture(autouse=True)
async def _serves_afterwards(door: Wire) -> AsyncIterator[None]:
    yield
    assert (await door.submit(limit_order())).level == command_pb2.ACK_LEVEL_QUEUED


def spoiled(message: entry.SubmitRequest) -> bytes:
    """The message with bytes that are no UTF-8 in the place of MARK."""
    raw = message.SerializeToString()
    assert raw.count(MARK.encode()) == 1
    return raw.replace(MARK.encode(), NOT_UTF8)


TEXTS = {
    "command_id": limit_order(command_id=MARK),
    "account": limit_order(account=MARK),
    "symbol": limit_order(symbol=MARK),
    "quantity": limit_order(quantity=MARK),
    "limit_price": limit_order(limit_price=MARK),
    "tag": limit_order(tag=MARK),
    "order_id": cancel_order(order_id=MARK),
    "client_order_id": cancel_order(client_order_id=MARK),
}


@pytest.mark.parametrize("field", TEXTS)
async def test_text_that_is_not_utf8_is_refused(field: str, door: Wire) -> None:
    command = TEXTS[field]
    for method, request in (
        (SUBMIT, entry.SubmitRequest(command=command)),
        (BATCH, entry.SubmitBatchRequest(commands=[limit_order(), command])),
    ):
        refusal = await refused(door.raw(method, spoiled(request)))
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
        assert refusal.field == request.DESCRIPTOR.name
    async with open_session(door) as session:
        await session.send_raw(spoiled(entry.SessionRequest(commands=[command])))
        assert await session.until_ended() == grpc.StatusCode.OK
        assert (session.told.reason, session.told.field) == ("INVALID_FIELD", "SessionRequest")


GARBAGE = {
    "ff": b"\xff",
    "cut": limit_order().SerializeToString()[:-3] + b"\x7f",
    "zeros": bytes(64),
    "text": b"GET / ",
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("method", [SUBMIT, BATCH, GET_ORDER, INSTRUMENTS])
async def test_garbage_is_refused(name: str, method: str, door: Wire) -> None:
    refusal = await refused(door.raw(method, GARBAGE[name]))
    assert (refusal.code, refusal.reason, refusal.disposition) == ("INVALID_ARGUMENT", "INVALID_FIELD", "NOT_APPLIED")
    assert refusal.field


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_in_streams_is_refused(name: str, door: Wire) -> None:
    call = door.channel.unary_stream(FOLLOW)(GARBAGE[name], metadata=door.metadata, timeout=30)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert refusal_of_rpc(caught.value).reason == "INVALID_FIELD"
    async with raw_session(door) as session:
        await session.send_raw(GARBAGE[name])
        assert await session.until_ended() == grpc.StatusCode.INVALID_ARGUMENT
        assert session.refusal.field == "SessionRequest"


async def test_what_was_sent_before_garbage_is_answered(door: Wire) -> None:
    async with open_session(door) as session:
        for _ in range(20):
            await session.send(limit_order())
        await session.send_raw(b"\xff")
        assert await session.until_ended() == grpc.StatusCode.OK
        assert [ack.level for ack in session.acks] == [command_pb2.ACK_LEVEL_QUEUED] * 20
        assert session.told.field == "SessionRequest"


async def test_an_empty_request_names_what_is_missing(door: Wire) -> None:
    assert (await refused(door.raw(SUBMIT, b""))).field == "command"
    assert (await refused(door.raw(BATCH, b""))).field == "commands"
    assert (await refused(door.raw(GET_ORDER, b""))).field == "order"


async def test_an_oversized_message_is_refused_with_a_status(door: Wire) -> None:
    huge = limit_order(command_id="x" * 1_100_000)
    for call in (door.submit(huge), door.submit_batch(huge)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    async with open_session(door) as session:
        await session.send(limit_order())
        await session.until_acks(1)
        await session.send(huge)
        assert await session.until_ended() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_largest_message_is_taken(door: Wire) -> None:
    async with open_session(door) as session:
        most = session.welcome.max_commands_per_message
        await session.send(*(limit_order(command_id=f"{n:04}".ljust(64, "x")) for n in range(most)))
        acks = await session.until_acks(most)
    assert {ack.level for ack in acks} == {command_pb2.ACK_LEVEL_QUEUED}
    places = [tuple(map(int, ack.position.split(":")[2:])) for ack in acks]
    assert places == sorted(places)
    assert len({ack.position for ack in acks}) == most


async def test_too_many_commands_are_refused_and_none_is_taken(door: Wire) -> None:
    commands = [limit_order() for _ in range(1001)]
    refusal = await refused(door.submit_batch(*commands))
    assert (refusal.code, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", "TOO_MANY_COMMANDS", "commands")
    async with open_session(door) as session:
        await session.send(*commands)
        acks = await session.until_acks(1001)
        assert {(a.failure.reason, a.failure.field) for a in acks} == {(23, "commands")}
        await session.send(limit_order())
        assert not (await session.until_acks(1002))[1001].HasField("failure")


def signed(key: bytes = KEY, algorithm: str = "HS256", **claims: object) -> str:
    good = {"iss": "ordergate", "aud": "ordergate", "sub": "t", "exp": int(time.time()) + 86_400}
    good |= {"accounts": ["demo"], "scopes": ["trade", "read", "admin"]}
    return jwt.encode({k: v for k, v in (good | claims).items() if v is not None}, key, algorithm=algorithm)


def unsigned() -> str:
    parts = [{"alg": "none", "typ": "JWT"}, jwt.decode(signed(), options={"verify_signature": False})]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


TOKENS = {
    "none": (),
    "empty": (("authorization", ""),),
    "no scheme": (("authorization", signed()),),
    "other scheme": (("authorization", f"Basic {signed()}"),),
    "scheme alone": (("authorization", "Bearer"),),
    "nonsense": bearer("nonsense"),
    "three dots": bearer("a.b.c"),
    "expired": bearer(signed(exp=int(time.time()) - 1)),
    "without an end": bearer(signed(exp=None)),
    "for later": bearer(signed(nbf=int(time.time()) + 80_000)),
    "forged": bearer(signed(KEY[::-1])),
    "other algorithm": bearer(signed(algorithm="HS512")),
    "unsigned": bearer(unsigned()),
    "other issuer": bearer(signed(iss="somebody")),
    "other audience": bearer(signed(aud="something")),
    "no accounts": bearer(signed(accounts=None)),
    "empty accounts": bearer(signed(accounts=[])),
    "accounts that are no list": bearer(signed(accounts="demo")),
    "accounts that are no texts": bearer(signed(accounts=[1])),
    "cut": bearer(signed()[:-4]),
}


@pytest.mark.parametrize("name", TOKENS)
async def test_a_call_without_a_good_token_is_refused(name: str, gateway: RunningGateway) -> None:
    async with connect(gateway.address, "") as wire:
        wire.metadata = TOKENS[name]
        for call in (wire.submit(limit_order()), wire.get_order(order_id="x"), wire.raw(STATUS, b"")):
            refusal = await refused(call)
            assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
            assert KEY.decode() not in refusal.text
        async with open_session(wire, welcome=False) as session:
            assert await session.until_ended() == grpc.StatusCode.UNAUTHENTICATED
            assert session.refusal.reason == "UNAUTHENTICATED"


async def test_a_token_is_needed_before_the_first_message(gateway: RunningGateway) -> None:
    async with connect(gateway.address, "") as wire, raw_session(wire) as session:
        assert await session.until_ended() == grpc.StatusCode.UNAUTHENTICATED


SCOPES = {
    "trade": {SUBMIT, BATCH, GET_ORDER, FOLLOW, INSTRUMENTS, "Session"},
    "read": {GET_ORDER, FOLLOW, INSTRUMENTS},
    "admin": {STATUS, INSTRUMENTS},
}


async def permitted(call: Awaitable[object]) -> bool:
    """Whether the call got past the scopes, however it fared then."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of_rpc(error).reason != "PERMISSION"
    return True


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_scope_opens_its_doors_and_no_other(scope: str, gateway: RunningGateway) -> None:
    requests = {
        SUBMIT: entry.SubmitRequest(command=limit_order()),
        BATCH: entry.SubmitBatchRequest(commands=[limit_order()]),
        GET_ORDER: query.GetOrderRequest(order=order_pb2.OrderKey(client_order_id="never")),
        STATUS: admin_service_pb2.StatusRequest(),
        INSTRUMENTS: market.ListInstrumentsRequest(),
    }
    async with connect(gateway.address, gateway.token(scopes=(scope,))) as wire:
        opened = {m for m, request in requests.items() if await permitted(wire.raw(m, request.SerializeToString()))}
        call = wire.follow(events.FollowRequest())
        if await permitted(call.read()):
            opened.add(FOLLOW)
        call.cancel()
        async with open_session(wire, welcome=False) as session:
            await session.until(lambda: session.messages or session.ended)
            if session.messages or session.refusal.reason != "PERMISSION":
                opened.add("Session")
    assert opened == SCOPES[scope]


def after(*cursors: str) -> event_pb2.StreamStart:
    return event_pb2.StreamStart(after=event_pb2.Cursors(cursors=cursors))


STARTS = {
    "no cursor": (after(), "CURSOR_INVALID", "after.cursors"),
    "empty cursor": (after(""), "CURSOR_INVALID", "after.cursors"),
    "nonsense": (after("nonsense"), "CURSOR_INVALID", "after.cursors"),
    "no index": (after("0:1-0"), "CURSOR_INVALID", "after.cursors"),
    "negative": (after("0:1-0:-1"), "CURSOR_INVALID", "after.cursors"),
    "100 kB": (after("0:1-0:" + "1" * 100_000), "CURSOR_INVALID", "after.cursors"),
    "beyond 64 bits": (after("0:99999999999999999999-0:0"), "CURSOR_INVALID", "after.cursors"),
    "no such shard": (after("1:1-0:0"), "CURSOR_INVALID", "after.cursors"),
    "twice the same shard": (after("0:1-0:0", "0:1-0:0"), "CURSOR_INVALID", "after.cursors"),
    "ahead of the log": (after("0:9999999999999-0:0"), "CURSOR_INVALID", "after.cursors"),
}


@pytest.mark.parametrize("name", STARTS)
async def test_a_bad_start_is_refused(name: str, door: Wire) -> None:
    start, reason, field = STARTS[name]
    call = door.follow(events.FollowRequest(start=start))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    refusal = refusal_of_rpc(caught.value)
    assert (refusal.reason, refusal.field) == (reason, f"start.{field}")
    async with open_session(door, welcome=False, start=start) as session:
        await session.until_ended()
        assert (session.refusal.reason, session.refusal.field) == (reason, f"hello.start.{field}")


INTERVALS = {
    "zero": Duration(),
    "too short": Duration(nanos=999_999_999),
    "too long": Duration(seconds=60, nanos=1),
    "negative": Duration(seconds=-1),
    "overlong": Duration(seconds=2**63 - 1),
    "beyond its own type": Duration(seconds=1, nanos=2**31 - 1),
}


@pytest.mark.parametrize("name", INTERVALS)
async def test_a_bad_heartbeat_interval_is_refused(name: str, door: Wire) -> None:
    interval = INTERVALS[name]
    call = door.follow(events.FollowRequest(heartbeat_interval=interval))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    refusal = refusal_of_rpc(caught.value)
    assert (refusal.reason, refusal.field) == ("INVALID_FIELD", "heartbeat_interval")
    async with open_session(door, welcome=False, heartbeat_interval=interval) as session:
        await session.until_ended()
        assert (session.refusal.reason, session.refusal.field) == ("INVALID_FIELD", "hello.heartbeat_interval")


HELLOS = {
    "session_name": ({"session_name": "é"}, "INVALID_FIELD", "hello.session_name"),
    "65 characters of session_name": ({"session_name": "s" * 65}, "INVALID_FIELD", "hello.session_name"),
    "disconnect_grace without a name": (
        {"disconnect_grace": Duration(seconds=1)},
        "INVALID_FIELD",
        "hello.disconnect_grace",
    ),
    "disconnect_grace of more than an hour": (
        {"session_name": "s", "disconnect_grace": Duration(seconds=3600, nanos=1)},
        "INVALID_FIELD",
        "hello.disconnect_grace",
    ),
    "negative disconnect_grace": (
        {"session_name": "s", "disconnect_grace": Duration(nanos=-1)},
        "INVALID_FIELD",
        "hello.disconnect_grace",
    ),
    "default_ack_level": ({"default_ack_level": 9}, "INVALID_FIELD", "hello.default_ack_level"),
    "client": ({"client": "x" * 65}, "INVALID_FIELD", "hello.client"),
    "foreign account": ({"accounts": ["somebody"]}, "PERMISSION", "hello.accounts"),
    "100 kB of account": ({"accounts": ["x" * 100_000]}, "PERMISSION", "hello.accounts"),
}


@pytest.mark.parametrize("name", HELLOS)
async def test_a_bad_hello_is_refused(name: str, door: Wire) -> None:
    hello, reason, field = HELLOS[name]
    async with open_session(door, welcome=False, **hello) as session:
        await session.until_ended()
        assert session.messages == []
        assert (session.refusal.reason, session.refusal.field) == (reason, field)


@pytest.mark.parametrize("name", ["somebody", "x" * 100_000, "帳\0"])
async def test_a_foreign_account_is_refused_everywhere(name: str, door: Wire) -> None:
    call = door.follow(events.FollowRequest(accounts=[name]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    refusal = refusal_of_rpc(caught.value)
    assert (refusal.code, refusal.reason, refusal.field) == ("PERMISSION_DENIED", "PERMISSION", "accounts")
    refusal = await refused(door.get_order(client_order_id="one", account=name))
    assert (refusal.code, refusal.reason, refusal.field) == ("PERMISSION_DENIED", "PERMISSION", "account")


async def test_a_hello_in_the_second_message_ends_the_session(door: Wire) -> None:
    async with open_session(door) as session:
        await session.send(limit_order())
        await session.send(limit_order(), hello=entry.Hello())
        assert await session.until_ended() == grpc.StatusCode.OK
        assert (session.told.reason, session.told.field) == ("INVALID_FIELD", "hello")
        assert len(session.acks) == 1


async def test_a_session_that_ends_before_its_first_message_ends_well(door: Wire) -> None:
    async with raw_session(door) as session:
        await session.half_close()
        assert await session.until_ended() == grpc.StatusCode.OK
        assert session.messages == []


async def test_a_session_needs_no_hello(door: Wire) -> None:
    async with raw_session(door) as session:
        await session.send(limit_order())
        await session.until_acks(1)
        assert session.messages[0].HasField("welcome")


@pytest.mark.parametrize("order_id", ["", "x", "0" * 32, "g" * 36, "{0}", "1" * 100_000])
async def test_an_order_id_that_is_none_is_refused(order_id: str, door: Wire) -> None:
    request = query.GetOrderRequest(order=order_pb2.OrderKey(order_id=order_id))
    refusal = await refused(door.raw(GET_ORDER, request.SerializeToString()))
    assert (refusal.reason, refusal.field) == ("INVALID_FIELD", "order.order_id")


async def test_an_unknown_symbol_of_a_list_is_named(door: Wire) -> None:
    request = market.ListInstrumentsRequest(symbols=["ACME", "NONE"])
    refusal = await refused(door.raw(INSTRUMENTS, request.SerializeToString()))
    assert (refusal.reason, refusal.field) == ("UNKNOWN_SYMBOL", "symbols")


async def test_clients_that_vanish_leave_a_server_that_serves(gateway: RunningGateway) -> None:
    for _ in range(20):
        async with connect(gateway.address, gateway.token()) as wire, open_session(wire) as session:
            for _ in range(5):
                await session.send(limit_order(), limit_order())
            session.cancel()
