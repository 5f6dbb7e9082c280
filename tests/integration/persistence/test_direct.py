"""COPY straight into the tables: values as Postgres has them, and rows that are there already."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest

from persistence import direct
from tests.integration.persistence.conftest import stop
from tests.unit.persistence.frames import FILL, Commands, Events, flow

if TYPE_CHECKING:
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration


async def test_times_are_sent_in_microseconds_and_read_as_ever(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await direct.codecs(connection)
        time = await connection.fetchval("SELECT $1::timestamptz", (1_234_567,))
    finally:
        await connection.close()
    assert time == datetime(2000, 1, 1, 0, 0, 1, 234_567, tzinfo=UTC)


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
