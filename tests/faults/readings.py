"""Reads at the end of a run what Redis, Postgres and the running engine hold, and replays the log.

The log is what Redis holds and, where that is trimmed, the archive of command frames in Postgres. Where both hold a
frame they must agree; where one lacks what it should hold, that is a finding of its own (`Evidence.faults`).
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.asyncio import Redis

from gateway.client.views import event_view
from gateway.instruments import load_instruments
from gateway.streams import Keys
from ordergate.log.v1 import command_frame_pb2 as log_pb
from ordergate.v1.order_entry_service_pb2 import SessionResponse
from tests.faults.evidence import Command, Database, Evidence, Letter, LogId, OrderRow, Trade
from tests.faults.history import plain, told
from tests.faults.replay import (
    Frame,
    ReplayFailed,
    events_of,
    open_engine,
    read_books,
    read_engine,
    replay,
    replay_record,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.faults.history import Told

_ORDERS = """SELECT order_id::text, account, client_order_id, symbol, side, status, quantity, limit_price,
executed_quantity, leaves_quantity, version, last_event_seq FROM order_view"""
_TRADES = """SELECT e.shard || '-' || e.trade_number AS trade_id, e.symbol, v.price, v.quantity, e.maker_order_id::text,
e.taker_order_id::text, e.maker_seq, e.taker_seq
FROM executions e JOIN execution_view v ON v.trade_id = e.shard || '-' || e.trade_number"""


@dataclass(frozen=True, slots=True)
class Places:
    """Where to read."""

    redis_url: str
    postgres_dsn: str
    engine: str
    binary: Path
    instruments: Path
    record: Path
    """File for the recorded log."""
    engine_options: Sequence[str] = ()
    """What the engine was told besides, so that a fresh one is told the same."""


async def read_evidence(places: Places) -> Evidence:
    """Everything that the checker looks at."""
    evidence = Evidence()
    connection = await asyncpg.connect(places.postgres_dsn)
    client = Redis.from_url(places.redis_url)
    try:
        evidence.database = await read_database(connection)
        held = await read_streams(client)
        frames = await _read_log(held, connection, evidence)
    finally:
        await client.aclose()
        await connection.close()
    evidence.payloads = [(f.id, hashlib.sha256(f.payload).hexdigest()) for f in frames]
    evidence.commands = [command for frame in frames for command in commands_of(frame)]
    async with open_engine(places.engine) as channel:
        evidence.engine = await read_engine(channel)
        evidence.book = await read_books(channel, load_instruments(places.instruments, 1))
    await _replay(places, frames, held.published, evidence)
    return evidence


@dataclass(frozen=True, slots=True)
class Streams:
    """What Redis holds of one shard."""

    commands: dict[LogId, bytes]
    times: dict[LogId, int]
    """Engine time of each frame."""
    published: dict[LogId, bytes]
    """Event frames."""


async def read_streams(client: Redis) -> Streams:
    """The three streams as they are at one moment: read page by page, what is trimmed meanwhile would look lost."""
    keys = Keys(0)
    async with client.pipeline(transaction=True) as pipe:
        for key in (keys.commands, keys.times, keys.events):
            pipe.xrange(key)
        commands, times, events = await pipe.execute()
    return Streams(
        {_log_id(raw): fields[b"f"] for raw, fields in commands},
        {_log_id(raw): int(fields[b"t"]) for raw, fields in times},
        {_log_id(raw): fields[b"f"] for raw, fields in events},
    )


async def read_database(connection: Any) -> Database:
    """What Postgres holds."""
    offset = await connection.fetchrow("SELECT * FROM persister_offsets WHERE shard = 0")
    letters = await connection.fetch(
        "SELECT stream, ms, seq, index, error FROM dead_letters WHERE replayed_at IS NULL ORDER BY id"
    )
    database = Database(
        orders=[OrderRow(*(_value(value) for value in row)) for row in await connection.fetch(_ORDERS)],
        trades=[Trade(*(_value(value) for value in row)) for row in await connection.fetch(_TRADES)],
        letters=[Letter(x["stream"], LogId(x["ms"], x["seq"]), x["index"], x["error"]) for x in letters],
    )
    database.events = await _read_events(connection)
    if offset is not None:
        database.commands_upto = LogId(offset["commands_ms"], offset["commands_seq"])
        database.events_upto = LogId(offset["events_ms"], offset["events_seq"])
    return database


async def _read_events(connection: Any) -> list[Told]:
    """The accounts' events that Postgres keeps; a row whose range is not that of its events is not read rightly."""
    found: list[Told] = []
    for row in await connection.fetch("SELECT * FROM account_events WHERE shard = 0 ORDER BY account, last_seq"):
        views = SessionResponse.FromString(row["events"]).events
        assert [view.seq for view in views] == list(range(row["first_seq"], row["last_seq"] + 1))
        found += [told(row["account"], event_view(view)) for view in views]
    return found


def _value(value: Any) -> Any:
    """Decimals as text, NULL as ""."""
    return value if isinstance(value, int | str) else plain(value)


async def _read_log(streams: Streams, connection: Any, evidence: Evidence) -> list[Frame]:
    """The whole log, from both of its places; `streams` were read before, since only what is archived is trimmed."""
    times, held = streams.times, streams.commands
    archived: dict[LogId, tuple[bytes, int | None]] = {}
    for row in await connection.fetch("SELECT ms, seq, payload, engine_time_ns FROM command_frames WHERE shard = 0"):
        archived[LogId(row["ms"], row["seq"])] = (row["payload"], row["engine_time_ns"])
    _compare(held, times, archived, evidence)
    frames = []
    for log_id in sorted(held.keys() | archived.keys()):
        payload, archived_ns = archived.get(log_id, (b"", None))
        time_ns = times.get(log_id, archived_ns)
        if time_ns is None:
            evidence.faults.append(("lost", f"frame {log_id} has no engine time: it has not been through the engine"))
        frames.append(Frame(log_id, held.get(log_id, payload), time_ns or 0))
    return frames


def _compare(
    held: dict[LogId, bytes],
    times: dict[LogId, int],
    archived: dict[LogId, tuple[bytes, int | None]],
    evidence: Evidence,
) -> None:
    """Redis' log and the archive, where both should hold a frame."""
    upto, first = evidence.database.commands_upto, min(held, default=LogId(2**63, 0))
    for log_id, payload in held.items():
        other, time_ns = archived.get(log_id, (None, None))
        if other is None and log_id <= upto:
            evidence.faults.append(("lost", f"frame {log_id} is not in the archive, which is at {upto}"))
        elif other is not None and other != payload:
            evidence.faults.append(("mismatched", f"frame {log_id} has other bytes in the archive"))
        if time_ns is not None and log_id in times and times[log_id] != time_ns:
            evidence.faults.append(("mismatched", f"frame {log_id} has the engine time {time_ns} in the archive"))
    for log_id in archived:
        if log_id > first and log_id not in held:
            evidence.faults.append(("lost", f"Redis has lost frame {log_id}, which is archived, and holds older ones"))


async def _replay(places: Places, frames: list[Frame], published: dict[LogId, bytes], evidence: Evidence) -> None:
    write_record(places.record, frames)
    try:
        engine, given = await replay(places.binary, places.instruments, frames, places.engine_options)
        said = await asyncio.to_thread(
            replay_record, places.binary, places.instruments, places.record, places.engine_options
        )
    except ReplayFailed as error:
        evidence.faults.append(("mismatched", f"the log can't be replayed: {error}"))
        evidence.events = events_of(published)
        return
    evidence.events = events_of(given)
    evidence.replayed = engine
    if said["state_hash"] != engine.state_hash:
        evidence.faults.append(("mismatched", "--replay and a replay through the service end in different states"))
    for log_id, frame in published.items():
        if given.get(log_id) != frame:
            evidence.faults.append(("mismatched", f"event frame {log_id} differs from that of a replay"))
    for log_id in given:
        if published and log_id > min(published) and log_id not in published:
            evidence.faults.append(("lost", f"event frame {log_id} was not published"))


def _log_id(raw: bytes) -> LogId:
    ms, _, seq = raw.partition(b"-")
    return LogId(int(ms), int(seq))


def commands_of(frame: Frame) -> list[Command]:
    """The commands of a frame."""
    read = log_pb.CommandFrame.FromString(frame.payload)
    return [
        Command(
            frame.id,
            index,
            log_pb.CommandKind.Name(kind).removeprefix("COMMAND_KIND_"),  # type: ignore[arg-type]
            read.accounts[read.account_index[index]],
            read.command_ids[index],
            str(uuid.UUID(bytes=read.keys[16 * index : 16 * index + 16])),
        )
        for index, kind in enumerate(read.kinds)
    ]
