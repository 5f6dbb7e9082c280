"""What is under way between the log and the events stream: bounded, in order, nothing left out. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.relay_feed import Frame, LogBroken
from gateway.streams import LogId
from gateway.wire import now_ns
from ordergate.engine.v1 import engine_service_pb2 as engine_pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MESSAGE_BYTES_MAX = 1_048_576
"""Bytes of frames in one message to the engine, unless a single frame is larger."""
CONFIRM_FRAMES = 16
"""Publications that are worth a message of their own; fewer go with the next frames."""
PUBLISH_BYTES_MAX = 4_194_304
"""Bytes of event frames in one append, unless a single frame is larger: Redis serves nobody else meanwhile."""
PUBLISH_FRAMES_MAX = 128
"""Event frames in one append."""


def log_id(message: engine_pb.LogId) -> LogId:
    """The id in a message."""
    return LogId(message.ms, message.seq)


@dataclass(slots=True)
class _UnderWay:
    """A frame between the log and the events stream."""

    id: LogId
    size: int
    since: float
    replay: bool


class Stamp:
    """Gives each frame its engine time: the recorded one, or now; never going back."""

    def __init__(self, last_ns: int, clock_ns: Callable[[], int] = now_ns) -> None:
        self._last_ns = last_ns
        self._clock_ns = clock_ns

    @property
    def last_ns(self) -> int:
        """The time given last, in ns since 1970."""
        return self._last_ns

    def entry(self, frame: Frame) -> engine_pb.CommandEntry:
        """The frame as the engine takes it. Call once for each frame, in their order."""
        recorded = frame.time_ns
        self._last_ns = max(self._clock_ns(), self._last_ns) if recorded is None else recorded
        return engine_pb.CommandEntry(
            id=engine_pb.LogId(ms=frame.id.ms, seq=frame.id.seq),
            previous=engine_pb.LogId(ms=frame.previous.ms, seq=frame.previous.seq),
            engine_time_ns=self._last_ns,
            frame=frame.data,
        )


class Window:
    """Frames under way, from their reading to the publication of their events.

        add ─▶ outbox ─▶ next_request ─▶ (engine) ─▶ receive ─▶ inbox ─▶ next_batch ─▶ (Redis) ─▶ settle

    At most `frames_max` frames are in it; at most `bytes_max` bytes of command frames are with the engine, unless a
    single frame is larger. Times are monotonic seconds.
    """

    def __init__(self, frames_max: int, bytes_max: int, published: LogId, applied: LogId, stamp: Stamp) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._stamp = stamp
        self._outbox: deque[Frame] = deque()
        self._inbox: deque[engine_pb.EventEntry] = deque()
        self._under_way: deque[_UnderWay] = deque()
        self._bytes_read = 0
        self._bytes_sent = 0
        self._unconfirmed = 0
        self.sent = applied
        """Last command frame that was given to the engine."""
        self.published = published
        """Last event frame in the events stream."""
        self.applied = applied
        """Last command frame that the engine is known to have applied."""

    def __len__(self) -> int:
        return len(self._under_way)

    def expect(self, held: Iterable[LogId], now: float) -> None:
        """Frames that an earlier session sent: the engine gives their events first."""
        self._under_way.extend(_UnderWay(entry_id, 0, now, replay=False) for entry_id in held)

    def room(self) -> int:
        """How many frames may be added; 0 or less: none."""
        return self._frames_max - len(self._under_way) if self._bytes_read <= self._bytes_max else 0

    def add(self, frames: Sequence[Frame], now: float) -> None:
        """Takes frames that were read from the log, in order."""
        for frame in frames:
            size = len(frame.data)
            self._bytes_read += size
            self._under_way.append(_UnderWay(frame.id, size, now, replay=frame.time_ns is not None))
        self._outbox.extend(frames)

    @property
    def unconfirmed(self) -> int:
        """Published frames that the engine has not been told of."""
        return self._unconfirmed

    @property
    def sent_ns(self) -> int:
        """Engine time of the last frame that was given to the engine."""
        return self._stamp.last_ns

    def next_request(self, *, confirm_from: int = CONFIRM_FRAMES) -> engine_pb.ApplyRequest | None:
        """The next message to the engine; None if there is nothing to say, or no room to say it.

        Without frames to send, `confirm_from` publications make a message.
        """
        entries: list[engine_pb.CommandEntry] = []
        size = 0
        while self._outbox and size < MESSAGE_BYTES_MAX:
            length = len(self._outbox[0].data)
            if self._bytes_sent and self._bytes_sent + length > self._bytes_max:
                break
            self.sent = self._outbox[0].id
            entries.append(self._stamp.entry(self._outbox.popleft()))
            size += length
            self._bytes_read -= length
            self._bytes_sent += length
        if not entries and self._unconfirmed < confirm_from:
            return None
        request = engine_pb.ApplyRequest(entries=entries)
        if self._unconfirmed:
            self._unconfirmed = 0
            request.published.ms, request.published.seq = self.published
        return request

    def receive(self, response: engine_pb.ApplyResponse) -> None:
        """Takes a message of the engine."""
        if response.HasField("applied"):
            self._replayed(log_id(response.applied))
        if response.entries:
            # Events of a frame tell that every replayed frame before it is applied.
            self._replayed(log_id(response.entries[0].id))
            self._inbox.extend(response.entries)

    def next_batch(self) -> Sequence[engine_pb.EventEntry]:
        """The next event frames to publish, which `settle` must follow; empty if there are none.

        Raises:
            LogBroken: the engine left a frame out, or gave one that was not due.
        """
        batch: list[engine_pb.EventEntry] = []
        size = 0
        while self._inbox and len(batch) < PUBLISH_FRAMES_MAX and size < PUBLISH_BYTES_MAX:
            given = log_id(self._inbox[0].id)
            due = self._under_way[len(batch)] if len(batch) < len(self._under_way) else None
            if due is None or due.replay or due.id != given:
                wanted = "none" if due is None else f"those of {due.id}"
                raise LogBroken(f"the engine gave events of frame {given} where {wanted} were due")
            batch.append(self._inbox.popleft())
            size += len(batch[-1].frame)
        return batch

    def settle(self, batch: Sequence[engine_pb.EventEntry]) -> None:
        """The frames of `batch` are published."""
        for _ in batch:
            self._release()
        self._unconfirmed += len(batch)
        self.published = log_id(batch[-1].id)
        self.applied = max(self.applied, self.published)

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest frame under way was read; 0 if there is none."""
        return now - self._under_way[0].since if self._under_way else 0.0

    def _replayed(self, until: LogId) -> None:
        while self._under_way and self._under_way[0].replay and self._under_way[0].id <= until:
            self.applied = max(self.applied, self._under_way[0].id)
            self._release()

    def _release(self) -> None:
        self._bytes_sent -= self._under_way.popleft().size
