"""The native part against the Python that it stands in for: the same rows, or none."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ordergate.log.v1.command_frame_pb2 import CommandFrame
from persistence.batcher import Batch
from persistence.errors import MalformedFrame, SettingsError, UnsupportedFrame
from persistence.frames import read_commands, read_events
from persistence.packed import OFF, STRAIGHT, TABLES, Packed, Packer
from persistence.rows import build_rows
from persistence.streams import ZERO, Entry, LogId, Position
from tests.unit.persistence.copied import TYPES, expected, read_copy
from tests.unit.persistence.frames import (
    ACCEPTED,
    AMENDED,
    CANCEL_REJECTED,
    CANCELED,
    COMMAND_REJECTED,
    DUPLICATE,
    FILL,
    MASS_CANCEL_DONE,
    REJECTED,
    RESTATED,
    TICKED,
    TRIGGERED,
    Commands,
    Events,
    flow,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "build/engine/build.ninja"
pytestmark = pytest.mark.skipif(not BUILT.exists(), reason="nothing is built here: make engine")
SHARD = 7
KINDS = (ACCEPTED, REJECTED, FILL, CANCELED, CANCEL_REJECTED, AMENDED, TRIGGERED, RESTATED, DUPLICATE, TICKED)


def batch(commands: list[Entry] | None = None, events: list[Entry] | None = None) -> Batch:
    return Batch(commands or [], events or [], Position(ZERO, ZERO), Position(ZERO, ZERO))


def pack(made: Batch) -> Packed | None:
    packer = Packer.find()
    assert packer is not None
    return packer.pack(SHARD, made)


def assert_same(made: Batch) -> None:
    packed = pack(made)
    assert packed is not None
    rows = build_rows(made)
    assert rows.count("refusals", "operations", "letters") == 0
    for table in TABLES:
        built = list(expected(SHARD, table, getattr(rows, table)))
        copy = packed.copies.get(table)
        assert (read_copy(table, copy.data) if copy else []) == built
        if copy and table not in STRAIGHT:
            types = TYPES[table].replace("bytes", "uuid").split()
            assert list(copy.values(types)) == built
        assert packed.count(table) == len(built)


class Flow:
    """Frames of random commands and events about few orders, so that they meet in all ways."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys: list[bytes] = []
        self.trades = 0

    def commands(self, ms: int) -> Entry:
        made, rand = Commands(1_700_000_000_000_000_000 + ms * 1_000_003), self.random
        for _ in range(rand.randrange(1, 12)):
            account, command_id = f"acct-{rand.randrange(3)}", f"c-{rand.randrange(10**6)}"
            kind = rand.randrange(8)
            if kind < 4 or not self.keys:
                self.keys.append(self.new(made, account, rand.choice([command_id, "again"])))
            elif kind == 4:
                made.cancel(account, command_id, rand.choice(self.keys))
            elif kind == 5:
                made.amend(account, command_id, rand.choice(self.keys), price=rand.randrange(9), quantity=3)
            elif kind == 6:
                made.tick(command_id)
            else:
                made.fence(account, command_id)
        return made.entry(ms, rand.randrange(3))

    def new(self, made: Commands, account: str, command_id: str) -> bytes:
        rand = self.random
        more: dict[str, Any] = {}
        if rand.random() < 0.2:
            texts = {"tag": "t", "session": rand.choice(["", "s"]), "stp_group": rand.choice(["", "g"])}
            numbers = {"stop_price_ticks": rand.randrange(99), "display_lots": rand.randrange(5)}
            more = {**texts, **numbers, "expire_at_ns": rand.choice([0, 1_800_000_000_000_001_999])}
            more |= {"self_trade_prevention": rand.randrange(6), "cancel_on_disconnect": rand.random() < 0.5}
        symbol, price = rand.choice(["ACME", "BUND"]), rand.choice([0, 1, 2**62])
        terms = {"side": rand.choice([1, 2]), "tif": rand.randrange(1, 6), "flags": rand.randrange(2)}
        quantity, age = rand.choice([1, 2**62]), rand.randrange(2**32)
        return made.new(account, command_id, symbol=symbol, price=price, quantity=quantity, age_us=age, **terms, **more)

    def events(self, ms: int) -> Entry:
        made, rand = Events(1_700_000_000_500_000_000 + ms * 999_983), self.random
        for place in range(rand.randrange(1, 12)):
            notional = rand.choice(["", "0", "7", "10000", "123456789", "100000000", str(2**124 + 1)])
            state = {"executed": rand.randrange(2**62), "leaves": 0, "version": rand.randrange(2**31)}
            codes = {"status": rand.randrange(9), "reason": rand.randrange(33), "cause": rand.randrange(8)}
            terms = (rand.randrange(1, 9), 5, rand.randrange(2), rand.choice([0, 10**18 + 999]))
            made.add(
                rand.choice(KINDS),
                f"acct-{rand.randrange(3)}",
                rand.choice(self.keys),
                rand.randrange(2**62),
                command=place,
                notional=notional,
                terms=terms if rand.random() < 0.2 else None,
                **state,
                **codes,
            )
            if place and rand.random() < 0.3:
                self.trades += 1
                made.trade(self.trades, place - 1, place, symbol=rand.choice(["ACME", "BUND"]), price=place)
        made.told()
        return made.entry(ms, rand.randrange(3))


def test_the_engines_build_makes_the_native_part() -> None:
    assert Packer.find() is not None


@pytest.mark.parametrize("seed", range(200))
def test_rows_are_those_of_python(seed: int) -> None:
    made = Flow(seed)
    commands = [made.commands(ms) for ms in range(2, 2 + made.random.randrange(1, 9))]
    events = [made.events(ms) for ms in range(1, 1 + made.random.randrange(9))]
    if seed % 3 == 0:  # the events of command frames, under their ids
        events = [e._replace(id=c.id) for c, e in zip(commands, events, strict=False)]
    if seed % 7 == 0:
        commands = []
    assert_same(batch(commands, events))


def test_rows_of_a_large_batch() -> None:
    commands, events = zip(*flow(20, 100), strict=True)
    assert_same(batch(list(commands), list(events)))


def test_of_an_empty_batch_there_is_nothing() -> None:
    assert pack(batch()) == Packed({})


def commands_with(change: Callable[[Commands], object]) -> Entry:
    made = Commands()
    made.cancel("alice", "c1", made.new("alice", "a1"))
    change(made)
    return made.entry(1)


LEFT_TO_PYTHON = {
    "no frame": Entry(LogId(1, 0), None, 1),
    "not protobuf": Entry(LogId(1, 0), b"\xff\xff", 1),
    "cut off": Entry(LogId(1, 0), commands_with(lambda _: None).frame[:-1], 1),  # type: ignore[index]
    "no format": commands_with(lambda c: c.frame.ClearField("format")),
    "newer format": commands_with(lambda c: setattr(c.frame, "format", 2)),
    "unknown kind": commands_with(lambda c: setattr(c.frame, "kinds", b"\1\x0a")),
    "kind 0": commands_with(lambda c: setattr(c.frame, "kinds", b"\1\0")),
    "keys too short": commands_with(lambda c: setattr(c.frame, "keys", c.frame.keys[:-1])),
    "no target": commands_with(lambda c: setattr(c.frame, "targets", b"")),
    "too few ids": commands_with(lambda c: c.frame.command_ids.pop()),
    "too many prices": commands_with(lambda c: c.frame.limit_price_ticks.append(1)),
    "account out of range": commands_with(lambda c: c.frame.account_index.__setitem__(0, 1)),
    "symbol out of range": commands_with(lambda c: c.frame.symbol_index.__setitem__(0, 1)),
    "terms of no order": commands_with(lambda c: c.frame.terms.add(order_index=1)),
    "terms twice": commands_with(lambda c: [c.frame.terms.add(order_index=0) for _ in range(2)]),
    "terms of no amend": commands_with(lambda c: c.frame.amend_terms.add(amend_index=0)),
    "version of no command": commands_with(lambda c: c.frame.expected_versions.add(command_index=2, version=1)),
    "a mass cancel": commands_with(lambda c: c.mass_cancel("alice", "m1")),
    "a trading state": commands_with(lambda c: c.trading_state("alice", "s1", 2)),
    "limits": commands_with(lambda c: c.limits("alice", "l1")),
    "a negative price": commands_with(lambda c: c.frame.limit_price_ticks.__setitem__(0, -1)),
    "letters beyond ASCII": commands_with(lambda c: c.new("zoë", "a2")),
}


@pytest.mark.parametrize("entry", LEFT_TO_PYTHON.values(), ids=LEFT_TO_PYTHON)
def test_commands_left_to_python(entry: Entry) -> None:
    assert pack(batch([entry])) is None


def test_what_a_frame_may_also_hold_is_no_hindrance() -> None:
    """Fields that rows don't need, and such as later versions may add."""
    later = CommandFrame.FromString(b"\xe2\x09\x03new\xe8\x09\x05" + (commands_with(lambda _: None).frame or b""))
    later.deadlines.add(command_index=0, valid_until_ns=1)
    later.expected_versions.add(command_index=1, version=3)
    assert_same(batch([Entry(LogId(1, 0), later.SerializeToString(), 2)]))


def events_with(change: Callable[[Events], object]) -> Entry:
    made = Events()
    places = [made.add(FILL, "alice", bytes(range(16)), seq, notional="7") for seq in (1, 2)]
    made.trade(1, *places)
    made.told()
    change(made)
    return made.entry(1)


EVENTS_LEFT_TO_PYTHON = {
    "newer format": events_with(lambda e: setattr(e.frame, "format", 2)),
    "unknown kind": events_with(lambda e: setattr(e.frame, "kinds", b"\3\x12")),
    "ids too short": events_with(lambda e: setattr(e.frame, "order_ids", bytes(31))),
    "answers too short": events_with(lambda e: setattr(e.frame, "answers", b"\1")),
    "too few sequences": events_with(lambda e: e.frame.seqs.pop()),
    "too many prices": events_with(lambda e: e.frame.trade_price_ticks.append(1)),
    "account out of range": events_with(lambda e: e.frame.account_index.__setitem__(0, 1)),
    "archive of nobody": events_with(lambda e: e.frame.account_events.add(account_index=1, count=1)),
    "symbol out of range": events_with(lambda e: e.frame.trade_symbol_index.__setitem__(0, 1)),
    "maker out of range": events_with(lambda e: e.frame.trade_maker_event.__setitem__(0, 2)),
    "terms of no event": events_with(lambda e: e.frame.terms.add(event_index=2)),
    "notional that is none": events_with(lambda e: e.frame.executed_notionals.__setitem__(0, "7.5")),
    "version beyond integer": events_with(lambda e: e.frame.versions.__setitem__(0, 2**31)),
    "a refused command": events_with(lambda e: e.add(COMMAND_REJECTED, "alice", bytes(16), 3)),
    "an operation": events_with(lambda e: e.operation(MASS_CANCEL_DONE, "alice", 3)),
}


@pytest.mark.parametrize("entry", EVENTS_LEFT_TO_PYTHON.values(), ids=EVENTS_LEFT_TO_PYTHON)
def test_events_left_to_python(entry: Entry) -> None:
    assert pack(batch(events=[events_with(lambda _: None)])) is not None
    assert pack(batch(events=[entry])) is None


def test_entries_out_of_order_are_left_to_python() -> None:
    first, second = Commands(), Commands()
    first.new("alice", "a1")
    second.new("alice", "a2")
    assert pack(batch([first.entry(2), second.entry(1)])) is None


@pytest.mark.parametrize("seed", range(300))
def test_damaged_frames_are_packed_only_if_python_reads_them(seed: int) -> None:
    """Whatever bytes are in the log: the native part survives them, and takes none that Python refuses."""
    made = Flow(seed)
    rand = made.random
    entries = {"commands": made.commands(1), "events": made.events(1)}
    stream = rand.choice(["commands", "events"])
    raw = bytearray(entries[stream].frame or b"")
    for _ in range(rand.randrange(1, 4)):
        raw[rand.randrange(len(raw))] = rand.randrange(256)
    damaged = entries[stream]._replace(frame=bytes(raw))
    if pack(batch(**{stream: [damaged]})) is None:
        return
    try:
        (read_commands if stream == "commands" else read_events)(damaged)
    except (MalformedFrame, UnsupportedFrame) as error:
        pytest.fail(f"packed, though {error}")
    assert_same(batch(**{stream: [damaged]}))


def test_without_the_native_part_there_is_none() -> None:
    assert Packer.find(OFF) is None


def test_a_library_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"rows_native: can't load .*README\.md.*; name a library"):
        Packer.find(str(ROOT / "README.md"))
