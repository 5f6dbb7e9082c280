"""A proxy between two processes, that can cut, delay and hold what passes.

    clients ──▶ Proxy ──▶ upstream        (TCP or unix socket on either side)

With several upstreams each new connection goes to the next one that answers, as behind a load balancer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Address: TypeAlias = Path | tuple[str, int]
"""Path of a unix socket, or host and port."""

_CHUNK_BYTES = 65_536


@dataclass(slots=True)
class _Pair:
    """The two halves of one connection."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter

    def abort(self) -> None:
        """Ends both at once; what was under way is lost."""
        for writer in (self.near, self.far):
            writer.transport.abort()


class Proxy:
    """One link. Belongs to one event loop.

    Args:
        listen: where clients connect; port 0 takes a free one.
        upstreams: where connections go.
    """

    def __init__(self, listen: Address, upstreams: list[Address]) -> None:
        self._listen = listen
        self.upstreams = upstreams
        self._turns = itertools.count()
        self._server: asyncio.Server | None = None
        self._pairs: dict[int, _Pair] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._delay_s = 0.0
        self.connections = 0
        """Connections made so far."""
        self.cuts = 0
        """Connections cut so far."""

    @property
    def port(self) -> int:
        """Port of a TCP listener."""
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    async def start(self) -> None:
        """Begins to listen."""
        if isinstance(self._listen, Path):
            self._listen.parent.mkdir(parents=True, exist_ok=True)
            self._listen.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._accept, self._listen)
        else:
            self._server = await asyncio.start_server(self._accept, *self._listen)

    async def stop(self) -> None:
        """Ends all connections and listens no more."""
        if self._server is not None:
            self._server.close()
        self._abort_all()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """Ends every connection and refuses new ones, until `heal`."""
        self._is_cut = True
        self.cuts += len(self._pairs)
        self._abort_all()

    def delay(self, seconds: float) -> None:
        """Every piece arrives this much later, in both directions, until `heal`."""
        self._delay_s = seconds

    def hold(self) -> None:
        """Nothing passes, and nobody is told, until `heal`: what a dead switch or a half-open connection looks like."""
        self._flowing.clear()

    def heal(self) -> None:
        """Passes everything on, at once."""
        self._is_cut = False
        self._delay_s = 0.0
        self._flowing.set()

    def _abort_all(self) -> None:
        for pair in list(self._pairs.values()):
            pair.abort()

    async def _accept(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve(reader, near)
        except OSError:
            near.transport.abort()
        finally:
            self._serving.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if self._is_cut:
            near.transport.abort()
            return
        far_reader, far = await self._connect()
        pair = _Pair(near, far)
        number = self.connections
        self.connections += 1
        self._pairs[number] = pair
        if self._is_cut:  # while we connected
            pair.abort()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far))
                group.create_task(self._pump(far_reader, near))
        except* OSError:
            pair.abort()
        finally:
            self._pairs.pop(number, None)
            for writer in (near, far):
                writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the next upstream that answers."""
        first = next(self._turns)
        for offset in range(len(self.upstreams)):
            address = self.upstreams[(first + offset) % len(self.upstreams)]
            try:
                if isinstance(address, Path):
                    return await asyncio.open_unix_connection(address)
                return await asyncio.open_connection(*address)
            except OSError:
                continue
        raise ConnectionRefusedError("no upstream answers")

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()
