"""What a persister writes for what it reads."""

from __future__ import annotations

import asyncio
import datetime
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ordergate.log.v1.event_frame_pb2 import EventFrame
from ordergate.v1.order_events_service_pb2 import FollowResponse
from persistence.streams import ZERO, LogId
from tests.integration.persistence.conftest import stop
from tests.unit.persistence.frames import (
    ACCEPTED,
    CANCELED,
    CANCELED_STATUS,
    COMMAND_REJECTED,
    DUPLICATE,
    FILL,
    FILLED,
    OPEN,
    PARTIAL,
    T0_NS,
    Commands,
    Events,
    flow,
    key_of,
)

if TYPE_CHECKING:
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration

T0 = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=T0_NS // 1000)
ENGINE = T0 + datetime.timedelta(milliseconds=1)


async def order_row(database: Database, key: bytes) -> dict[str, object]:
    (row,) = await database.fetch("SELECT * FROM orders WHERE order_id = $1", uuid.UUID(bytes=key))
    return row


async def test_every_column_of_an_order_and_a_trade(sidecar: Sidecar, log: Log, database: Database) -> None:
    made, told = Commands(), Events()
    maker = made.new("alice", "a1", symbol="BUND", side=1, price=20_251, quantity=10, age_us=40)
    taker = made.new("bob", "b1", symbol="BUND", side=2, order_type=2, tif=4, price=0, quantity=4, age_us=30)
    told.add(ACCEPTED, "alice", maker, 1)
    told.add(ACCEPTED, "bob", taker, 1, command=1)
    part = {"status": PARTIAL, "executed": 4, "leaves": 6, "version": 2, "notional": "81004"}
    maker_event = told.add(FILL, "alice", maker, 2, command=1, **part)
    whole = {"status": FILLED, "executed": 4, "leaves": 0, "version": 2, "notional": "81004"}
    taker_event = told.add(FILL, "bob", taker, 2, command=1, **whole)
    told.trade(1, maker_event, taker_event, symbol="BUND", price=20_251, quantity=4)
    commands, events = made.entry(5, 1), told.entry(5, 1)
    log.commands(commands)
    log.events(events)
    sidecar.start()
    await database.until_persisted(commands.id, events.id)
    assert await order_row(database, maker) == {
        "order_id": uuid.UUID(bytes=maker),
        "shard": 0,
        "account": "alice",
        "client_order_id": "a1",
        "symbol": "BUND",
        "side": 1,
        "order_type": 1,
        "time_in_force": 1,
        "flags": 0,
        "quantity_lots": 10,
        "limit_price_ticks": 20_251,
        "status": PARTIAL,
        "reject_reason": 0,
        "cause": 0,
        "executed_lots": 4,
        "leaves_lots": 6,
        "executed_notional": Decimal(81004),
        "version": 2,
        "last_event_seq": 2,
        "command_ms": 5,
        "command_seq": 1,
        "command_index": 0,
        "event_ms": 5,
        "event_seq": 1,
        "created_at": T0 - datetime.timedelta(microseconds=40),
        "queued_at": T0,
        "updated_at": ENGINE,
        "stop_price_ticks": None,
        "display_lots": None,
        "expire_at": None,
        "self_trade_prevention": 0,
        "stp_group": None,
        "tag": None,
        "session_name": None,
        "cancel_on_disconnect": False,
        "terms_seq": None,
    }
    bought = await order_row(database, taker)
    assert (bought["limit_price_ticks"], bought["status"], bought["command_index"]) == (None, FILLED, 1)
    (trade,) = await database.fetch("SELECT * FROM executions")
    assert trade == {
        "shard": 0,
        "trade_number": 1,
        "symbol": "BUND",
        "price_ticks": 20_251,
        "quantity_lots": 4,
        "taker_side": 2,
        "maker_order_id": uuid.UUID(bytes=maker),
        "taker_order_id": uuid.UUID(bytes=taker),
        "maker_account": "alice",
        "taker_account": "bob",
        "maker_seq": 2,
        "taker_seq": 2,
        "event_ms": 5,
        "event_seq": 1,
        "executed_at": ENGINE,
    }
    (frame,) = await database.fetch("SELECT * FROM command_frames")
    archived = {"shard": 0, "ms": 5, "seq": 1, "payload": commands.frame, "engine_time_ns": told.engine_time_ns}
    assert frame == archived


async def test_microseconds_survive(sidecar: Sidecar, log: Log, database: Database) -> None:
    """to_timestamp() takes a float; up to the year 2255 it holds every microsecond."""
    made = [Commands(T0_NS + n * 1_000_003_000 + n * 1000) for n in range(200)]
    for n, one in enumerate(made):
        one.new("alice", f"a{n}", age_us=n)
    log.commands(*(one.entry(n + 1) for n, one in enumerate(made)))
    sidecar.start()
    await database.until("SELECT count(*) FROM orders", 200)
    sql = """SELECT client_order_id, (extract(epoch FROM queued_at) * 1000000)::bigint AS queued,
             (extract(epoch FROM created_at) * 1000000)::bigint AS created FROM orders"""
    for row in await database.fetch(sql):
        n = int(row["client_order_id"][1:])
        assert row["queued"] == made[n].queued_at_ns // 1000
        assert row["created"] == row["queued"] - n


async def test_order_is_queued_until_its_event_comes(sidecar: Sidecar, log: Log, database: Database) -> None:
    made, told = Commands(), Events()
    key = made.new("alice", "a1", quantity=10)
    log.commands(made.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    queued = await order_row(database, key)
    assert (queued["status"], queued["leaves_lots"], queued["version"], queued["event_ms"]) == (1, 10, 0, None)
    assert queued["updated_at"] == queued["queued_at"] == T0
    told.add(CANCELED, "alice", key, 3, status=CANCELED_STATUS, cause=1, leaves=0, version=2)
    log.events(told.entry(1))
    await database.until_persisted(LogId(1, 0), LogId(1, 0))
    done = await order_row(database, key)
    assert (done["status"], done["cause"], done["leaves_lots"], done["version"]) == (CANCELED_STATUS, 1, 0, 2)
    assert (done["last_event_seq"], done["event_ms"], done["updated_at"]) == (3, 1, ENGINE)
    assert await database.value("SELECT engine_time_ns FROM command_frames") == told.engine_time_ns


async def test_an_event_ahead_of_its_command_waits_for_it(sidecar: Sidecar, log: Log, database: Database) -> None:
    made, told = Commands(), Events()
    told.add(ACCEPTED, "alice", made.new("alice", "a1"), 1)
    log.events(told.entry(2))
    sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    log.commands(made.entry(2))
    await database.until_persisted(LogId(2, 0), LogId(2, 0))
    assert await database.value("SELECT status FROM orders") == OPEN


async def test_repeats_and_conflicts_leave_the_first_order_as_it_is(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    first, told = Commands(), Events()
    key = first.new("alice", "a1", quantity=10)
    told.add(ACCEPTED, "alice", key, 1)
    log.commands(first.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    repeat, conflict, again = Commands(), Commands(), Events()
    repeat.new("alice", "a1", quantity=10)
    conflict.new("alice", "a1", quantity=99)
    again.add(DUPLICATE, "alice", key, 2)
    refused = Events()
    refused.add(COMMAND_REJECTED, "alice", key, 3, reason=14)
    log.commands(repeat.entry(2), conflict.entry(3))
    log.events(told.entry(1), again.entry(2), refused.entry(3))
    await database.until_persisted(LogId(3, 0), LogId(3, 0))
    row = await order_row(database, key)
    assert (row["quantity_lots"], row["command_ms"]) == (10, 1)
    assert (row["status"], row["reject_reason"], row["last_event_seq"], row["event_ms"]) == (OPEN, 0, 1, 1)


@pytest.mark.parametrize("named", [True, False])
async def test_order_whose_id_was_a_cancel_s_becomes_rejected(
    sidecar: Sidecar, log: Log, database: Database, named: bool
) -> None:
    made, told = Commands(), Events()
    made.cancel("alice", "x", bytes(16))
    key = made.new("alice", "x")
    log.commands(made.entry(1))
    sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    told.add(COMMAND_REJECTED, "alice", key if named else bytes(16), 2, command=1, status=0, reason=14)
    log.events(told.entry(1))
    await database.until_persisted(LogId(1, 0), LogId(1, 0))
    row = await order_row(database, key)
    assert (row["status"], row["reject_reason"], row["leaves_lots"], row["updated_at"]) == (7, 14, 0, ENGINE)


async def test_one_row_is_written_after_the_linger(sidecar: Sidecar, log: Log, database: Database) -> None:
    process = sidecar.start(batch_linger_ms=700)
    await database.until_persisted(ZERO, ZERO)
    made = Commands()
    made.new("alice", "a1")
    log.commands(made.entry(1))
    began = time.monotonic()
    await database.until("SELECT count(*) FROM orders", 1)
    assert 0.6 < time.monotonic() - began < 5
    stop(process)


async def test_fifty_rows_do_not_wait_for_the_linger(sidecar: Sidecar, log: Log, database: Database) -> None:
    sidecar.start(batch_linger_ms=60_000)
    await database.until_persisted(ZERO, ZERO)
    made = Commands()
    for n in range(50):
        made.new("alice", f"a{n}")
    log.commands(made.entry(1))
    await database.until("SELECT count(*) FROM orders", 50)


async def test_stop_writes_what_waits_without_its_linger(sidecar: Sidecar, log: Log, database: Database) -> None:
    process = sidecar.start(batch_linger_ms=60_000)
    await database.until_persisted(ZERO, ZERO)
    made = Commands()
    made.new("alice", "a1")
    log.commands(made.entry(1))
    await asyncio.sleep(0.3)
    assert await database.value("SELECT count(*) FROM orders") == 0
    stop(process)
    assert await database.value("SELECT count(*) FROM orders") == 1


async def test_hint_in_redis_follows_the_offset(sidecar: Sidecar, log: Log, database: Database) -> None:
    made = Commands()
    made.new("alice", "a1")
    log.commands(made.entry(4, 2))
    process = sidecar.start()
    await database.until_persisted(LogId(4, 2), ZERO)
    stop(process)
    assert log.client.hgetall(log.keys.persisted) in ({b"commands": b"4-2", b"events": b"0-0"},)


async def test_shards_are_kept_apart(sidecar: Sidecar, log: Log, database: Database) -> None:
    other = type(log)(log.client, 1)
    for shard, stream in enumerate((log, other)):
        made, told = Commands(), Events()
        key = made.new("alice", f"s{shard}")
        maker = told.add(FILL, "alice", key, 1)
        told.trade(1, maker, maker)
        stream.commands(made.entry(1))
        stream.events(told.entry(1))
    sidecar.start(shards=2)
    await database.until("SELECT count(*) FROM executions", 2)
    rows = await database.fetch("SELECT shard, client_order_id FROM orders ORDER BY shard")
    assert rows == [{"shard": 0, "client_order_id": "s0"}, {"shard": 1, "client_order_id": "s1"}]
    assert await database.value("SELECT count(*) FROM persister_offsets WHERE commands_ms = 1") == 2


async def test_large_and_small_batches_write_the_same(sidecar: Sidecar, log: Log, database: Database) -> None:
    """Arrays as parameters and COPY are two ways to one result."""
    frames = list(flow(40, 30))
    log.commands(*(c for c, _ in frames))
    log.events(*(e for _, e in frames))
    tables = []
    for rows_max in (100, 50_000):
        process = sidecar.start(batch_rows_max=rows_max, batch_rows=50)
        await database.until_persisted(frames[-1][0].id, frames[-1][1].id)
        stop(process)
        tables.append(
            [
                await database.fetch("SELECT * FROM orders ORDER BY order_id"),
                await database.fetch("SELECT * FROM executions ORDER BY trade_number"),
                await database.fetch("SELECT * FROM account_events ORDER BY account, last_seq"),
                await database.fetch("SELECT * FROM command_frames ORDER BY ms"),
            ]
        )
        await database.fetch("TRUNCATE orders, executions, account_events, command_frames, persister_offsets")
    assert len(tables[0][0]) == 1200
    assert tables[0] == tables[1]


async def test_events_are_archived_as_clients_get_them(sidecar: Sidecar, log: Log, database: Database) -> None:
    """After any sequence of an account its next events are found by the key, without a gap and byte for byte."""
    frames = list(flow(20, 30))
    log.commands(*(c for c, _ in frames))
    log.events(*(e for _, e in frames))
    sidecar.start(batch_rows_max=400)
    await database.until_persisted(frames[-1][0].id, frames[-1][1].id)
    sent: dict[str, list[bytes]] = {}
    for _, entry in frames:
        frame = EventFrame.FromString(entry.frame or b"")
        for part in frame.account_events:
            events = FollowResponse.FromString(part.events).events
            sent.setdefault(frame.accounts[part.account_index], []).extend(e.SerializeToString() for e in events)
    after = "SELECT * FROM account_events WHERE shard = 0 AND account = $1 AND last_seq > $2 ORDER BY last_seq"
    for account, expected in sent.items():
        for seq in (0, 7, len(expected) - 1, len(expected)):
            rows = await database.fetch(after, account, seq)
            found = [e for row in rows for e in FollowResponse.FromString(row["events"]).events if e.seq > seq]
            assert [e.SerializeToString() for e in found] == expected[seq:]
            assert all(row["last_seq"] == row["first_seq"] + row["events"].count(b"order-") // 2 - 1 for row in rows)
    ids = {(row["ms"], row["seq"]) for row in await database.fetch("SELECT ms, seq FROM account_events")}
    assert ids == {e.id for _, e in frames}


@pytest.mark.parametrize("way", [{}, {"rows_native": "off"}, {"rows_native": "off", "copy_rows_min": 1}])
async def test_replaying_the_whole_log_changes_nothing(
    sidecar: Sidecar, log: Log, database: Database, way: dict[str, object]
) -> None:
    """Neither where rows are merged, nor where they are appended: then the batch is written apart."""
    frames = list(flow(30, 20))
    log.commands(*(c for c, _ in frames))
    log.events(*(e for _, e in frames))
    before = None
    for _ in range(2):
        process = sidecar.start(batch_rows_max=150, **way)
        await database.until_persisted(frames[-1][0].id, frames[-1][1].id)
        stop(process)
        rows = [
            await database.fetch("SELECT * FROM orders ORDER BY order_id"),
            await database.fetch("SELECT * FROM executions ORDER BY trade_number"),
            await database.fetch("SELECT * FROM account_events ORDER BY account, last_seq"),
            await database.fetch("SELECT * FROM command_frames ORDER BY ms"),
        ]
        assert before is None or rows == before
        assert await database.value("SELECT count(*) FROM dead_letters") == 0
        before = rows
        await database.fetch("UPDATE persister_offsets SET commands_ms=0, commands_seq=0, events_ms=0, events_seq=0")


def test_key_of_is_the_documented_hash() -> None:
    assert uuid.UUID(bytes=key_of("alice", "a1")).version == 8
