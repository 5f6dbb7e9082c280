"""Life of one gateway process: check → build → listen → serve → drain."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
import structlog

from gateway import errors, readiness, reflection, rpc
from gateway.admin import Operations
from gateway.auth import STREAM_LIFE_S, SecretError
from gateway.follow import OrderEvents
from gateway.market_data import Books
from gateway.opening import first_message
from gateway.redis_check import check_redis
from gateway.redis_client import open_commands
from gateway.resolve import Resolver
from gateway.service import Administration, MarketData, OrderEntry
from gateway.session import Session
from gateway.trail import Trail
from gateway.worker import Worker
from ordergate.v1 import (
    admin_service_pb2,
    market_data_service_pb2,
    order_entry_service_pb2,
    order_events_service_pb2,
    order_query_service_pb2,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.redis_check import RedisFacts
    from gateway.rpc import Context, StreamHandler
    from gateway.settings import Settings

_log = structlog.get_logger(__name__)


REFUSAL_DELAY_S = 1.0
"""Longest wait for the first message of a stream that is refused anyway; see `first_message`."""


def server_options(settings: Settings, *, shared_port: bool) -> list[tuple[str, int]]:
    """gRPC options of a worker; a reason for each stands in the design, section 4."""
    return [
        ("grpc.so_reuseport", int(shared_port)),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_concurrent_streams", 100),
        ("grpc.server_handshake_timeout_ms", 10_000),
        # New calls move to a new connection after an hour; a stream ends by itself, with a GoAway, within its grace.
        ("grpc.max_connection_age_ms", 3_600_000),
        ("grpc.max_connection_age_grace_ms", int(STREAM_LIFE_S + 3600) * 1000),
    ]


async def serve(settings: Settings, name: str, *, shared_port: bool, ready: Callable[[str], None]) -> None:
    """Runs a worker until SIGTERM or SIGINT; a second signal ends it at once.

    Args:
        settings: of the installation.
        name: unique among all workers that use this Redis.
        shared_port: other workers listen on the same port.
        ready: called with host:port when clients can connect.

    Raises:
        ConfigurationRefused, InstrumentError, SecretError: the installation is refused; the message says why.
        OSError: the address can't be listened on.
    """
    stop = _signals()
    facts = await _check_redis(settings, stop)
    if facts is None:
        return
    worker = Worker(settings, name, durable=facts.durable)
    server = grpc.aio.server(options=server_options(settings, shared_port=shared_port))
    _register(server, worker)
    running = asyncio.create_task(worker.run(), name="worker")
    try:
        address = _listen(server, settings)
        await asyncio.wait([asyncio.create_task(_started(worker)), running], return_when=asyncio.FIRST_COMPLETED)
        await server.start()
        ready(address)
        _log.info("serving", address=address, durable=facts.durable, redis=facts.version)
        await asyncio.wait([asyncio.create_task(stop.wait()), running], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running  # a part has failed: raises, and the parent starts a new worker
        await _drain(server, worker, settings.drain_grace_s)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await worker.database.close()
        await worker.archive.close()
        await worker.redis.aclose()


async def _check_redis(settings: Settings, stop: asyncio.Event) -> RedisFacts | None:
    """What `check_redis` found, once Redis is there; None if the stop came first."""
    redis = open_commands(settings)
    checking = asyncio.create_task(check_redis(redis, allow_volatile=settings.allow_volatile), name="check-redis")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({checking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await checking if checking.done() else None
    finally:
        for task in (checking, stopping):
            task.cancel()
        await redis.aclose()


async def _started(worker: Worker) -> None:
    await worker.readiness.look()
    for hub in worker.hubs:
        await hub.started.wait()


async def _drain(server: grpc.aio.Server, worker: Worker, grace_s: float) -> None:
    _log.info("draining", streams=len(worker.sessions), grace_s=grace_s)
    # A loop that is stuck must not outlive the grace for long: the parent would wait for ever.
    asyncio.get_running_loop().call_later(grace_s + 5, os._exit, 1)
    await worker.drain(grace_s)
    await server.stop(1.0)
    _log.info("stopped", commands=sum(q.commands_stored for q in worker.queues))


def _signals() -> asyncio.Event:
    stop = asyncio.Event()

    def handle() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle)
    return stop


def _listen(server: grpc.aio.Server, settings: Settings) -> str:
    address = settings.listen
    host = address.rpartition(":")[0]
    credentials = read_credentials(settings)
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise OSError(
            f"can't listen on {address}: the port is in use, or the host is not ours; choose another --listen"
        )
    return f"{host}:{port}"


def read_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """TLS of the clients' port, or None if it is plaintext.

    Raises:
        SecretError: certificate or key can't be read, or only one of them is named.
    """
    files = (settings.tls_key_file, settings.tls_certificate_file)
    if files == (None, None):
        if settings.listen.rpartition(":")[0].strip("[]") not in {"127.0.0.1", "::1", "localhost"}:
            _log.warning("tokens travel in plaintext: set --tls-certificate-file and --tls-key-file")
        return None
    if None in files:
        raise SecretError("TLS needs both --tls-certificate-file and --tls-key-file")
    try:
        key, certificate = (path.read_bytes() for path in files if path is not None)
    except OSError as error:
        raise SecretError(f"{error.filename}: {error.strerror}") from None
    return grpc.ssl_server_credentials([(key, certificate)])


def _session_of(worker: Worker) -> StreamHandler:
    """Opens a session for each stream, and answers for those that are refused."""

    async def session(context: Context) -> None:
        try:
            if worker.draining.is_set():
                raise errors.Draining
            principal = worker.authenticator.authenticate(context)
        except errors.OrdergateError:
            with suppress(errors.OrdergateError):
                await first_message(context, asyncio.Event(), REFUSAL_DELAY_S)
            raise
        stream = Session(worker, principal, context)
        worker.sessions.add(stream)
        try:
            await stream.run()
        finally:
            worker.sessions.discard(stream)

    return session


def _register(server: grpc.aio.Server, worker: Worker) -> None:
    """Every service in one place."""
    auth = worker.authenticator
    entry, admin, market = OrderEntry(worker), Administration(worker), MarketData(worker)
    operations, books = Operations(worker), Books(worker)
    trail = Trail(worker.lookup.tails, worker.redis, worker.database, worker.histories)
    resolver, queries = Resolver(worker, trail, worker.lookup), worker.queries
    events = OrderEvents(worker)
    pb, od, ev, ad, md = (
        order_entry_service_pb2,
        order_query_service_pb2,
        order_events_service_pb2,
        admin_service_pb2,
        market_data_service_pb2,
    )

    handlers = [
        rpc.service_handler(
            pb.DESCRIPTOR.services_by_name["OrderEntryService"],
            {
                "Submit": rpc.unary(entry.submit, pb.SubmitRequest, auth),
                "SubmitBatch": rpc.unary(entry.submit_batch, pb.SubmitBatchRequest, auth),
                "Check": rpc.unary(entry.check, pb.CheckRequest, auth),
                "Resolve": rpc.unary(resolver.resolve, pb.ResolveRequest, auth),
            },
            bidi_streams={"Session": rpc.stream(_session_of(worker), "Session")},
        ),
        rpc.service_handler(
            od.DESCRIPTOR.services_by_name["OrderQueryService"],
            {
                "GetOrder": rpc.unary(queries.get_order, od.GetOrderRequest, auth),
                "ListOrders": rpc.unary(queries.list_orders, od.ListOrdersRequest, auth),
                "ListFills": rpc.unary(queries.list_fills, od.ListFillsRequest, auth),
            },
        ),
        rpc.service_handler(
            ev.DESCRIPTOR.services_by_name["OrderEventsService"],
            {},
            server_streams={"Follow": rpc.server_stream(events.follow, "Follow")},
        ),
        rpc.service_handler(
            ad.DESCRIPTOR.services_by_name["AdminService"],
            {
                "Status": rpc.unary(admin.status, ad.StatusRequest, auth),
                "SetTradingState": rpc.unary(operations.set_trading_state, ad.SetTradingStateRequest, auth),
                "GetLimits": rpc.unary(operations.get_limits, ad.GetLimitsRequest, auth),
                "SetLimits": rpc.unary(operations.set_limits, ad.SetLimitsRequest, auth),
            },
        ),
        rpc.service_handler(
            md.DESCRIPTOR.services_by_name["MarketDataService"],
            {"ListInstruments": rpc.unary(market.list_instruments, md.ListInstrumentsRequest, auth)},
            server_streams={"FollowBook": rpc.server_stream(books.follow_book, "FollowBook")},
        ),
        worker.health.handler(),
    ]
    told = [name for name in readiness.SERVICES if name.startswith("ordergate.v1.")]
    handlers += reflection.handlers([*told, "grpc.health.v1.Health"])
    server.add_generic_rpc_handlers(tuple(handlers))
