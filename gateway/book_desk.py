"""The worker's one stream of books from a shard's engine, and everybody who follows one of them.

The stream is open while anybody follows, and carries the instruments that are followed. When one joins them, it is
opened anew; what the engine's new snapshots tell reaches those who followed before as changes. When the engine is away,
they wait: after its return each gets a new snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import grpc
import structlog

from gateway.books import Book, BookLost, View
from gateway.wire import varint
from ordergate.engine.v1 import engine_service_pb2 as engine_pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.engine import BooksCall, EngineChannels
    from gateway.errors import OrdergateError
    from gateway.instruments import Instrument

log = structlog.get_logger(__name__)

BUFFER_BYTES = 262_144
"""Changes held for one reader; with more than that, the book itself is shorter to send."""
RETRY_S = (0.05, 1.0)
GATHER_S = 0.01
"""Followers that come together are served by one new stream."""

_SEQ = b"\x08"
"""Tag of FollowBookResponse.seq."""


class BookStream:
    """What one client is still to be sent of a book: a snapshot, then changes, or a snapshot again if it is slow.

    Attributes:
        shared: the book.
        depth: levels of each side; 0: all.
    """

    def __init__(self, shared: SharedBook, depth: int) -> None:
        self.shared = shared
        self.depth = depth
        self._changes: deque[bytes] = deque()
        self._bytes = 0
        self._fresh = True
        self._seq = 0
        self._wake = asyncio.Event()
        self._end: OrdergateError | None = None

    async def next(self) -> bytes:
        """The next FollowBookResponse.

        Raises:
            OrdergateError: the stream was ended with it.
        """
        while True:
            if self._end is not None:
                raise self._end
            if message := self._take():
                return message
            self._wake.clear()
            await self._wake.wait()

    def restart(self) -> None:
        """The next message is a snapshot, whatever is held."""
        self._changes.clear()
        self._bytes = 0
        self._fresh = True
        self._wake.set()

    def offer(self, change: bytes) -> None:
        """Takes a change; what does not fit the buffer is replaced by a snapshot, so a slow reader delays nobody."""
        if self._fresh:
            self._wake.set()  # the snapshot to come has it
        elif change:
            self._bytes += len(change)
            self._changes.append(change)
            self._wake.set()
            if self._bytes > BUFFER_BYTES:
                self.restart()

    def end(self, error: OrdergateError) -> None:
        """`next` raises this from now on."""
        self._end = error
        self._wake.set()

    def _take(self) -> bytes:
        if self._fresh:
            if not self.shared.book.known:
                return b""
            self._fresh = False
            self._seq = 0
            body = self.shared.view(self.depth).snapshot()
        elif self._changes:
            body = self._changes.popleft()
            self._bytes -= len(body)
        else:
            return b""
        self._seq += 1
        return _SEQ + varint(self._seq) + body


class SharedBook:
    """One book, its views and its streams."""

    def __init__(self, instrument: Instrument) -> None:
        self.book = Book(instrument)
        self.streams: set[BookStream] = set()
        self._views: dict[int, View] = {}

    def view(self, depth: int) -> View:
        """The view that all streams of this depth share."""
        view = self._views.get(depth)
        if view is None:
            view = self._views[depth] = View(self.book, depth)
        return view

    def apply(self, update: engine_pb.BookUpdate) -> None:
        """Takes an update and hands it to the streams."""
        was_known = self.book.known
        changes = self.book.apply(update)
        told = {depth: view.change(*changes) for depth, view in self._views.items()}
        for stream in self.streams:
            if was_known:
                stream.offer(told.get(stream.depth, b""))
            else:
                stream.restart()

    def leave(self, stream: BookStream) -> None:
        """Hands nothing more to this stream."""
        self.streams.discard(stream)
        if all(other.depth != stream.depth for other in self.streams):
            self._views.pop(stream.depth, None)


class BookDesk:
    """Books of one shard. `run` must be running for anything to arrive; everything belongs to its event loop."""

    def __init__(self, shard: int, channels: EngineChannels, instruments: Mapping[str, Instrument]) -> None:
        self._shard = shard
        self._channels = channels
        self._instruments = instruments
        self._books: dict[str, SharedBook] = {}
        self._carried: frozenset[str] = frozenset()
        """Instruments of the stream that is open."""
        self._changed = asyncio.Event()
        """Somebody follows what the stream does not carry, or nobody follows anything."""
        self._pause_s = RETRY_S[0]

    def follow(self, symbol: str, depth: int) -> BookStream:
        """A stream of this instrument's book; `leave` it when it is over.

        Args:
            symbol: a known one.
            depth: levels of each side; 0: all.
        """
        shared = self._books.get(symbol)
        if shared is None:
            shared = self._books[symbol] = SharedBook(self._instruments[symbol])
        stream = BookStream(shared, depth)
        shared.streams.add(stream)
        if symbol not in self._carried:
            self._changed.set()
        return stream

    def leave(self, stream: BookStream) -> None:
        """Hands nothing more to this stream."""
        stream.shared.leave(stream)
        if not self.streams:
            self._changed.set()

    @property
    def streams(self) -> int:
        """How many follow."""
        return sum(len(shared.streams) for shared in self._books.values())

    @property
    def carried(self) -> frozenset[str]:
        """Instruments that the engine tells of now."""
        return self._carried

    def end(self, error: OrdergateError) -> None:
        """Ends every stream with this error."""
        for shared in self._books.values():
            for stream in shared.streams:
                stream.end(error)

    async def run(self) -> None:
        """Reads books for as long as somebody follows one, until canceled."""
        while True:
            await asyncio.sleep(GATHER_S)
            self._changed.clear()
            self._books = {symbol: shared for symbol, shared in self._books.items() if shared.streams}
            if not self._books:
                await self._changed.wait()
                continue
            try:
                await self._serve(frozenset(self._books))
            except (grpc.RpcError, BookLost) as error:
                self._lose(error)
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, RETRY_S[1])

    async def _serve(self, symbols: frozenset[str]) -> None:
        """One stream of the engine, until it has to carry something else.

        Raises:
            grpc.RpcError, BookLost: it broke.
        """
        self._carried = symbols
        call = self._channels.follow_books(symbols)
        reading = asyncio.create_task(self._pump(call), name=f"books-{self._shard}-read")
        changed = asyncio.create_task(self._changed.wait(), name=f"books-{self._shard}-changed")
        try:
            await asyncio.wait({reading, changed}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            self._carried = frozenset()
            for task in (reading, changed):
                task.cancel()
            call.cancel()
            await asyncio.gather(reading, changed, return_exceptions=True)

    async def _pump(self, call: BooksCall) -> None:
        while isinstance(response := await call.read(), engine_pb.FollowBooksResponse):
            self._pause_s = RETRY_S[0]
            for update in response.updates:
                if shared := self._books.get(update.symbol):
                    shared.apply(update)
        raise BookLost("the engine ended the stream")

    def _lose(self, error: grpc.RpcError | BookLost) -> None:
        reason = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.aio.AioRpcError) else str(error)
        if any(shared.book.known for shared in self._books.values()):
            log.warning("books are lost until the engine tells them again", shard=self._shard, reason=reason[:200])
        for shared in self._books.values():
            shared.book.forget()
