"""Clients that ping every 10 s, with and without a call, are not cut off.

A server with gRPC's own defaults cuts them off after 50 s. The clients connect when the first of these tests or of the
tests that use `idle_clients` begins, and are looked at when as much time has passed; the rest of the suite goes on
meanwhile.
"""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from ordergate.v1 import command_pb2

from ..support.wire import limit_order
from .conftest import PINGING_S, IdleClients


@pytest.mark.timeout(180)
async def test_clients_that_ping_without_calls_are_not_cut_off(idle_clients: IdleClients) -> None:
    clients = idle_clients
    await asyncio.sleep(max(0.0, PINGING_S - (time.monotonic() - clients.since)))
    assert clients.session.ended is None, clients.session
    assert clients.states == [grpc.ChannelConnectivity.READY], "the connection was lost"
    ack = await clients.silent.submit(limit_order(limit_price="1.00"))
    assert ack.level == command_pb2.ACK_LEVEL_QUEUED
    await clients.session.send(ping=True)
    await clients.session.until(lambda: clients.session.heartbeats)
