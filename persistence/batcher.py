"""What goes into the next batch, and when. Pure: time comes in as a number, nothing is awaited.

A batch is due once `commands_min` commands wait, or twice as many events, or the oldest has waited `linger_s`; it then
takes all that waits, up to `rows_max` rows. Commands and events are merged in the order of their ids, so that an order
and its events mostly meet in one batch; an event frame waits until its command frame is in the batch or was in an
earlier one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistence.streams import Entry, Position

COMMANDS_SHARE = 4
"""While commands wait, events get at most 1 - 1/4 of a batch: after an outage of the engine its flood of old events
must not keep new orders out. Events are usually 60 % of the rows, so that the limit does not part orders and events."""

EVENTS_PER_COMMAND = 2
"""So many events, rounded up, has a command on the average; with more than that the events make a batch due."""


class Batch(NamedTuple):
    """What one transaction writes."""

    commands: list[Entry]
    events: list[Entry]
    after: Position
    """Offset that the batch goes on from."""
    upto: Position
    """Offset after the batch."""


class Batcher:
    """Queue of entries of one shard between reader and writer."""

    def __init__(self, position: Position, commands_min: int, linger_s: float, rows_max: int) -> None:
        self._commands_min = commands_min
        self._linger_s = linger_s
        self._rows_max = rows_max
        self._position = position
        self._commands: deque[Entry] = deque()
        self._events: deque[Entry] = deque()
        self._rows = [0, 0]
        self._last_command = position.commands
        self._since: float | None = None

    def add(self, commands: Sequence[Entry], events: Sequence[Entry], now: float) -> None:
        """Appends entries, each stream in the order of its ids."""
        self._commands.extend(commands)
        self._events.extend(events)
        self._rows[0] += sum(e.rows for e in commands)
        self._rows[1] += sum(e.rows for e in events)
        if commands:
            self._last_command = commands[-1].id
        if self._since is None and self.takeable:
            self._since = now

    @property
    def takeable(self) -> bool:
        """Whether anything could be taken now; an event whose command was not read yet can't."""
        return bool(self._commands) or (bool(self._events) and self._events[0].id <= self._last_command)

    @property
    def waiting(self) -> tuple[int, int]:
        """Rows that wait, and the time in the id of the oldest, in ms; 0 if there is none."""
        oldest = [queue[0].id.ms for queue in (self._commands, self._events) if queue]
        return sum(self._rows), min(oldest, default=0)

    @property
    def room(self) -> tuple[int, int]:
        """Rows of commands and of events that may still be read: two batches of each wait at most."""
        limit = 2 * self._rows_max
        return max(0, limit - self._rows[0]), max(0, limit - self._rows[1])

    @property
    def full(self) -> bool:
        """Whether a batch of the largest size waits."""
        return self.takeable and sum(self._rows) >= self._rows_max

    def due_in(self, now: float) -> float | None:
        """Seconds until a batch is due, 0 if it is; None if nothing can be taken."""
        if not self.takeable:
            return None
        if max(self._rows[0], self._rows[1] // EVENTS_PER_COMMAND) >= self._commands_min:
            return 0.0
        since = self._since if self._since is not None else now
        return max(0.0, since + self._linger_s - now)

    def take(self, now: float) -> Batch | None:
        """All that waits, up to the bound and at least one entry; None if nothing can be taken."""
        if not self.takeable:
            return None
        after, taken = self._position, 0
        commands: list[Entry] = []
        events: list[Entry] = []
        events_room = self._rows_max - (self._rows_max // COMMANDS_SHARE if self._commands else 0)
        while taken < self._rows_max:
            if self._events and events_room > 0 and self._events[0].id <= self._position.commands:
                entry = self._next_event()
                events.append(entry)
                events_room -= entry.rows
            elif self._commands:
                entry = self._next_command()
                commands.append(entry)
            else:
                break
            taken += entry.rows
        self._since = now if self.takeable else None
        return Batch(commands, events, after, self._position)

    def _next_event(self) -> Entry:
        entry = self._events.popleft()
        self._rows[1] -= entry.rows
        self._position = self._position._replace(events=entry.id)
        return entry

    def _next_command(self) -> Entry:
        entry = self._commands.popleft()
        self._rows[0] -= entry.rows
        self._position = self._position._replace(commands=entry.id)
        return entry
