"""An engine that tells books as the test says, and a gateway's market data before it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gateway import rpc
from gateway.auth import issue_token
from gateway.market_data import Books
from gateway.settings import Settings
from gateway.stack.services import ROOT
from gateway.worker import Worker
from ordergate.engine.v1 import engine_service_pb2 as engine_pb
from ordergate.engine.v1.engine_service_pb2_grpc import EngineServiceServicer, add_EngineServiceServicer_to_server
from ordergate.v1 import market_data_service_pb2 as pb
from ordergate.v1.market_data_service_pb2_grpc import MarketDataServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SECRET = b"s" * 32


class BookTeller(EngineServiceServicer):
    """Tells snapshots, and changes as they are made by `change`. For what the real engine never does on demand."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[list[str]] = []
        """Symbols of each stream that was opened."""
        self.open = 0
        self.skip = 0
        """Sequence numbers to leave out before the next change."""
        self._books: dict[str, dict[int, int]] = {}
        self._seqs: dict[str, int] = {}
        self._told: list[tuple[list[str], asyncio.Queue[engine_pb.BookUpdate | None]]] = []
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        add_EngineServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def kill(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    def change(self, symbol: str, ticks: int, lots: int) -> None:
        """Sets one bid."""
        self.change_all(symbol, {ticks: lots})

    def change_all(self, symbol: str, bids: dict[int, int]) -> None:
        """Sets some bids at once."""
        self._seqs[symbol] = seq = self._seqs.get(symbol, 0) + 1 + self.skip
        self.skip = 0
        self._books.setdefault(symbol, {}).update(bids)
        levels = [engine_pb.Level(price_ticks=ticks, quantity_lots=lots) for ticks, lots in bids.items()]
        update = engine_pb.BookUpdate(symbol=symbol, seq=seq, bids=levels, engine_time_ns=seq)
        for symbols, queue in self._told:
            if symbol in symbols:
                queue.put_nowait(update)

    async def FollowBooks(self, request: Any, context: Any) -> AsyncIterator[engine_pb.FollowBooksResponse]:
        symbols = list(request.symbols)
        mine = (symbols, asyncio.Queue())
        self.asked.append(symbols)
        self._told.append(mine)
        self.open += 1
        try:
            yield engine_pb.FollowBooksResponse(updates=[self._snapshot(symbol) for symbol in symbols])
            while True:
                yield engine_pb.FollowBooksResponse(updates=[await mine[1].get()])
        finally:
            self.open -= 1
            self._told.remove(mine)

    def _snapshot(self, symbol: str) -> engine_pb.BookUpdate:
        bids = [engine_pb.Level(price_ticks=t, quantity_lots=q) for t, q in self._books.get(symbol, {}).items() if q]
        seq = self._seqs.setdefault(symbol, 0)
        return engine_pb.BookUpdate(symbol=symbol, seq=seq, snapshot=True, bids=bids, engine_time_ns=seq)


class Market:
    """A worker with market data, and a client's stub."""

    def __init__(self, worker: Worker, stub: MarketDataServiceStub) -> None:
        self.worker = worker
        self.stub = stub

    def follow(self, symbol: str = "ACME", depth: int = 0, ttl_s: float = 60) -> Any:
        token = issue_token(SECRET, subject="test", accounts=["a"], scopes=["read"], ttl_s=ttl_s)
        request = pb.FollowBookRequest(symbol=symbol, depth=depth)
        return self.stub.FollowBook(request, metadata=[("authorization", f"Bearer {token}")])


async def read(call: Any, count: int = 1) -> list[pb.FollowBookResponse]:
    """The next `count` messages."""
    async with asyncio.timeout(10):
        return [await call.read() for _ in range(count)]


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is awaited has no event to wait for)
            await asyncio.sleep(0.005)


@pytest.fixture
async def new_engine(short_path: Path) -> AsyncIterator[Callable[[], BookTeller]]:
    """Makes engines on the one socket; started by the test, ended after it."""
    made: list[BookTeller] = []

    def make() -> BookTeller:
        made.append(BookTeller(f"unix:{short_path}/engine.sock"))
        return made[-1]

    yield make
    for engine in made:
        await engine.kill()


@pytest.fixture
async def engine(new_engine: Callable[[], BookTeller]) -> BookTeller:
    made = new_engine()
    await made.start()
    return made


@pytest.fixture
async def market(redis_url: str, short_path: Path) -> AsyncIterator[Market]:
    (short_path / "secret").write_bytes(SECRET)
    settings = Settings(
        redis_url=redis_url,
        instruments=ROOT / "instruments.toml",
        token_secret_file=short_path / "secret",
        engine=f"unix:{short_path}/engine.sock",
    )
    worker = Worker(settings, "test", durable=True)
    running = asyncio.create_task(worker.run(), name="worker")
    server = grpc.aio.server()
    service = pb.DESCRIPTOR.services_by_name["MarketDataService"]
    books = rpc.server_stream(Books(worker).follow_book, "FollowBook")
    server.add_generic_rpc_handlers((rpc.service_handler(service, {}, server_streams={"FollowBook": books}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # Without this a client's transport holds megabytes that its application has not read.
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.http2.bdp_probe", 0)]) as channel:
        yield Market(worker, MarketDataServiceStub(channel))
    await server.stop(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await worker.redis.aclose()
