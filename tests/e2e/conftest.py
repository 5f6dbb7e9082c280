"""One shared stack for all end-to-end tests that kill nothing, and connections to it.

Each test has an account and an instrument of its own, so that no order of another test is in its book.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from ..support.stack import RunningStack, _new_home
from ..support.wire import Wire, connect, new_account
from .probe import SessionProbe, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ..support.gateway import RunningGateway

PINGS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
PINGING_S = 60.0
"""A server with gRPC's own defaults has cut such clients off by then (seen after 50 s)."""

SYMBOLS = [f"S{number:03}" for number in range(300)]
_symbols = itertools.cycle(SYMBOLS)


def new_symbols(count: int) -> list[str]:
    """Instruments that no other test uses: what rests of one test would trade with the next."""
    return list(itertools.islice(_symbols, count))


def instruments_toml() -> str:
    """ACME and `SYMBOLS`, all alike: increment 0.01, lot 1."""
    terms = 'price_increment = "0.01"\nlot_size = "1"\nmax_price = "1000000"\nmax_quantity = "1000000"\n'
    return "\n".join(f'[[instrument]]\nsymbol = "{symbol}"\n{terms}' for symbol in ["ACME", *SYMBOLS])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks all tests of this folder, and moves those that wait for time to pass to its end."""
    folder = Path(__file__).parent
    ours = [item for item in items if folder in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
    late = [item for item in ours if item.path.stem == "test_keepalive"]
    items[:] = [item for item in items if item not in late] + late


@pytest.fixture(scope="session")
def stack(engine_binary: Path) -> Iterator[RunningStack]:
    """A running `ordergate up` with many instruments."""
    home = _new_home()
    path = home / "instruments.toml"
    path.write_text(instruments_toml(), encoding="utf-8")
    running = RunningStack(home, ("--instruments", str(path)), {}, engine_binary)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


class IdleClients(NamedTuple):
    """Two clients that ping every 10 s and do nothing else."""

    session: SessionProbe
    """Of a client with one open stream."""
    silent: Wire
    """A client without a call."""
    states: list[grpc.ChannelConnectivity]
    """States that the silent client's connection went through since it was ready."""
    since: float
    """Monotonic time of their connection."""


@pytest.fixture(scope="session")
async def idle_clients(stack: RunningStack) -> AsyncIterator[IdleClients]:
    """Connected with the shared stack's first test, so that their time passes while other tests run."""
    token = stack.token(new_account())
    async with (
        connect(stack.address, token, *PINGS) as busy,
        connect(stack.address, token, *PINGS) as silent,
        open_session(busy, acks_only=True, heartbeat_interval=Duration(seconds=60)) as session,
    ):
        await silent.channel.channel_ready()
        states = [silent.channel.get_state()]
        watching = asyncio.create_task(_watch_states(silent.channel, states))
        yield IdleClients(session, silent, states, time.monotonic())
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch_states(channel: grpc.aio.Channel, states: list[grpc.ChannelConnectivity]) -> None:
    while True:
        await channel.wait_for_state_change(states[-1])
        states.append(channel.get_state())


@pytest.fixture
def account() -> str:
    """An account of this test's own."""
    return new_account()


@pytest.fixture
def symbol() -> str:
    """An instrument of this test's own."""
    return new_symbols(1)[0]


@pytest.fixture
async def wire(stack: RunningStack, account: str, idle_clients: IdleClients) -> AsyncIterator[Wire]:
    """A connection to the whole stack, with a token for `account`."""
    assert idle_clients.since  # they have connected
    async with connect(stack.address, stack.token(account)) as made:
        yield made


@pytest.fixture
async def other(stack: RunningStack) -> AsyncIterator[Wire]:
    """A connection to the whole stack, with a token for another account."""
    async with connect(stack.address, stack.token(new_account())) as made:
        yield made


@pytest.fixture
async def door(gateway: RunningGateway, account: str) -> AsyncIterator[Wire]:
    """A connection to a gateway without an engine, with a token for `account`."""
    async with connect(gateway.address, gateway.token(account)) as made:
        yield made
