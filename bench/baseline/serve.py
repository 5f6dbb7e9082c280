"""Life of a server of the bench: one process, one event loop, with the gateway's own server options."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import grpc
import uvloop

from gateway.server import server_options
from gateway.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Handlers = tuple[grpc.GenericRpcHandler, ...]


def serve(listen: str, handlers: Callable[[], AbstractAsyncContextManager[Handlers]]) -> None:
    """Serves on `listen` until SIGTERM or SIGINT, and prints `ready` once it does.

    Args:
        listen: host:port.
        handlers: gives the RPCs, within the event loop; left at the end.
    """
    uvloop.run(_serve(listen, handlers))


async def _serve(listen: str, handlers: Callable[[], AbstractAsyncContextManager[Handlers]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with handlers() as found:
        server = grpc.aio.server(options=server_options(Settings(), shared_port=False))
        server.add_generic_rpc_handlers(found)
        server.add_insecure_port(listen)
        await server.start()
        print("ready", flush=True)
        await stop.wait()
        await server.stop(0.5)


def order_entry(**methods: Callable[..., Awaitable[object]]) -> grpc.GenericRpcHandler:
    """OrderEntryService with the given methods, bytes in and bytes out: Submit (unary), Session (bidi)."""
    makers = {"Submit": grpc.unary_unary_rpc_method_handler, "Session": grpc.stream_stream_rpc_method_handler}
    return grpc.method_handlers_generic_handler(
        "ordergate.v1.OrderEntryService", {name: makers[name](method) for name, method in methods.items()}
    )
