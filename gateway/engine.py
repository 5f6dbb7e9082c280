"""Connections to the matching engine: a small pool of long-lived channels, kept warm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from gateway.auth import SecretError
from ordergate.engine.v1 import engine_service_pb2 as engine_pb
from ordergate.engine.v1.engine_service_pb2_grpc import EngineServiceStub

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from gateway.settings import Settings
    from ordergate.engine.v1.engine_service_pb2_grpc import EngineServiceAsyncStub

    ApplyCall = grpc.aio.StreamStreamCall[engine_pb.ApplyRequest, engine_pb.ApplyResponse]
    BooksCall = grpc.aio.UnaryStreamCall[engine_pb.FollowBooksRequest, engine_pb.FollowBooksResponse]

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""Largest message either way: one frame of thousands of commands, each of which may trade with many orders."""
NEVER_MS = 2**31 - 1

CHANNEL_OPTIONS = (
    # Channels with equal target and options would share one connection otherwise.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A channel without calls would go idle after 30 minutes, and the first session on it would pay the handshake.
    ("grpc.client_idle_timeout_ms", NEVER_MS),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A session is not repeated by the transport: the relay decides anew where to go on.
    ("grpc.enable_retries", 0),
)


class EngineChannels:
    """A pool of `size` channels to one engine. Belongs to the event loop that made it; `async with` closes it.

    The stream of the log runs on one channel and moves to the next when it fails; status calls take the others, so
    that they do not wait behind frames and a spare connection is known to work before it is needed.
    """

    def __init__(self, address: str, size: int, credentials: grpc.ChannelCredentials | None = None) -> None:
        assert size >= 1
        self._channels = [_channel(address, credentials) for _ in range(size)]
        self._stubs: list[EngineServiceAsyncStub] = [EngineServiceStub(channel) for channel in self._channels]
        self._active = 0

    @classmethod
    def of(cls, settings: Settings, shard: int, size: int) -> Self:
        """The pool for a shard's engine: `{shard}` in the address stands for its number.

        Raises:
            SecretError: a file of the TLS towards the engine can't be read, or not all three are named.
        """
        return cls(settings.engine.replace("{shard}", str(shard)), size, read_credentials(settings))

    async def __aenter__(self) -> Self:
        for channel in self._channels:
            channel.get_state(try_to_connect=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def apply(self) -> ApplyCall:
        """Opens the stream of the log on the active channel; it fails at once if the engine is away."""
        # The stubs want an iterator of requests, which excludes read() and write().
        return self._stubs[self._active].Apply()  # type: ignore[call-arg]

    def rotate(self) -> None:
        """Takes the next channel for the log from now on."""
        self._active = (self._active + 1) % len(self._stubs)

    async def status(self, *, timeout_s: float, state_hash: bool = False) -> engine_pb.GetStatusResponse:
        """State of the engine, asked for on a spare channel.

        Raises:
            grpc.aio.AioRpcError: the engine is away, or did not answer within `timeout_s` seconds.
        """
        return await self._spare.GetStatus(engine_pb.GetStatusRequest(state_hash=state_hash), timeout=timeout_s)

    async def limits(self, account: str, *, timeout_s: float) -> engine_pb.GetLimitsResponse:
        """Limits in force for an account and what it uses of them, asked for on a spare channel.

        Raises:
            grpc.aio.AioRpcError: the engine is away, or did not answer within `timeout_s` seconds.
        """
        return await self._spare.GetLimits(engine_pb.GetLimitsRequest(account=account), timeout=timeout_s)

    def follow_books(self, symbols: Iterable[str]) -> BooksCall:
        """Opens a stream of these instruments' books on a spare channel; it fails at once if the engine is away."""
        return self._spare.FollowBooks(engine_pb.FollowBooksRequest(symbols=sorted(symbols)))

    @property
    def _spare(self) -> EngineServiceAsyncStub:
        return self._stubs[(self._active + 1) % len(self._stubs)]

    async def answers(self, timeout_s: float) -> bool:
        """True if every channel of the pool gets an answer within `timeout_s` seconds; warms them up."""
        calls = [stub.GetStatus(engine_pb.GetStatusRequest(), timeout=timeout_s) for stub in self._stubs]
        results = await asyncio.gather(*calls, return_exceptions=True)
        return not any(isinstance(result, BaseException) for result in results)

    async def close(self) -> None:
        """Closes all channels; may be called again."""
        for channel in self._channels:
            await channel.close(grace=None)


def read_credentials(settings: Settings) -> grpc.ChannelCredentials | None:
    """TLS towards the engine, or None if none of its files is named.

    Raises:
        SecretError: a file can't be read, or only some of them are named.
    """
    paths = (settings.engine_tls_ca_file, settings.engine_tls_key_file, settings.engine_tls_certificate_file)
    if paths == (None, None, None):
        return None
    if None in paths:
        raise SecretError(
            "TLS towards the engine needs --engine-tls-ca-file, --engine-tls-certificate-file and --engine-tls-key-file"
        )
    try:
        ca, key, certificate = (path.read_bytes() for path in paths if path is not None)
    except OSError as error:
        raise SecretError(f"{error.filename}: {error.strerror}") from None
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
    return grpc.aio.secure_channel(address, credentials, options=CHANNEL_OPTIONS)
