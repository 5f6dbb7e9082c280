"""Every method of every service is served, and needs a token."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from ordergate.v1 import (
    admin_service_pb2,
    market_data_service_pb2,
    order_entry_service_pb2,
    order_events_service_pb2,
    order_query_service_pb2,
)

from ..support.gateway import RunningGateway
from ..support.wire import connect, refusal_of_rpc

FILES = (
    admin_service_pb2,
    market_data_service_pb2,
    order_entry_service_pb2,
    order_events_service_pb2,
    order_query_service_pb2,
)
SERVICES = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
METHODS = [method for service in SERVICES for method in service.methods]
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def short(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}/{method.name}"


def path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


@pytest.mark.parametrize("method", METHODS, ids=short)
async def test_a_method_needs_a_token(method: MethodDescriptor, gateway: RunningGateway) -> None:
    async with connect(gateway.address, "") as wire:
        if method.client_streaming:
            call = wire.channel.stream_stream(path(method))(timeout=30)
        elif method.server_streaming:
            call = wire.channel.unary_stream(path(method))(b"", timeout=30)
        else:
            call = wire.channel.unary_unary(path(method))(b"", timeout=30)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (call.read() if method.client_streaming or method.server_streaming else call)
    assert refusal_of_rpc(caught.value).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize("service", REFLECTION)
async def test_reflection_lists_every_service(service: str, gateway: RunningGateway) -> None:
    async with connect(gateway.address, "") as wire:
        call = wire.channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(timeout=30)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = (await call.read()).list_services_response.service
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="ordergate.v1.Command"))
        files = (await call.read()).file_descriptor_response.file_descriptor_proto
        await call.done_writing()
    assert {s.name for s in listed} == {s.full_name for s in SERVICES} | {"grpc.health.v1.Health", *REFLECTION}
    assert files


@pytest.mark.parametrize("service", ["", "ordergate.queue", *(s.full_name for s in SERVICES)])
async def test_every_service_has_a_health_status(service: str, gateway: RunningGateway) -> None:
    async with connect(gateway.address, "") as wire:
        request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        answer = health_pb2.HealthCheckResponse.FromString(await wire.raw("/grpc.health.v1.Health/Check", request))
    waits_for_engine = service.endswith(("OrderEntryService", "OrderEventsService"))
    assert answer.status == (answer.NOT_SERVING if waits_for_engine else answer.SERVING)
