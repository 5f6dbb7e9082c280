"""An engine that keeps the contract of `ordergate.engine.v1` but matches nothing, and whose faults can be chosen.

Its event frame is a digest of all frames so far and their engine times, so that a replay that differs in one byte or
one time shows. For what the real engine never does: falling silent, leaving a frame out, speaking out of turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import TYPE_CHECKING

import grpc

from gateway.relay_window import log_id
from gateway.streams import ZERO, LogId
from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.engine.v1.engine_service_pb2_grpc import EngineServiceServicer, add_EngineServiceServicer_to_server
from ordergate.log.v1.event_frame_pb2 import EventFrame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class ScriptedEngine(EngineServiceServicer):
    """`start`, then `kill`; a new object is a new, empty engine."""

    def __init__(self, socket: Path, digest: str = "", padding: int = 0) -> None:
        self._socket = socket
        self._digest = digest
        self._padding = b"x" * padding
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 << 20)])
        self._state = hashlib.sha256(b"empty")
        self._time_ns = 0
        self._held: dict[LogId, pb.EventEntry] = {}
        self.instance = secrets.token_hex(4)
        self.last_applied = ZERO
        self.last_published = ZERO
        self.epoch = 0
        self.frames = 0
        self.messages = 0
        self.published = ZERO
        self._speaking = asyncio.Event()
        self._speaking.set()
        self.peers: set[str] = set()
        self.leave_out: set[int] = set()
        self.refuse: set[int] = set()
        self.snapshot = ZERO
        """Frame of the snapshot that it says is on disk."""
        self.due_ns: Callable[[], int] = lambda: 0
        """When it says that its next order is due to expire."""

    async def start(self, address: str = "") -> str:
        """Serves, on the unix socket unless told otherwise; its address."""
        self._socket.unlink(missing_ok=True)
        add_EngineServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(address or f"unix:{self._socket}")
        await self._server.start()
        return address.replace(":0", f":{port}") or f"unix:{self._socket}"

    async def kill(self) -> None:
        await self._server.stop(0)

    def hold_again(self, frames: list[tuple[bytes, bytes, bytes]]) -> None:
        """Forgets that these were published: id, frame and engine time of each."""
        for raw_id, frame, time_ns in frames:
            key = LogId.parse(raw_id)
            self._held[key] = pb.EventEntry(id=_message(key), engine_time_ns=int(time_ns), events=1, frame=frame)

    @property
    def time_ns(self) -> int:
        """Engine time."""
        return self._time_ns

    def fall_silent(self) -> None:
        """From now on it answers nothing."""
        self._speaking.clear()

    def speak(self) -> None:
        """Goes on where it fell silent."""
        self._speaking.set()

    @property
    def state_hash(self) -> str:
        return self._state.hexdigest()

    async def GetStatus(self, request, context):
        self.peers.add(context.peer())
        await self._speaking.wait()
        return pb.GetStatusResponse(
            instance=self.instance, state_hash=self.state_hash, epoch=self.epoch, last_snapshot=_message(self.snapshot)
        )

    async def Apply(self, request_iterator, context):
        hello = (await context.read()).hello
        await self._speaking.wait()
        if hello.epoch <= self.epoch or hello.instruments_digest != self._digest:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"epoch {hello.epoch} or digest")
        self.epoch = hello.epoch
        self.last_published = log_id(hello.last_published)
        self._held = {key: entry for key, entry in self._held.items() if key > self.last_published}
        welcome = pb.Welcome(
            last_applied=_message(self.last_applied), engine_version="scripted", instance=self.instance
        )
        await context.write(
            pb.ApplyResponse(welcome=welcome, entries=self._held.values(), next_expiry_ns=self.due_ns())
        )
        while (request := await context.read()) is not grpc.aio.EOF:
            if self.epoch != hello.epoch:
                await context.abort(grpc.StatusCode.ABORTED, "a newer relay is here")
            await self._speaking.wait()
            self.messages += 1
            if request.HasField("published"):
                self.published = log_id(request.published)
                self._held = {key: entry for key, entry in self._held.items() if key > self.published}
            response = pb.ApplyResponse()
            for entry in request.entries:
                await self._apply(entry, response, context)
            if request.entries:
                response.next_expiry_ns = self.due_ns()
                await context.write(response)

    async def _apply(self, entry, response, context):
        if log_id(entry.previous) != self.last_applied:
            await context.abort(grpc.StatusCode.DATA_LOSS, f"gap: {log_id(entry.previous)} is not {self.last_applied}")
        if self.frames in self.refuse:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"frame {log_id(entry.id)} can't be read")
        self._time_ns = max(self._time_ns, entry.engine_time_ns)
        self._state.update(entry.frame + self._time_ns.to_bytes(8, "big"))
        self.last_applied = log_id(entry.id)
        self.frames += 1
        if self.last_applied <= self.last_published:
            response.applied.CopyFrom(entry.id)
        elif self.frames - 1 not in self.leave_out:
            frame = EventFrame(order_ids=self._state.digest() + self._padding).SerializeToString()
            made = pb.EventEntry(id=entry.id, engine_time_ns=self._time_ns, events=1, frame=frame)
            self._held[self.last_applied] = made
            response.entries.append(made)


def _message(entry_id: LogId) -> pb.LogId:
    return pb.LogId(ms=entry_id.ms, seq=entry_id.seq)
