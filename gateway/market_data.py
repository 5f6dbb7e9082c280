"""MarketDataService.FollowBook: one instrument's depth, down to what the client asks for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway import errors
from gateway.rpc import parse
from ordergate.v1 import market_data_service_pb2 as pb

if TYPE_CHECKING:
    from gateway.auth import Principal
    from gateway.book_desk import BookStream
    from gateway.rpc import Context
    from gateway.worker import Worker

OPEN_TIMEOUT_S = 2.0
"""A client gets its first snapshot within this time, or UNAVAILABLE."""


class Books:
    """Servicer of FollowBook."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def follow_book(self, raw: bytes, context: Context) -> None:
        """One stream, until the client cancels it, its token ends or this worker drains. Any valid token.

        Raises:
            OrdergateError: the request is refused, or why the stream ends.
        """
        worker = self._worker
        if worker.draining.is_set():
            raise errors.Draining
        principal = worker.authenticator.authenticate(context)
        request = parse(pb.FollowBookRequest, raw)
        if not request.symbol:
            raise errors.InvalidField("symbol", "symbol is needed")
        instrument = worker.instruments.by_symbol.get(request.symbol)
        if instrument is None:
            raise errors.NoSuchBook("symbol", f"no instrument {request.symbol[:64]!r}; ListInstruments names them")
        desk = worker.books[instrument.shard]
        stream = desk.follow(request.symbol, request.depth)
        try:
            await _write(context, stream, principal)
        finally:
            desk.leave(stream)


async def _write(context: Context, stream: BookStream, principal: Principal) -> None:
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            first = await stream.next()
    except TimeoutError:
        raise errors.Unavailable("the engine does not tell its book now") from None
    await context.write(first)
    opened_at = time.time()
    while (end := principal.ended(opened_at, time.time())) is None:
        try:
            async with asyncio.timeout(principal.ends_at(opened_at) - time.time()):
                message = await stream.next()
        except TimeoutError:
            continue
        await context.write(message)
    raise end
