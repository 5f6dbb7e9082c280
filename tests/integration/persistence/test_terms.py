"""Terms of orders in Postgres: those beyond the usual, and those that events change."""

from __future__ import annotations

import datetime
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from persistence.streams import ZERO, LogId
from tests.integration.persistence.conftest import stop
from tests.integration.persistence.test_writing import order_row
from tests.unit.persistence.frames import (
    ACCEPTED,
    AMENDED,
    CANCELED,
    CANCELED_STATUS,
    EXPIRED,
    EXPIRED_STATUS,
    FILL,
    OPEN,
    PARTIAL,
    RESTATED,
    T0_NS,
    TRIGGERED,
    UNTRIGGERED,
    Commands,
    Events,
)

if TYPE_CHECKING:
    from persistence.streams import Entry
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration

END_NS = 1_795_000_000_654_321_000
END = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=END_NS // 1000)
TERMS = ("quantity_lots", "limit_price_ticks", "stop_price_ticks", "expire_at", "terms_seq")
AWAY = "UPDATE persister_offsets SET commands_ms = 0, commands_seq = 0, events_ms = 0, events_seq = 0"


async def terms_of(database: Database, key: bytes) -> tuple[object, ...]:
    row = await order_row(database, key)
    return tuple(row[name] for name in TERMS)


async def test_every_term_of_an_order(sidecar: Sidecar, log: Log, database: Database) -> None:
    made = Commands()
    key = made.new(
        *("alice", "a1"),
        symbol="BUND",
        order_type=4,
        tif=3,
        price=20_251,
        quantity=10**8,
        stop_price_ticks=20_001,
        display_lots=3,
        expire_at_ns=END_NS,
        self_trade_prevention=3,
        stp_group="desk",
        tag="t1",
        session="s1",
        cancel_on_disconnect=True,
    )
    other = made.new("alice", "a2", tag="only this")
    log.commands(made.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    row = await order_row(database, key)
    assert (row["order_type"], row["quantity_lots"], row["limit_price_ticks"], row["status"]) == (4, 10**8, 20_251, 1)
    names = ("self_trade_prevention", "stp_group", "tag", "session_name", "cancel_on_disconnect")
    assert [row[n] for n in ("stop_price_ticks", "display_lots", "expire_at")] == [20_001, 3, END]
    assert [row[n] for n in names] == [3, "desk", "t1", "s1", True]
    plain = await order_row(database, other)
    assert [plain[n] for n in ("stop_price_ticks", "display_lots", "expire_at", *names)] == [
        *(None, None, None, 0, None, "only this", None, False)
    ]
    (shown,) = await database.fetch("SELECT * FROM order_view WHERE client_order_id = 'a1'")
    assert str(shown["stop_price"]) == "100.005"
    assert shown["display_quantity"] == shown["quantity"] * 3 / 10**8
    assert (shown["expire_at"], shown["tag"], shown["cancel_on_disconnect"]) == (END, "t1", True)
    assert shown["self_trade_prevention"] == "CANCEL_MAKER"


async def test_terms_stay_those_of_the_last_event_that_changed_them(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    made, empty = Commands(), Commands()
    key = made.new("alice", "a1", price=1000, quantity=10)
    stop_key = made.new("alice", "a2", order_type=4, price=1000, quantity=10, stop_price_ticks=900, tag="t")
    told = [Events() for _ in range(3)]
    told[0].add(ACCEPTED, "alice", key, 1)
    told[0].add(ACCEPTED, "alice", stop_key, 2, status=UNTRIGGERED)
    told[1].add(AMENDED, "alice", key, 3, version=2, leaves=8, terms=(8, 1001, 0, 0))
    told[1].add(TRIGGERED, "alice", stop_key, 4, version=2, terms=(10, 1000, 901, 0))
    told[1].add(AMENDED, "alice", stop_key, 5, version=3, leaves=9, terms=(9, 999, 902, END_NS))
    told[2].add(FILL, "alice", key, 6, status=PARTIAL, executed=3, leaves=5, version=3, notional="3003")
    told[2].add(FILL, "alice", stop_key, 7, status=PARTIAL, executed=3, leaves=6, version=4, notional="2997")
    log.commands(made.entry(1), empty.entry(2), empty.entry(3))
    sidecar.start()
    for place, one in enumerate(told, 1):
        log.events(one.entry(place))
        await database.until_persisted(LogId(3, 0), LogId(place, 0))
        expected = (10, 1000, None, None, None) if place == 1 else (8, 1001, None, None, 3)
        assert await terms_of(database, key) == expected
        expected = (10, 1000, 900, None, None) if place == 1 else (9, 999, 902, END, 5)
        assert await terms_of(database, stop_key) == expected
    row = await order_row(database, stop_key)
    assert (row["status"], row["executed_lots"], row["leaves_lots"], row["version"]) == (PARTIAL, 3, 6, 4)
    assert (row["last_event_seq"], row["tag"]) == (7, "t")


@pytest.mark.parametrize("fillers", [0, 400])
@pytest.mark.parametrize("more", [{}, {"tag": "second"}])
@pytest.mark.parametrize("revised", [True, False])
async def test_repeat_of_an_amended_order_with_other_terms(
    sidecar: Sidecar, log: Log, database: Database, fillers: int, more: dict[str, str], revised: bool
) -> None:
    """Its NewOrder conflicts with the row; state and terms come from the events alone. Few rows and COPY alike."""
    made, told = Commands(), Events()
    key = made.new("alice", "a1", price=1000, quantity=10, tag="first")
    told.add(AMENDED, "alice", key, 2, version=2, leaves=8, terms=(8, 1001, 0, 0))
    log.commands(made.entry(1))
    log.events(told.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), LogId(1, 0))
    repeat, later = Commands(), Events()
    repeat.new("alice", "a1", price=7, quantity=7, **more)
    for n in range(fillers):
        repeat.new("bob", f"b{n}", **more)
    terms = (9, 1002, 0, END_NS) if revised else None
    later.add(AMENDED, "alice", key, 3, version=3, executed=1, leaves=7, status=PARTIAL, terms=terms)
    pipe = log.client.pipeline(transaction=True)  # both in one batch
    pipe.xadd(log.keys.commands, {"f": repeat.entry(2).frame, "n": 1 + fillers}, id="2-0")
    pipe.xadd(log.keys.events, {"f": later.entry(2).frame, "n": 1}, id="2-0")
    pipe.execute()
    await database.until_persisted(LogId(2, 0), LogId(2, 0))
    assert await terms_of(database, key) == ((9, 1002, None, END, 3) if revised else (8, 1001, None, None, 2))
    row = await order_row(database, key)
    assert (row["status"], row["executed_lots"], row["version"], row["tag"]) == (PARTIAL, 1, 3, "first")
    assert await database.value("SELECT count(*) FROM orders") == 1 + fillers


async def test_day_order_gets_its_end_when_it_is_accepted_and_expires(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    made, tick, told, ended = Commands(), Commands(), Events(), Events(engine_time_ns=END_NS)
    key = made.new("alice", "a1", tif=2)
    tick.tick()
    told.add(ACCEPTED, "alice", key, 1, terms=(10, 1000, 0, END_NS))
    ended.add(EXPIRED, "alice", key, 2, status=EXPIRED_STATUS, leaves=0, version=2)
    ended.operation(16, "_ordergate", 1)
    log.commands(made.entry(1), tick.entry(2))
    log.events(told.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(2, 0), LogId(1, 0))
    row = await order_row(database, key)
    assert (row["status"], row["expire_at"], row["terms_seq"]) == (OPEN, END, 1)
    log.events(ended.entry(2))
    await database.until_persisted(LogId(2, 0), LogId(2, 0))
    row = await order_row(database, key)
    assert (row["status"], row["expire_at"], row["updated_at"], row["terms_seq"]) == (EXPIRED_STATUS, END, END, 1)
    assert await database.value("SELECT count(*) FROM orders") == 1
    assert await database.value("SELECT count(*) FROM operations") == 0
    assert await database.value("SELECT count(*) FROM command_frames WHERE engine_time_ns IS NOT NULL") == 2


@dataclass
class Market:
    """Orders with terms of all sorts and events that change them, and what must be known of them after each frame."""

    chance: random.Random
    expected: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    live: list[bytes] = field(default_factory=list)
    seq: int = 0

    def frame(self, number: int, size: int) -> tuple[Entry, Entry]:
        commands, events = Commands(T0_NS + number * 1_000_000), Events(T0_NS + number * 1_000_000 + 500_000)
        for place in range(size):
            if not self.live or self.chance.random() < 0.5:
                self._enter(commands, events, f"{number}-{place}")
            else:
                self._change(commands, events, self.chance.choice(self.live), f"{number}-{place}")
        return commands.entry(number + 1), events.entry(number + 1)

    def _enter(self, commands: Commands, events: Events, command_id: str) -> None:
        more: dict[str, Any] = {}
        if self.chance.random() < 0.5:
            more = {"stop_price_ticks": self.chance.choice((0, 900)), "tag": self.chance.choice(("", "t"))}
        key = commands.new("alice", command_id, quantity=1000, price=self.chance.choice((0, 500)), **more)
        row = {"quantity_lots": 1000, "limit_price_ticks": commands.frame.limit_price_ticks[-1] or None}
        row |= {"stop_price_ticks": more.get("stop_price_ticks") or None, "expire_at": None, "terms_seq": None}
        self.expected[key] = row | {"tag": more.get("tag") or None, "version": 0}
        self.live.append(key)
        self._tell(events, ACCEPTED, key, OPEN, change=self.chance.random() < 0.3)

    def _change(self, commands: Commands, events: Events, key: bytes, command_id: str) -> None:
        kind = self.chance.choice((AMENDED, FILL, TRIGGERED, RESTATED, CANCELED))
        commands.amend("alice", command_id, key, quantity=1)
        if kind == CANCELED:
            self.live.remove(key)
        status = CANCELED_STATUS if kind == CANCELED else PARTIAL
        self._tell(events, kind, key, status, change=kind in {AMENDED, TRIGGERED, RESTATED})

    def _tell(self, events: Events, kind: int, key: bytes, status: int, *, change: bool) -> None:
        row = self.expected[key]
        self.seq += 1
        row["version"] += 1
        row |= {"status": status, "last_event_seq": self.seq}
        terms = None
        if change:
            end_ns = self.chance.choice((0, END_NS))
            terms = (self.chance.randint(1, 99), self.chance.choice((0, 7)), self.chance.choice((0, 8)), end_ns)
            row |= {"quantity_lots": terms[0], "limit_price_ticks": terms[1] or None, "terms_seq": self.seq}
            row |= {"stop_price_ticks": terms[2] or None, "expire_at": END if end_ns else None}
        events.add(kind, "alice", key, self.seq, status=status, version=row["version"], terms=terms)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("rows_max", [100, 500, 50_000])
async def test_any_flow_ends_in_the_same_rows_whatever_the_batches_and_again_when_replayed(
    sidecar: Sidecar, log: Log, database: Database, rows_max: int, seed: int
) -> None:
    market = Market(random.Random(seed))
    frames = [market.frame(number, 40) for number in range(60)]
    log.commands(*(c for c, _ in frames[:30]))
    log.events(*(e for _, e in frames[:20]))
    for turn in range(2):
        process = sidecar.start(batch_rows_max=rows_max, batch_rows=50)
        if turn == 0:
            await database.until_persisted(frames[29][0].id, frames[19][1].id)
            log.events(*(e for _, e in frames[20:30]))
            log.commands(*(c for c, _ in frames[30:]))
            log.events(*(e for _, e in frames[30:]))
        await database.until_persisted(frames[-1][0].id, frames[-1][1].id)
        stop(process)
        found = {row["order_id"]: row for row in await database.fetch("SELECT * FROM orders")}
        assert found.keys() == {uuid.UUID(bytes=key) for key in market.expected}
        for key, expected in market.expected.items():
            row = found[uuid.UUID(bytes=key)]
            assert {name: row[name] for name in expected} == expected
        assert await database.value("SELECT count(*) FROM dead_letters") == 0
        await database.fetch(AWAY)
