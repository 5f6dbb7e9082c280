"""The connection: channel options, the token on each call, and waiting between attempts."""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or a function that gives the current one; it is asked before every call and every reconnect."""

_KEEPALIVE_MS = 30_000
_KEEPALIVE_TIMEOUT_MS = 10_000
SEND_BYTES_MAX = 1_048_576
"""Largest message that servers take by default."""
_RECEIVE_BYTES_MAX = 16_777_216
"""A busy server may join many events into one message."""

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_send_message_length", SEND_BYTES_MAX),
    ("grpc.max_receive_message_length", _RECEIVE_BYTES_MAX),
    # The SDK waits between attempts itself; the channel's own waiting (up to 120 s) must not add to it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # One TCP connection per client, so that a server with several workers can spread the clients.
    ("grpc.use_local_subchannel_pool", 1),
)

RETRIABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Codes with which a stream may end although a new one can succeed. Every command is idempotent, every stream of events
has a cursor: trying again is always safe."""


def open_channel(
    address: str, tls: bool | grpc.ChannelCredentials, options: Sequence[tuple[str, int | str]]
) -> grpc.aio.Channel:
    """Opens a channel; must be called inside the event loop that will use it.

    Args:
        address: host:port, or unix:path.
        tls: True for TLS with the system's roots, credentials for TLS with those, False for plaintext.
        options: channel arguments that override `OPTIONS`.
    """
    given = {name for name, _ in options}
    merged = [*((name, value) for name, value in OPTIONS if name not in given), *options]
    if tls is False:
        return grpc.aio.insecure_channel(address, merged)
    credentials = grpc.ssl_channel_credentials() if tls is True else tls
    return grpc.aio.secure_channel(address, credentials, merged)


async def metadata_of(token: Token | None) -> tuple[tuple[str, str], ...]:
    """Metadata of one call."""
    if callable(token):
        given = token()
        token = await given if inspect.isawaitable(given) else given
    return (("authorization", f"Bearer {token}"),) if token else ()


class Backoff:
    """Waits between attempts: doubling from 0.1 s to 2 s, with jitter, until the time is up."""

    FIRST_S = 0.1
    LONGEST_S = 2.0

    def __init__(self, give_up_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.reset(give_up_after_s)

    def reset(self, give_up_after_s: float) -> None:
        """Starts anew, after a success."""
        self._patience_s = give_up_after_s
        self._delay_s = self.FIRST_S
        self._since = self._clock()

    def next_delay_s(self, at_least_s: float = 0.0) -> float | None:
        """Seconds to wait before the next attempt; None once the time is up."""
        if self._clock() - self._since >= self._patience_s:
            return None
        delay = self._delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, hides nothing
        self._delay_s = min(self._delay_s * 2, self.LONGEST_S)
        return max(delay, at_least_s)
