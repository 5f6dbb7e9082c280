"""Registration of RPCs: requests and responses are bytes, parsed and made here or in the handler itself.

Bytes on both sides, because a response may hold bytes that the engine made (events) or that were joined from
parts (acks), and because a request that is no valid message must get a typed answer, which grpc's own deserializer
can't give.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from gateway import errors
from gateway.worker_metrics import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.descriptor import ServiceDescriptor

    from gateway.auth import Authenticator, Principal

    Context = grpc.aio.ServicerContext[bytes, bytes]
    StreamHandler = Callable[[Context], Awaitable[None]]
    """A stream in reader/writer style; an OrdergateError that it raises is the status that the stream ends with."""
    UnaryHandler = Callable[[bytes, Context], Awaitable[bytes]]

_log = structlog.get_logger(__name__)
Request = TypeVar("Request", bound=Message)


def parse(kind: type[Request], raw: bytes) -> Request:
    """The message in `raw`.

    Raises:
        InvalidField: the bytes are no such message, for example because a text is not UTF-8.
    """
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        name = kind.DESCRIPTOR.name
        raise errors.InvalidField(name, f"the bytes are not a valid {name}: {error}"[:200]) from None


def internal(error: BaseException, where: str) -> errors.Internal:
    """A defect: logged in full, told in brief under an id to quote."""
    incident = uuid.uuid4().hex[:12]
    _log.error("defect", where=where, incident=incident, exc_info=error)
    return errors.Internal(f"internal error {incident}")


def unary(
    handle: Callable[[Request, Principal], Awaitable[Message | bytes]],
    kind: type[Request],
    authenticator: Authenticator,
) -> UnaryHandler:
    """A unary RPC: authenticates, parses, and turns what `handle` raises into a status.

    What `handle` returns as bytes is the response as on the wire.
    """

    async def call(raw: bytes, context: Context) -> bytes:
        try:
            principal = authenticator.authenticate(context)
            response = await handle(parse(kind, raw), principal)
            return response if isinstance(response, bytes) else response.SerializeToString()
        except errors.OrdergateError as error:
            refusal = error
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where the unknown becomes INTERNAL
            refusal = internal(error, kind.DESCRIPTOR.name)
        return await errors.abort(context, refusal)

    return call


def stream(handle: StreamHandler, name: str) -> StreamHandler:
    """A streaming RPC: turns what `handle` raises into a status."""

    async def call(context: Context) -> None:
        try:
            await handle(context)
        except errors.OrdergateError as error:
            await errors.abort(context, error)
        except asyncio.CancelledError:
            raise
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            return  # the client is gone; there is nobody to tell
        except Exception as error:  # noqa: BLE001 - as above
            if not context.done():
                await errors.abort(context, internal(error, name))

    return call


def server_stream(handle: Callable[[bytes, Context], Awaitable[None]], name: str) -> Any:
    """A server-streaming RPC in writer style; errors as `stream`."""

    async def call(raw: bytes, context: Context) -> None:
        async def run(inner: Context) -> None:
            await handle(raw, inner)

        await stream(run, name)(context)

    return call


def unimplemented(service: str, method: str) -> UnaryHandler:
    """Answers UNIMPLEMENTED by name."""

    async def call(_: bytes, context: Context) -> bytes:
        await errors.abort(context, errors.Unimplemented("", f"{service}/{method} is not built yet"))

    return call


def service_handler(
    descriptor: ServiceDescriptor,
    unary_calls: Mapping[str, UnaryHandler],
    bidi_streams: Mapping[str, StreamHandler] | None = None,
    server_streams: Mapping[str, Any] | None = None,
) -> grpc.GenericRpcHandler[Any, Any]:
    """All methods of a service; those that nobody handles answer UNIMPLEMENTED by name."""
    bidi, server = dict(bidi_streams or {}), dict(server_streams or {})
    handlers: dict[str, Any] = {}
    for method in descriptor.methods:
        name = method.name
        place = (descriptor.full_name, name)
        if name in bidi:
            call = counted(bidi.pop(name), "bidi_stream", *place)
            handlers[name] = grpc.stream_stream_rpc_method_handler(_bidi(call))
        elif name in server:
            call = counted(server.pop(name), "server_stream", *place)
            handlers[name] = grpc.unary_stream_rpc_method_handler(call)
        elif name in unary_calls:
            handlers[name] = grpc.unary_unary_rpc_method_handler(counted(unary_calls[name], "unary", *place))
        elif method.server_streaming:
            handlers[name] = grpc.unary_stream_rpc_method_handler(unimplemented(descriptor.name, name))
        else:
            handlers[name] = grpc.unary_unary_rpc_method_handler(unimplemented(descriptor.name, name))
    unknown = {*bidi, *server, *unary_calls} - set(handlers)
    assert not unknown, f"{descriptor.full_name} has no {unknown}"
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _bidi(handle: StreamHandler) -> Any:
    async def call(_: Any, context: Context) -> None:
        await handle(context)

    return call
