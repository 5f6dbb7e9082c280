"""grpc.health.v1, one status per service.

Not grpcio-health-checking's servicer: that one starts as SERVING, and a watcher that does not read blocks every change
of status (it writes while it holds the lock). Its messages are used.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.rpc import Context

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

QUEUE = "ordergate.queue"
"""Name of the status "acknowledged orders are stored", whether or not the engine is up."""

_ANSWER = {
    s: health_pb2.HealthCheckResponse(status=s).SerializeToString() for s in (SERVING, NOT_SERVING, SERVICE_UNKNOWN)
}


class Health:
    """Statuses by service name and the two RPCs that tell them. Everything starts NOT_SERVING."""

    def __init__(self, services: Iterable[str]) -> None:
        self._status = dict.fromkeys(services, NOT_SERVING)
        self._watchers: set[asyncio.Event] = set()
        self._ended = False

    def status(self, service: str) -> int:
        """Status of a known service."""
        return int(self._status[service])

    def set(self, service: str, serving: bool) -> None:
        """Changes a status; after `end` it stays NOT_SERVING."""
        status = SERVING if serving and not self._ended else NOT_SERVING
        if self._status[service] != status:
            self._status[service] = status
            for watcher in self._watchers:
                watcher.set()

    def end(self) -> None:
        """NOT_SERVING for everything, for good."""
        self._ended = True
        for service in self._status:
            self.set(service, serving=False)

    async def check(self, raw: bytes, context: Context) -> bytes:
        """grpc.health.v1.Health/Check."""
        status = self._status.get(await _service(raw, context))
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return bytes(_ANSWER[status])

    async def watch(self, raw: bytes, context: Context) -> None:
        """grpc.health.v1.Health/Watch: the status now and each change."""
        service = await _service(raw, context)
        changed = asyncio.Event()
        self._watchers.add(changed)
        told: int | None = None
        try:
            while True:
                status = self._status.get(service, SERVICE_UNKNOWN)
                if status != told:
                    told = status
                    await context.write(_ANSWER[status])
                await changed.wait()
                changed.clear()
        finally:
            self._watchers.discard(changed)

    def handler(self) -> grpc.GenericRpcHandler:  # type: ignore[type-arg]
        """To be registered at the server."""
        return grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health",
            {
                "Check": grpc.unary_unary_rpc_method_handler(self.check),
                "Watch": grpc.unary_stream_rpc_method_handler(self.watch),
            },
        )


async def _service(raw: bytes, context: Context) -> str:
    try:
        return str(health_pb2.HealthCheckRequest.FromString(raw).service)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the bytes are not a valid HealthCheckRequest")
