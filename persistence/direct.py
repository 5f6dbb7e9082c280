"""Rows as COPY takes them straight into their tables.

By way of a stage a row is copied twice, and merged by a statement that looks for a row with its key first. Straight
into its table it is copied once; a row that is there already is refused, and then the batch goes by the stages.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from persistence.outages import is_poison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from persistence.rows import Row

_ORDERS = """order_id shard account client_order_id symbol side order_type time_in_force flags quantity_lots
limit_price_ticks command_ms command_seq command_index created_at queued_at updated_at status reject_reason cause
executed_lots leaves_lots executed_notional version last_event_seq event_ms event_seq"""
_EXECUTIONS = """shard trade_number symbol price_ticks quantity_lots taker_side maker_order_id taker_order_id
maker_account taker_account maker_seq taker_seq event_ms event_seq executed_at"""
_ACCOUNT_EVENTS = "shard account first_seq last_seq ms seq events"
_FRAMES = "shard ms seq payload engine_time_ns"

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_US = 946_684_800_000_000
"""Postgres counts time from 2000, in microseconds."""


async def codecs(connection: Any) -> None:
    """Makes a connection take times as `RECORDS` gives them, in a tuple of microseconds since 2000.

    A datetime for each would cost more than the rest of its row. What the connection reads is as ever.
    """
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=tuple,
        decoder=lambda time: _EPOCH + timedelta(microseconds=time[0]),
        format="tuple",
    )


def is_refused(error: BaseException) -> bool:
    """Whether a row was refused, by Postgres or on the way to it: it is there already, or is none."""
    return is_poison(error) or isinstance(error, ArithmeticError)  # of a number or time that is none


def _orders(shard: int, rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        queued_us, age_us, notional, engine_us = row[13], row[14], row[20], row[25]
        queued = queued_us - _EPOCH_US
        yield (
            row[0],
            shard,
            *row[1:9],
            row[9] or None,
            *row[10:13],
            (queued - age_us,),
            (queued,),
            (queued if engine_us is None else engine_us - _EPOCH_US,),
            *row[15:20],
            notional or "0",
            *row[21:25],
        )


def _executions(shard: int, rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        yield (shard, *row[:-1], (row[-1] - _EPOCH_US,))


def _with_shard(shard: int, rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        yield (shard, *row)


RECORDS: dict[str, tuple[str, list[str], Callable[[int, Sequence[Row]], Iterator[Row]]]] = {
    "orders": ("orders", _ORDERS.split(), _orders),
    "executions": ("executions", _EXECUTIONS.split(), _executions),
    "account_events": ("account_events", _ACCOUNT_EVENTS.split(), _with_shard),
    "frames": ("command_frames", _FRAMES.split(), _with_shard),
}
"""For a list of `Rows`: its table, the columns of the records, and how records are made of a shard and rows."""
