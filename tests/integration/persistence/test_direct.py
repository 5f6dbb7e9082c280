"""COPY straight into the tables: values as Postgres has them, and rows that are there already."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import asyncpg

from persistence import direct
from tests.unit.persistence.frames import FILL, Commands, Events, flow

from .conftest import stop

if TYPE_CHECKING:
    from .conftest import Database, Log, Sidecar


async def test_whole_numbers_are_sent_as_postgres_has_them(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await direct.codecs(connection)
        near = [10**power + offset for power in range(1, 40) for offset in (-1, 0, 1)]
        for number in [0, 1, 2**63, 2**127, 40_000_000, 500_000_001, *near]:
            assert await connection.fetchval("SELECT $1::numeric::text", direct.numeric(str(number))) == str(number)
    finally:
        await connection.close()


async def test_what_is_read_is_as_ever(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await direct.codecs(connection)
        for text in ("0", "1", "-1", "0.01", "100.50", "-12345678.000900", "40000", "0.00001234", "1e20"):
            assert await connection.fetchval(f"SELECT {text}::numeric") == Decimal(text)
        time = await connection.fetchval("SELECT '2026-11-30 10:11:12.123456+00'::timestamptz")
        assert time == datetime(2026, 11, 30, 10, 11, 12, 123456, tzinfo=UTC)
    finally:
        await connection.close()


async def test_a_row_that_is_there_already_sends_its_batch_by_the_stages(
    sidecar: Sidecar, log: Log, database: Database
) -> None:
    """A NewOrder that was sent again in a later batch: the first one stays, and nothing of the batch is lost."""
    frames = list(flow(10, 20))
    process = sidecar.start(copy_rows_min=1)
    log.commands(*(c for c, _ in frames[:5]))
    log.events(*(e for _, e in frames[:5]))
    await database.until_persisted(frames[4][0].id, frames[4][1].id)
    again, told = Commands(), Events()
    first = await database.fetch("SELECT account, client_order_id, quantity_lots FROM orders LIMIT 1")
    account, client_order_id, quantity = first[0].values()
    key = again.new(account, client_order_id, quantity=quantity + 5)
    other = again.new("zoe", "z1", quantity=8)
    maker = told.add(FILL, "zoe", other, 1, executed=3, leaves=5, notional="30012")
    told.trade(10_000, maker, maker)
    last = frames[4][0].id.ms + 1
    log.commands(again.entry(last))
    log.events(told.entry(last))
    await database.until("SELECT count(*) FROM orders WHERE account = 'zoe' AND executed_notional = 30012", 1)
    kept = await database.fetch("SELECT quantity_lots FROM orders WHERE order_id = $1", uuid.UUID(bytes=key))
    assert kept == [{"quantity_lots": quantity}]
    stop(process)
    assert await database.value("SELECT count(*) FROM dead_letters") == 0
