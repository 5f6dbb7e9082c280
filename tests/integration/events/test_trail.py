"""A command is found by its id wherever it is, and never called unseen before everything was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway import fate
from gateway.database import Database
from gateway.errors import UNKNOWN, Unavailable
from gateway.fate import Trace
from gateway.history import AccountHistory
from gateway.ids import order_key
from gateway.rows import CANCEL_ORDER, FENCE, MASS_CANCEL, NEW_ORDER
from gateway.streams import LogId
from gateway.tail import TailIndex
from gateway.trail import CLOCK_SLACK_MS, Found, Trail
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.v1 import event_pb2, failure_pb2

from ...unit.events.builder import ACCEPTED, CANCEL_REJECTED, DUPLICATE, MASS_CANCEL_DONE, NOW_NS, Told, command_frame
from .conftest import Archive, Persister, Shard
from .reader import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration

FENCED = event_pb2.EVENT_KIND_FENCED
REFUSED = event_pb2.EVENT_KIND_COMMAND_REJECTED
BY_FENCE, TOO_LATE = failure_pb2.REASON_FENCED, failure_pb2.REASON_TOO_LATE
ZERO = LogId(0, 0)


def frame_of(*commands: tuple[int, str]) -> log.CommandFrame:
    """Commands of the account `a`: (kind, command_id)."""
    orders = [("a", name) for kind, name in commands if kind == NEW_ORDER]
    frame = command_frame(*orders)
    kinds = [kind for kind, _ in commands]
    frame.accounts[:] = ["a"]
    frame.kinds = bytes(kinds)
    frame.keys = b"".join(order_key("a", name) for _, name in commands)
    frame.command_ids[:] = [name for _, name in commands]
    frame.account_index[:] = [0] * len(commands)
    frame.age_us[:] = [7] * len(commands)
    frame.targets = bytes(16) * kinds.count(CANCEL_ORDER)
    for _ in range(kinds.count(MASS_CANCEL)):
        frame.mass_cancels.add()
    return frame


def told(name: str, kind: int, command: int, reason: int = 0) -> Told:
    """The answer to a command that is about no order, or (ACCEPTED) enters one."""
    details = event_pb2.OrderEvent(command_id=name)
    order = name if kind in {ACCEPTED, DUPLICATE} else ""
    return Told("a", order, kind, command, reason=reason, answers=True, details=details)


class Log:
    """The log of a shard, with a trail over it."""

    def __init__(self, shard: Shard, archive: Archive) -> None:
        self.shard = shard
        self.archive = archive

    async def append(self, *commands: tuple[int, str], answers: list[Told] | None = None) -> LogId:
        """A command frame, and the engine's answer to it if there is one."""
        place = LogId(self.shard.last.ms + 1, 0)
        raw = frame_of(*commands).SerializeToString()
        await self.shard.redis.xadd(self.shard.keys.commands, {"f": raw, "n": str(len(commands))}, id=str(place))
        self.shard.last = LogId(place.ms - 1, 0)
        if answers is not None:
            await self.shard.publish(*answers)
        self.shard.last = place
        return place

    async def find(self, name: str, *, account: str = "a", since_ms: int = 0, dsn: str | None = None) -> Found:
        database = Database(dsn) if dsn is not None else self.archive.database
        tails, histories = [TailIndex(0, self.shard.redis)], [AccountHistory(0, database)]
        trail = Trail(tails, self.shard.redis, database, histories)
        return await trail.find(account, name, order_key(account, name), since_ms)


@pytest.fixture
def trail(shard: Shard, archive: Archive) -> Log:
    return Log(shard, archive)


async def _written(trail: Log, persister: Persister) -> None:
    await persister.write(trail.shard.last, trail.shard.last)
    await trail.shard.redis.xtrim(trail.shard.keys.commands, maxlen=0, approximate=False)
    await trail.shard.redis.xtrim(trail.shard.keys.events, maxlen=0, approximate=False)


def _facts(trace: Trace | None) -> tuple[LogId, int, int, int, bool] | None:
    if trace is None or trace.verdict is None:
        return None
    return trace.place, trace.index, trace.verdict.kind, trace.verdict.reason, trace.persisted


async def test_every_kind_is_found_in_redis_and_in_postgres_alike(trail: Log, persister: Persister) -> None:
    commands = [(CANCEL_ORDER, "c"), (NEW_ORDER, "n"), (MASS_CANCEL, "m"), (FENCE, "f"), (NEW_ORDER, "f")]
    answers = [
        told("c", CANCEL_REJECTED, 0, TOO_LATE),
        told("n", ACCEPTED, 1),
        told("m", MASS_CANCEL_DONE, 2),
        told("f", FENCED, 3),
        told("f", REFUSED, 4, BY_FENCE),
    ]
    place = await trail.append(*commands, answers=answers)
    repeat = [told("n", DUPLICATE, 0), told("c", DUPLICATE, 1)]
    repeat[1].order = ""
    await trail.append((NEW_ORDER, "n"), (CANCEL_ORDER, "c"), answers=repeat)
    expected = {
        "c": (place, 0, CANCEL_REJECTED, TOO_LATE),
        "n": (place, 1, ACCEPTED, 0),
        "m": (place, 2, MASS_CANCEL_DONE, 0),
        "f": (place, 3, FENCED, 0),
    }
    for persisted in (False, True):
        for name, facts in expected.items():
            found = await trail.find(name)
            assert _facts(found.decided) == (*facts, persisted), name
            assert fate.ack_of(found.decided).queued_at.ToNanoseconds() == NOW_NS  # type: ignore[arg-type]
        assert await trail.find("never") == (None, None, None, [])
        assert await trail.find("c", account="b") == (None, None, None, [])
        if not persisted:
            await _written(trail, persister)


async def test_what_the_engine_has_not_told_is_stored_wherever_it_is(trail: Log, persister: Persister) -> None:
    place = await trail.append((NEW_ORDER, "n"), (CANCEL_ORDER, "c"), (FENCE, "f"))
    for written in (ZERO, place):
        await persister.write(written, ZERO)
        for index, name in enumerate("nc"):
            found = await trail.find(name)
            assert (found.decided, found.stored.place, found.stored.index) == (None, place, index)  # type: ignore[union-attr]
        under_way = await trail.find("f")
        assert (under_way.decided, under_way.stored) == (None, None)
        assert [(t.place, t.index) for t in under_way.fences] == [(place, 2)]


async def test_a_repeat_in_the_tail_leads_to_the_command_in_postgres(trail: Log, persister: Persister) -> None:
    place = await trail.append((CANCEL_ORDER, "c"), answers=[told("c", CANCEL_REJECTED, 0, TOO_LATE)])
    await _written(trail, persister)
    again = told("c", DUPLICATE, 0)
    again.order = ""
    await trail.append((CANCEL_ORDER, "c"), answers=[again])
    found = await trail.find("c")
    assert _facts(found.decided) == (place, 0, CANCEL_REJECTED, TOO_LATE, True)


@pytest.mark.parametrize(
    ("spoil", "since_ms", "sure"),
    [
        (lambda _: "", 0, True),
        (lambda last: f"DELETE FROM account_events WHERE last_seq < {last}", 0, False),
        (lambda last: f"DELETE FROM account_events WHERE last_seq < {last}", 2_000 + CLOCK_SLACK_MS, True),
    ],
)
async def test_nothing_is_called_unseen_while_events_are_missing(
    trail: Log, persister: Persister, spoil: Callable[[int], str], since_ms: int, sure: bool
) -> None:
    for name in "xyz":
        await trail.append((MASS_CANCEL, name), answers=[told(name, MASS_CANCEL_DONE, 0)])
    await _written(trail, persister)
    if statement := spoil(trail.shard.log.seqs["a"]):
        await trail.archive.connection.execute(statement)
    if sure:
        assert await trail.find("never", since_ms=since_ms) == (None, None, None, [])
        return
    with pytest.raises(Unavailable) as caught:
        await trail.find("never", since_ms=since_ms)
    assert caught.value.disposition == UNKNOWN


async def test_without_postgres_only_what_the_tail_tells_is_told(trail: Log) -> None:
    place = await trail.append((NEW_ORDER, "n"), answers=[told("n", ACCEPTED, 0)])
    await trail.append((CANCEL_ORDER, "c"))
    decided = await trail.find("n", dsn=NO_DATABASE)
    assert _facts(decided.decided) == (place, 0, ACCEPTED, 0, False)
    assert (await trail.find("c", dsn=NO_DATABASE)).stored is not None
    with pytest.raises(Unavailable) as caught:
        await trail.find("never", dsn=NO_DATABASE)
    assert caught.value.disposition == UNKNOWN
