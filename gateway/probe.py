"""One question to grpc.health.v1, with as few imports as can be: it runs every few seconds."""

from __future__ import annotations

import grpc

_SERVING = b"\x08\x01"
"""HealthCheckResponse{status: SERVING}; anything else is not."""


def probe(address: str, service: str, timeout_s: float, ca: bytes | None = None) -> tuple[int, str]:
    """Exit status (that of grpc_health_probe) and one line for people.

    Args:
        address: host:port.
        service: name of a service, or "" for the process.
        timeout_s: for connecting, and for the call.
        ca: certificate (PEM) to trust; None: no TLS.
    """
    with _channel(address, ca) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=timeout_s)
        except grpc.FutureTimeoutError:
            return 2, f"no gRPC server at {address} within {timeout_s:g} s"
        name = service.encode()
        request = bytes((0x0A, len(name))) + name if name else b""
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        try:
            answer = check(request, timeout=timeout_s)
        except grpc.RpcError as error:
            return 3, f"{service or 'server'}: {error.code().name}: {error.details()}"
    if answer == _SERVING:
        return 0, "SERVING"
    return 4, "NOT_SERVING"


def _channel(address: str, ca: bytes | None) -> grpc.Channel:
    if ca is None:
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca))
