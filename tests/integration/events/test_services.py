"""Follow and GetOrder as a client sees them, over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from gateway import rpc
from gateway.auth import issue_token
from gateway.database import Database
from gateway.follow import OrderEvents
from gateway.ids import key_text, order_key
from gateway.lookup import OrderLookup
from gateway.query import OrderQueries
from gateway.settings import Settings
from gateway.stack.services import ROOT
from gateway.worker import Worker
from ordergate.v1 import event_pb2, failure_pb2, order_pb2
from ordergate.v1 import order_events_service_pb2 as ev
from ordergate.v1 import order_query_service_pb2 as od
from ordergate.v1.order_events_service_pb2_grpc import OrderEventsServiceStub
from ordergate.v1.order_query_service_pb2_grpc import OrderQueryServiceStub
from persistence.migrate import load_migrations, migrate

from ...unit.events.builder import Told
from .conftest import Shard, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

SECRET = b"s" * 32
BEGINNING = event_pb2.StreamStart(beginning=event_pb2.Beginning())


class Gateway:
    """A worker with the event side's services, and stubs of a client."""

    def __init__(self, worker: Worker, shard: Shard, channel: grpc.aio.Channel) -> None:
        self.worker = worker
        self.shard = shard
        self.events = OrderEventsServiceStub(channel)
        self.queries = OrderQueryServiceStub(channel)

    @staticmethod
    def caller(*accounts: str, scopes: tuple[str, ...] = ("read",), ttl_s: float = 60) -> list[tuple[str, str]]:
        token = issue_token(SECRET, subject="test", accounts=accounts, scopes=scopes, ttl_s=ttl_s)
        return [("authorization", f"Bearer {token}")]

    def follow(self, *accounts: str, ttl_s: float = 60, **request: Any) -> Any:
        return self.events.Follow(ev.FollowRequest(**request), metadata=self.caller(*accounts, ttl_s=ttl_s))


@pytest.fixture
async def gateway(redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "secret").write_bytes(SECRET)
    settings = Settings(
        redis_url=redis_url,
        postgres_dsn="postgresql://nobody@127.0.0.1:1/none",
        instruments=ROOT / "instruments.toml",
        token_secret_file=tmp_path / "secret",
    )
    worker = Worker(settings, "test", durable=True)
    running = asyncio.create_task(worker.run(), name="worker")
    queries = OrderQueries(worker, OrderLookup(worker.hubs, worker.redis, worker.database, worker.instruments, 60))
    server = grpc.aio.server()
    follow = {"Follow": rpc.server_stream(OrderEvents(worker).follow, "Follow")}
    get = {"GetOrder": rpc.unary(queries.get_order, od.GetOrderRequest, worker.authenticator)}
    server.add_generic_rpc_handlers((
        rpc.service_handler(ev.DESCRIPTOR.services_by_name["OrderEventsService"], {}, server_streams=follow),
        rpc.service_handler(od.DESCRIPTOR.services_by_name["OrderQueryService"], get),
    ))  # fmt: skip
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await worker.hubs[0].started.wait()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Gateway(worker, Shard(worker.redis, worker.hubs[0]), channel)
    await server.stop(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await worker.redis.aclose()


async def _read(call: Any, count: int) -> list[ev.FollowResponse]:
    async with asyncio.timeout(10):
        return [await call.read() for _ in range(count)]


async def _refusal(call: Any) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Code, reason and metadata of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if hasattr(call, "read") else call)
    trailers: Any = caught.value.trailing_metadata() or ()
    details = next(value for key, value in trailers if key == "grpc-status-details-bin")
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    return caught.value.code(), info.reason, dict(info.metadata)


def _orders(response: ev.FollowResponse) -> list[str]:
    return [event.order.client_order_id for event in response.events]


async def test_follow_opens_gives_the_past_says_so_and_goes_on_live(gateway: Gateway) -> None:
    await gateway.shard.publish(Told("a", "1"), Told("b", "2"))
    last = await gateway.shard.publish(Told("a", "3"))
    call = gateway.follow("a", "b", accounts=["a"], start=BEGINNING)
    opened, past, caught_up = await _read(call, 3)
    assert (opened.opened.accounts, opened.opened.cursors) == (["a"], ["0:0-0:4294967295"])
    assert _orders(past) == ["1", "3"]
    assert caught_up.caught_up.cursors == [f"0:{last}:4294967295"]
    await gateway.shard.publish(Told("b", "4"))
    await gateway.shard.publish(Told("a", "5"))
    (live,) = await _read(call, 1)
    assert _orders(live) == ["5"]
    call.cancel()


async def test_follow_goes_on_after_an_event(gateway: Gateway) -> None:
    frame = await gateway.shard.publish(Told("a", "1"), Told("a", "2"))
    start = event_pb2.StreamStart(after=event_pb2.Cursors(cursors=[f"0:{frame}:0"]))
    call = gateway.follow("a", start=start)
    opened, rest = await _read(call, 2)
    assert opened.opened.cursors == [f"0:{frame}:0"]
    assert _orders(rest) == ["2"]
    call.cancel()


async def test_silence_is_filled_with_heartbeats_that_have_the_place(gateway: Gateway) -> None:
    call = gateway.follow("a", heartbeat_interval=Duration(seconds=1))
    await _read(call, 2)
    other = await gateway.shard.publish(Told("b", "1"))
    began = time.monotonic()
    (beat,) = await _read(call, 1)
    assert 0.8 < time.monotonic() - began < 3
    assert beat.heartbeat.cursors == [f"0:{other}:4294967295"]
    assert abs(beat.heartbeat.server_time.seconds - time.time()) < 5
    call.cancel()


async def test_draining_ends_a_follower_with_a_place_to_go_on(gateway: Gateway) -> None:
    call = gateway.follow("a")
    await _read(call, 2)
    frame = await gateway.shard.publish(Told("a", "1"))
    (event,) = await _read(call, 1)
    assert _orders(event) == ["1"]
    gateway.worker.draining.set()
    (away,) = await _read(call, 1)
    assert away.go_away.failure.reason == failure_pb2.REASON_DRAINING
    assert away.go_away.cursors == [f"0:{frame}:4294967295"]
    assert await call.read() is grpc.aio.EOF
    assert await call.code() == grpc.StatusCode.OK
    code, reason, _ = await _refusal(gateway.follow("a"))
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")


async def test_the_end_of_the_tokens_life_ends_the_follower(gateway: Gateway) -> None:
    call = gateway.follow("a", ttl_s=2)
    *_, away = await _read(call, 3)
    assert away.go_away.failure.reason == failure_pb2.REASON_UNAUTHENTICATED
    assert len(away.go_away.cursors) == 1
    assert await call.read() is grpc.aio.EOF


async def test_events_that_cant_be_read_end_the_follower_in_band(gateway: Gateway) -> None:
    call = gateway.follow("a")
    await _read(call, 2)
    frame = await gateway.shard.publish(Told("a", "1"))
    await gateway.shard.publish(raw=b"\xff")
    responses = []
    while (response := await call.read()) is not grpc.aio.EOF:
        responses.append(response)
    assert responses[-1].go_away.failure.reason == failure_pb2.REASON_INTERNAL
    assert responses[-1].go_away.cursors == [f"0:{frame}:4294967295"]
    assert await call.code() == grpc.StatusCode.OK


async def test_many_events_come_in_messages_that_a_client_takes(gateway: Gateway) -> None:
    for _ in range(10):
        await gateway.shard.publish(*(Told("a", "x", padding="y" * 1_000) for _ in range(1_000)))
    call = gateway.follow("a", start=BEGINNING)
    seqs: list[int] = []
    while len(seqs) < 10_000:
        (response,) = await _read(call, 1)
        assert response.ByteSize() < 600_000
        seqs += [event.seq for event in response.events]
    assert seqs == list(range(1, 10_001))
    call.cancel()


async def test_a_client_that_goes_away_leaves_nothing_behind(gateway: Gateway) -> None:
    calls = [gateway.follow("a") for _ in range(5)]
    for call in calls:
        await _read(call, 2)
    assert len(gateway.shard.hub._feeds["a"]) == 5
    for call in calls:
        call.cancel()
    await until(lambda: not gateway.shard.hub._feeds)
    await until(lambda: not [t for t in asyncio.all_tasks() if t.get_name().startswith(("follow", "feed"))])


@pytest.mark.parametrize(
    ("request_fields", "refusal"),
    [
        ({"accounts": ["b"]}, (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION", "accounts")),
        ({"heartbeat_interval": Duration(seconds=0)}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", None)),
        ({"heartbeat_interval": Duration(seconds=61)}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", None)),
        (
            {"start": event_pb2.StreamStart(snapshot=event_pb2.Snapshot())},
            (grpc.StatusCode.UNAVAILABLE, "QUEUE_UNAVAILABLE", None),  # the database of this gateway is away
        ),
        (
            {"start": event_pb2.StreamStart(after=event_pb2.Cursors(cursors=["x"]))},
            (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID", "start.after.cursors"),
        ),
        (
            {"start": event_pb2.StreamStart(after=event_pb2.Cursors(cursors=["0:999999-0:0"]))},
            (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID", "start.after.cursors"),
        ),
        (
            {"start": event_pb2.StreamStart(after=event_pb2.Cursors(cursors=["0:1001-0:0"]))},
            (grpc.StatusCode.UNAVAILABLE, "QUEUE_UNAVAILABLE", None),  # the database of this gateway is away
        ),
    ],
)
async def test_follow_refuses(gateway: Gateway, request_fields: dict[str, Any], refusal: tuple[Any, ...]) -> None:
    await gateway.shard.publish(Told("a", "1"))
    last = await gateway.shard.publish(Told("a", "2"))
    await gateway.shard.redis.xtrim(gateway.shard.keys.events, minid=str(last), approximate=False)
    code, reason, metadata = await _refusal(gateway.follow("a", **request_fields))
    assert (code, reason) == refusal[:2]
    assert refusal[2] is None or metadata["field"] == refusal[2]


async def test_get_order_takes_our_id_or_the_clients(gateway: Gateway) -> None:
    await gateway.shard.publish(Told("a", "1"))
    for key in ({"order_id": key_text(order_key("a", "1"))}, {"client_order_id": "1"}):
        request = od.GetOrderRequest(order=order_pb2.OrderKey(**key))
        response = await gateway.queries.GetOrder(request, metadata=gateway.caller("a"))
        assert response.order.client_order_id == "1"
        assert response.source == od.ORDER_SOURCE_QUEUE


@pytest.mark.parametrize(
    ("accounts", "account", "key", "refusal"),
    [
        (("a",), "", None, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "order")),
        (("a",), "", {"order_id": "1234"}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "order.order_id")),
        (
            ("a",), "", {"client_order_id": "x" * 65},
            (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "order.client_order_id"),
        ),
        (("a", "b"), "", {"client_order_id": "1"}, (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "account")),
        (("b",), "a", {"client_order_id": "1"}, (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION", "account")),
        # The database of this gateway is away, so that an order which is nowhere else is not known to be none.
        (("a",), "", {"client_order_id": "2"}, (grpc.StatusCode.UNAVAILABLE, "QUEUE_UNAVAILABLE", None)),
    ],
)  # fmt: skip
async def test_get_order_refuses(
    gateway: Gateway, accounts: tuple[str, ...], account: str, key: dict[str, str] | None, refusal: tuple[Any, ...]
) -> None:
    await gateway.shard.publish(Told("a", "1"))
    request = od.GetOrderRequest(account=account, order=order_pb2.OrderKey(**key) if key else None)
    code, reason, metadata = await _refusal(gateway.queries.GetOrder(request, metadata=gateway.caller(*accounts)))
    assert (code, reason) == refusal[:2]
    assert refusal[2] is None or metadata["field"] == refusal[2]


async def test_a_foreign_order_and_one_that_never_was_look_alike(gateway: Gateway, postgres_dsn: str) -> None:
    await gateway.shard.publish(Told("a", "1"))
    connection_of = Database(postgres_dsn)
    await _with_schema(postgres_dsn)
    worker = gateway.worker
    queries = OrderQueries(worker, OrderLookup(worker.hubs, worker.redis, connection_of, worker.instruments, 60))
    principal = worker.authenticator.verify(gateway.caller("b")[0][1])
    said = []
    for name in ("1", "2"):
        order = order_pb2.OrderKey(order_id=key_text(order_key("a", name)))
        with pytest.raises(rpc.errors.NotFound) as caught:
            await queries.get_order(od.GetOrderRequest(order=order), principal)
        said.append(caught.value.failure())
    assert said[0] == said[1]
    await connection_of.close()


async def _with_schema(dsn: str) -> None:

    connection = await asyncpg.connect(dsn)
    await migrate(connection, load_migrations())
    await connection.close()
