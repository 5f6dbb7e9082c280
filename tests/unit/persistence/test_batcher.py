"""The batcher, with the clock as a number."""

from __future__ import annotations

import pytest

from persistence.batcher import Batcher
from persistence.streams import ZERO, Entry, LogId, Position

START = Position(ZERO, ZERO)


def entries(*numbers: int, rows: int = 10) -> list[Entry]:
    return [Entry(LogId(n, 0), b"", rows) for n in numbers]


def numbers(found: list[Entry]) -> list[int]:
    return [entry.id.ms for entry in found]


def batcher(linger_s: float = 1.0, rows_max: int = 100, position: Position = START) -> Batcher:
    return Batcher(position, 50, linger_s, rows_max)


@pytest.mark.parametrize(
    ("rows", "waited_s", "due_in"),
    [
        (1, 0.0, 1.0),
        (1, 0.4, 0.6),
        (1, 1.0, 0.0),
        (1, 5.0, 0.0),
        (49, 0.25, 0.75),
        (50, 0.0, 0.0),
        (500, 0.0, 0.0),
    ],
)
def test_due_after_rows_or_linger_whichever_is_first(rows: int, waited_s: float, due_in: float) -> None:
    queue = batcher()
    queue.add(entries(1, rows=rows), [], now=100.0)
    assert queue.due_in(100.0 + waited_s) == pytest.approx(due_in)


@pytest.mark.parametrize(
    ("commands", "events", "due"),
    [(49, 98, False), (50, 0, True), (49, 99, False), (49, 100, True), (1, 99, False), (1, 100, True), (30, 50, False)],
)
def test_an_order_counts_once_and_not_with_its_events_again(commands: int, events: int, due: bool) -> None:
    queue = batcher()
    queue.add(entries(1, rows=commands), entries(1, rows=events) if events else [], now=0.0)
    assert queue.due_in(0.0) == (0.0 if due else 1.0)


def test_linger_counts_from_the_oldest_entry() -> None:
    queue = batcher()
    queue.add(entries(1), [], now=0.0)
    queue.add(entries(2), [], now=0.9)
    assert queue.due_in(0.95) == pytest.approx(0.05)


def test_nothing_is_due_when_nothing_waits() -> None:
    queue = batcher()
    assert queue.due_in(5.0) is None
    assert queue.take(5.0) is None


def test_takes_all_that_waits() -> None:
    queue = batcher()
    queue.add(entries(1, 2, 3), entries(1, 2), now=0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert (numbers(batch.commands), numbers(batch.events)) == ([1, 2, 3], [1, 2])
    assert batch.after == START
    assert batch.upto == Position(LogId(3, 0), LogId(2, 0))
    assert queue.take(0.0) is None


def test_takes_at_most_the_bound_and_goes_on_where_it_stopped() -> None:
    queue = batcher(rows_max=50)
    queue.add(entries(*range(1, 8)), [], now=0.0)
    first, second = queue.take(0.0), queue.take(0.0)
    assert first is not None
    assert second is not None
    assert numbers(first.commands) == [1, 2, 3, 4, 5]
    assert numbers(second.commands) == [6, 7]
    assert second.after == first.upto


def test_an_entry_above_the_bound_is_taken_alone() -> None:
    queue = batcher(rows_max=50)
    queue.add(entries(1, 2, rows=80), [], now=0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert numbers(batch.commands) == [1]


def test_an_order_and_its_events_meet_in_one_batch() -> None:
    queue = batcher(rows_max=60)
    queue.add(entries(1, 2, 3, 4), entries(1, 2, 3, 4), now=0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert (numbers(batch.commands), numbers(batch.events)) == ([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("persisted", "commands", "events", "taken"),
    [
        (0, [], [1], []),
        (0, [1], [1, 2], [1]),
        (0, [1], [2], []),
        (1, [], [1, 2], [1]),
        (5, [], [1, 2, 5, 6], [1, 2, 5]),
        (5, [6], [5, 6, 7], [5, 6]),
    ],
)
def test_events_are_never_ahead_of_their_commands(
    persisted: int, commands: list[int], events: list[int], taken: list[int]
) -> None:
    queue = batcher(position=Position(LogId(persisted, 0), ZERO))
    queue.add(entries(*commands), entries(*events), now=0.0)
    batch = queue.take(0.0)
    assert numbers(batch.events if batch else []) == taken
    assert batch is None or batch.upto.events <= batch.upto.commands


def test_an_event_that_waited_for_its_command_is_taken_with_it() -> None:
    queue = batcher()
    queue.add([], entries(1), now=0.0)
    assert queue.due_in(0.0) is None
    queue.add(entries(1), [], now=3.0)
    assert queue.due_in(3.0) == pytest.approx(1.0)
    batch = queue.take(4.0)
    assert batch is not None
    assert (numbers(batch.commands), numbers(batch.events)) == ([1], [1])


def test_a_flood_of_old_events_leaves_room_for_new_orders() -> None:
    queue = batcher(rows_max=100, position=Position(LogId(50, 0), ZERO))
    queue.add(entries(51, 52, 53, 54), entries(*range(1, 41)), now=0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert len(batch.events) == 8
    assert numbers(batch.commands) == [51, 52]


def test_old_events_take_the_whole_batch_when_no_commands_wait() -> None:
    queue = batcher(rows_max=100, position=Position(LogId(50, 0), ZERO))
    queue.add([], entries(*range(1, 41)), now=0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert len(batch.events) == 10


def test_room_shrinks_per_stream_so_that_one_cannot_starve_the_other() -> None:
    queue = batcher(rows_max=100)
    assert queue.room == (200, 200)
    queue.add(entries(*range(1, 21)), entries(1), now=0.0)
    assert queue.room == (0, 190)
    assert queue.full
    queue.take(0.0)
    assert queue.room == (90, 200)


def test_many_batches_take_every_entry_once_and_in_order() -> None:
    queue = batcher(rows_max=70)
    queue.add(entries(*range(1, 200), rows=7), entries(*range(1, 190), rows=11), now=0.0)
    commands: list[int] = []
    events: list[int] = []
    position = START
    while (batch := queue.take(0.0)) is not None:
        assert batch.after == position
        assert batch.upto.events <= batch.upto.commands
        commands += numbers(batch.commands)
        events += numbers(batch.events)
        position = batch.upto
    assert commands == list(range(1, 200))
    assert events == list(range(1, 190))
