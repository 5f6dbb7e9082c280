"""What a session still owes the server: commands not yet sent, and commands sent but not yet acknowledged."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from gateway.client.errors import doubt_ack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from gateway.client.errors import OrdergateError
    from ordergate.v1.command_pb2 import Ack, Command

_COMMANDS_TAG = b"\x12"
"""Field 2 (`commands`) of ordergate.v1.SessionRequest, length-delimited."""

_FRAME_OVERHEAD_BYTES = 1024
"""Room that a frame leaves below the server's largest message."""


_FRAMES_UNDER_WAY = 4
"""Messages that make up a window: while one is acknowledged, others are on their way or in the server's hands."""


class AckBatch:
    """The acks of the commands of one `send_many`, in their order. Await it for the list.

    Raises when awaited:
        OrdergateError: the session ended first; commands without an ack in `acks` have an unknown outcome.
    """

    __slots__ = ("_error", "_future", "_left", "acks")

    def __init__(self, count: int) -> None:
        self.acks: list[Ack | None] = [None] * count
        """Acks so far; None where one is missing."""
        self._left = count
        self._error: OrdergateError | None = None
        self._future: asyncio.Future[None] | None = None

    @property
    def done(self) -> bool:
        """True if nothing more will come."""
        return not self._left or self._error is not None

    def settle(self, index: int, ack: Ack) -> None:
        """Takes one ack."""
        self.acks[index] = ack
        self._left -= 1
        if not self._left:
            self._wake()

    def fail(self, error: OrdergateError) -> None:
        """The acks that are missing will not come."""
        self._error = error
        self._wake()

    def __await__(self) -> Generator[None, None, list[Ack]]:
        if not self.done:
            if self._future is None or self._future.done():
                self._future = asyncio.get_running_loop().create_future()
            yield from self._future.__await__()
        if self._error is not None:
            raise self._error
        return [ack for ack in self.acks if ack is not None]

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class _Owed(NamedTuple):
    """A command that has no ack yet."""

    encoded: bytes
    """As a field of SessionRequest: made once, so that a re-send is the same bytes and costs nothing."""
    batch: AckBatch
    """Who waits for the ack."""
    place: int
    """Index in the batch."""


class Outbox:
    """Commands in the order in which they were given, until each has its ack. No I/O.

    Args:
        window: most commands that are sent and not acknowledged.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self._frame_max = max(window // _FRAMES_UNDER_WAY, 1)
        self.capacity = window + self._frame_max
        """Commands that a patient program leaves here: the window, and a message ready to follow."""
        self.commands_max = 1
        """Most commands in one message, as the server grants."""
        self.bytes_max = 65_536
        """Largest message, as the server grants."""
        self._sole_account = ""
        self._owed: dict[tuple[str, str], _Owed] = {}
        self._unsent: deque[bytes] = deque()
        self._doubtful: set[tuple[str, str]] = set()
        """Commands that were sent over a stream which was lost before their ack."""

    def __len__(self) -> int:
        """Commands without an ack, sent or not."""
        return len(self._owed)

    @property
    def unsent(self) -> int:
        """Commands not yet sent."""
        return len(self._unsent)

    def granted(self, commands_max: int, bytes_max: int, accounts: Sequence[str]) -> None:
        """What the server's Welcome allows; everything without an ack is to be sent (again), in order."""
        self.commands_max = max(commands_max, 1)
        self.bytes_max = bytes_max
        self._sole_account = accounts[0] if len(accounts) == 1 else ""
        sent = len(self._owed) - len(self._unsent)
        self._doubtful.update(islice(self._owed, sent))
        self._unsent = deque(owed.encoded for owed in self._owed.values())

    def add(self, commands: Sequence[Command]) -> AckBatch:
        """Queues commands behind all earlier ones.

        Raises:
            ValueError: a command_id of the same account has no ack yet, or a command is larger than a message may be;
                nothing was queued.
        """
        batch = AckBatch(len(commands))
        added: dict[tuple[str, str], _Owed] = {}
        for index, command in enumerate(commands):
            body = command.SerializeToString()
            length = len(body)
            if length > self.bytes_max - _FRAME_OVERHEAD_BYTES:
                raise ValueError(f"command {command.command_id[:64]!r} has {length} bytes; nothing was sent")
            encoded = (_PREFIXES[length] if length < 1024 else _COMMANDS_TAG + _varint(length)) + body
            added[command.command_id, command.account or self._sole_account] = _Owed(encoded, batch, index)
        if len(added) < len(commands) or not self._owed.keys().isdisjoint(added):
            raise ValueError("a command_id is used twice among the commands that have no ack yet; nothing was sent")
        self._owed.update(added)
        self._unsent.extend([owed.encoded for owed in added.values()])
        return batch

    def take_frame(self) -> bytes:
        """The next message: as many unsent commands as one message and the window have room for; empty if none."""
        unsent = self._unsent
        room = min(self.commands_max, self._frame_max, self.window - (len(self._owed) - len(unsent)), len(unsent))
        parts: list[bytes] = []
        size, limit = 0, self.bytes_max - _FRAME_OVERHEAD_BYTES
        for _ in range(room):
            size += len(unsent[0])
            if size > limit and parts:
                break
            parts.append(unsent.popleft())
        return b"".join(parts)

    def settle(self, acks: Iterable[Ack]) -> None:
        """Takes acks. One that belongs to no command (an ack given twice) changes nothing.

        A refusal of what was sent before over a lost stream says UNKNOWN from here on: that one may have been stored.
        """
        owed, doubtful = self._owed, self._doubtful
        for ack in acks:
            if doubtful and (key := (ack.command_id, ack.account)) in doubtful:
                doubtful.discard(key)
                doubt_ack(ack)
            entry = owed.pop((ack.command_id, ack.account), None) or self._find(ack)
            if entry is not None:
                entry.batch.settle(entry.place, ack)

    def fail(self, error: OrdergateError) -> None:
        """No more acks will come."""
        for batch in {id(entry.batch): entry.batch for entry in self._owed.values()}.values():
            batch.fail(error)
        self._owed.clear()
        self._unsent.clear()
        self._doubtful.clear()

    def _find(self, ack: Ack) -> _Owed | None:
        """The command of an ack whose account the server did not tell, because the command was malformed."""
        for key in self._owed:
            if key[0] == ack.command_id:
                return self._owed.pop(key)
        return None


def _varint(value: int) -> bytes:
    """Length prefix (protobuf encoding, base 128, lowest first)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_PREFIXES = tuple(_COMMANDS_TAG + _varint(length) for length in range(1024))
"""Tag and length of the bodies that occur; looked up, as this is on the path of every command."""
