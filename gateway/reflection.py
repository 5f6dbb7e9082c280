"""Server reflection, v1 and v1alpha.

grpcio-reflection has the servicer for v1alpha only; the messages of v1 are the same, and newer clients ask for it
first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import ReflectionServicer

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class _Symbols:
    """The default descriptor pool, which also finds the file of a method: protobuf's own knows types and services only.

    ghz and `grpcurl describe` ask for methods by their full name.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(descriptor_pool.Default(), name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:
        """See DescriptorPool.

        Raises:
            KeyError: there is no such symbol.
        """
        pool = descriptor_pool.Default()
        try:
            return pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            if method not in pool.FindServiceByName(service).methods_by_name:
                raise
            return pool.FindFileContainingSymbol(service)


def handlers(services: Sequence[str]) -> list[grpc.GenericRpcHandler[Any, Any]]:
    """Both versions of the reflection service, telling of `services` and of themselves."""
    servicer = ReflectionServicer(service_names=[*services, *NAMES], pool=_Symbols())
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}) for name in NAMES]
