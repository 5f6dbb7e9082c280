"""The baseline's line to the matching engine: one stream, a frame for each order, many under way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from gateway.engine import EngineChannels
from gateway.relay_session import PROTOCOL
from gateway.wire import command_frame, now_ns
from ordergate.engine.v1 import engine_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.wire import Prepared


class EngineLine:
    """Applies orders one by one. What waits while a message is being written goes with the next."""

    def __init__(self, channels: EngineChannels) -> None:
        self._call = channels.apply()
        self._waiting: list[bytes] = []
        self._answers: list[asyncio.Future[bytes]] = []
        self._wake = asyncio.Event()
        self._sent = 0
        self._answered = 0

    async def open(self, digest: str) -> None:
        """Shakes hands with an engine that has seen nothing yet."""
        hello = pb.Hello(
            protocol=PROTOCOL, epoch=1, instruments_digest=digest, last_published=pb.LogId(), relay="bench"
        )
        await self._call.write(pb.ApplyRequest(hello=hello))
        await self._call.read()

    async def apply(self, command: Prepared) -> bytes:
        """The event frame that the engine answers with."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(command_frame([command], now_ns(), "baseline"))
        self._answers.append(answer)
        self._wake.set()
        return await answer

    async def write(self) -> None:
        """Sends what waits, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            frames, self._waiting = self._waiting, []
            entries = []
            for frame in frames:
                previous, self._sent = self._sent, self._sent + 1
                now = time.time_ns()
                ids = {"id": pb.LogId(ms=self._sent), "previous": pb.LogId(ms=previous)}
                entries.append(pb.CommandEntry(engine_time_ns=now, frame=frame, **ids))
            if entries:
                await self._call.write(pb.ApplyRequest(entries=entries, published=pb.LogId(ms=self._answered)))

    async def read(self) -> None:
        """Hands out the answers, for ever; they come in the order of the frames."""
        while isinstance(response := await self._call.read(), pb.ApplyResponse):
            answers, self._answers = self._answers[: len(response.entries)], self._answers[len(response.entries) :]
            self._answered += len(answers)
            for answer, entry in zip(answers, response.entries, strict=True):
                if not answer.done():
                    answer.set_result(entry.frame)
        raise ConnectionError("the engine ended the stream")


@contextlib.asynccontextmanager
async def engine_line(address: str, digest: str) -> AsyncIterator[EngineLine]:
    """A line to the engine at `address`, which must be new."""
    async with EngineChannels(address, 1) as channels:
        line = EngineLine(channels)
        await line.open(digest)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(line.write(), name="write"), group.create_task(line.read(), name="read")]
            yield line
            for task in tasks:
                task.cancel()
