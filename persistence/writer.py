"""Writing one batch in one transaction, with the offset inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistence.database import watched
from persistence.errors import OffsetMoved
from persistence.frames import read_events, split_ids
from persistence.operations import NO_REQUEST, REQUEST, requests_of
from persistence.outages import is_poison
from persistence.packed import STRAIGHT, Copy, Packed
from persistence.rows import COMMAND_INDEX, Letter, Row, Rows, build_rows, new_order_key
from persistence.statements import statement
from persistence.streams import Entry, LogId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistence.batcher import Batch
    from persistence.packed import Packer
    from persistence.streams import Position

TABLES = (
    *("orders", "full_orders", "updates", "full_updates", "refusals"),
    *("executions", "account_events", "operations", "frames", "times", "letters"),
)
"""Lists of `Rows` in the order of writing; each has a stage and a statement of the same name."""

COPY_ROWS_MIN = 300
"""From this many rows on, COPY is faster than arrays as parameters."""

_MERGED_BATCHES = 20
"""After a batch with a row that was there already, so many go by the stages: where one was repeated, others may be."""

_EVENT_ID = {
    "updates": 9,
    "full_updates": 9,
    "refusals": 1,
    "executions": 11,
    "account_events": 3,
    "operations": 4,
    "times": 0,
}
"""Place of the event frame's id in rows that stem from events."""


class Writer:
    """Writes the batches of one shard over one connection."""

    def __init__(
        self, connection: Any, shard: int, copy_rows_min: int = COPY_ROWS_MIN, packer: Packer | None = None
    ) -> None:
        self._connection = connection
        self._shard = shard
        self._copy_rows_min = copy_rows_min
        self._packer = packer
        self._columns: dict[str, list[str]] = {}
        self._types: dict[str, list[str]] = {}
        self._merge: dict[str, str] = {}
        self._unnest: dict[str, str] = {}
        self._to_merge = 0

    async def prepare(self) -> None:
        """Makes the stages; once per connection, before the first batch."""
        await self._connection.execute(statement("stage", "create_stages"))
        for table in TABLES:
            stage = f"stage_{table}"
            columns = await self._connection.fetch(statement("stage", "describe_stage"), stage)
            self._columns[table] = [c["name"] for c in columns]
            self._types[table] = [c["type"] for c in columns]
            arrays = ", ".join(f"${place}::{c['type']}[]" for place, c in enumerate(columns, 2))
            merge = statement("write", table)
            self._merge[table] = merge.replace(":rows", f"{stage} AS s")
            self._unnest[table] = merge.replace(":rows", f"unnest({arrays}) AS s({', '.join(self._columns[table])})")

    def rows(self, batch: Batch) -> Rows | Packed:
        """The rows of a batch as they are best written: packed, unless something speaks against it.

        Raises:
            UnsupportedFrame: a newer version wrote a frame of the batch.
        """
        if self._packer is not None:
            if self._to_merge:
                self._to_merge -= 1
            elif (packed := self._packer.pack(self._shard, batch)) is not None:
                return packed
        return build_rows(batch)

    async def write(self, batch: Batch, rows: Rows | Packed) -> None:
        """Commits the rows of a batch and its offset.

        Raises:
            OffsetMoved: another persister is active; nothing was written.
            asyncpg.PostgresError: Postgres refused; nothing was written. See `errors.is_poison`.
            asyncpg.InterfaceError, OSError: the connection is lost, and the outcome unknown.
        """
        async with watched(self._connection):
            if isinstance(rows, Packed):
                try:
                    await self._copy_all(batch, rows)
                except Exception as error:
                    if not is_poison(error):
                        raise
                    self._to_merge = _MERGED_BATCHES
                    rows = build_rows(batch)
                else:
                    return
            await self._store_all(batch, rows)

    async def _store_all(self, batch: Batch, rows: Rows) -> None:
        await self._resolve(rows)
        async with self._connection.transaction():
            await self._move_offset(batch.after, batch.upto)
            for table in TABLES:
                if found := getattr(rows, table):
                    await self._store(table, found)

    async def _copy_all(self, batch: Batch, packed: Packed) -> None:
        async with self._connection.transaction():
            await self._move_offset(batch.after, batch.upto)
            for table, copy in packed.copies.items():
                await self._copy(table, copy)

    async def write_apart(self, batch: Batch, rows: Rows) -> int:
        """Like `write`, but rows that Postgres refuses for their data become dead letters.

        Args:
            batch: the batch.
            rows: its rows, built with `combine=False`.

        Returns:
            Number of rows that became dead letters.
        """
        async with watched(self._connection):
            await self._resolve(rows)
            async with self._connection.transaction():
                await self._move_offset(batch.after, batch.upto)
                letters = await self._store_apart(batch, rows)
                if letters:
                    await self._store("letters", _share_payloads(letters))
        return len(letters)

    async def repeat(self, batch: Batch, rows: Rows) -> list[Letter]:
        """Writes rows of frames below the offset once more, in the caller's transaction; the offset stays.

        Every statement may be repeated, so rows that are there already stay as they are.

        Returns:
            The rows that Postgres refuses for their data.
        """
        await self._resolve(rows)
        return await self._store_apart(batch, rows)

    async def store(self, table: str, rows: Sequence[Row]) -> None:
        """Writes rows of one table, in the caller's transaction."""
        if rows:
            await self._store(table, rows)

    async def heartbeat(self, position: Position) -> None:
        """Shows a sign of life: the offset is touched where it is.

        Raises:
            OffsetMoved: another persister is active.
        """
        async with watched(self._connection):
            await self._move_offset(position, position)

    async def sign_of_life(self) -> None:
        """Lets Postgres see that this client lives; writes nothing."""
        async with watched(self._connection):
            await self._connection.fetchval(statement("session", "sign_of_life"))

    async def _move_offset(self, after: Position, upto: Position) -> None:
        ids = (*after.commands, *after.events, *upto.commands, *upto.events)
        moved = await self._connection.fetchval(statement("write", "move_offset"), self._shard, *ids)
        if moved is None:
            raise OffsetMoved(f"offset of shard {self._shard} is no longer at {after.commands} and {after.events}")

    async def _store_apart(self, batch: Batch, rows: Rows) -> list[Letter]:
        letters: list[Letter] = []
        for table in TABLES:
            if found := getattr(rows, table):
                await self._bisect(table, found, batch, letters)
        return letters

    async def _store(self, table: str, rows: Sequence[Row]) -> None:
        if len(rows) < self._copy_rows_min or table == "refusals":
            arrays = zip(*rows, strict=True)
            await self._connection.execute(self._unnest[table], self._shard, *arrays)
            return
        await self._connection.copy_records_to_table(f"stage_{table}", records=rows, columns=self._columns[table])
        await self._connection.execute(self._merge[table], self._shard)

    async def _copy(self, table: str, copy: Copy) -> None:
        """Straight into its table, where a row that is there already is refused; else to be merged."""
        if table not in STRAIGHT and copy.rows < self._copy_rows_min:
            # A commit empties all stages, one after the other, if one of them was touched: a millisecond.
            await self._store(table, list(copy.values(self._types[table])))
            return
        target, columns = STRAIGHT.get(table) or (f"stage_{table}", self._columns[table])
        await self._connection.copy_to_table(target, source=copy.chunks(), columns=columns, format="binary")
        if table not in STRAIGHT:
            await self._connection.execute(self._merge[table], self._shard)

    async def _bisect(self, table: str, rows: Sequence[Row], batch: Batch, letters: list[Letter]) -> None:
        try:
            async with self._connection.transaction():  # a savepoint
                await self._store(table, rows)
        except Exception as error:
            if not is_poison(error):
                raise
            if len(rows) == 1:
                letters.append(_letter(table, rows[0], batch, error))
                return
            half = len(rows) // 2
            await self._bisect(table, rows[:half], batch, letters)
            await self._bisect(table, rows[half:], batch, letters)

    async def _resolve(self, rows: Rows) -> None:
        """Looks up in archived frames what events do not tell.

        That is: the ids of refused NewOrders whose event names no order, and what operations asked for.
        """
        for place, row in enumerate(rows.refusals):
            if row[0] is None:
                entry = await self._archived(LogId(row[1], row[2]))
                key = new_order_key(entry, row[3])
                rows.refusals[place] = (key or None, *row[1:])
        asked: dict[LogId, dict[int, str]] = {}
        for place, row in enumerate(rows.operations):
            if row[REQUEST] is None:
                log_id, index = LogId(row[4], row[5]), row[6]
                if log_id not in asked:
                    asked[log_id] = requests_of(await self._archived(log_id))
                request = asked[log_id].get(index, NO_REQUEST)
                rows.operations[place] = (*row[:REQUEST], request, *row[REQUEST + 1 :])

    async def _archived(self, log_id: LogId) -> Entry:
        payload = await self._connection.fetchval(statement("write", "read_frame"), self._shard, *log_id)
        return Entry(log_id, payload, 1)


def _letter(table: str, row: Row, batch: Batch, error: Exception) -> Letter:
    """Where the row came from; see the stages for the places of ids in a row."""
    text = f"{table}: {type(error).__name__}: {error}"
    if table in {"orders", "full_orders"}:
        return _found(batch.commands, "commands", LogId(row[10], row[11]), row[COMMAND_INDEX], text)
    if table in {"frames", "letters"}:
        stream, offset = (row[0], 1) if table == "letters" else ("commands", 0)
        return Letter(stream, row[offset], row[offset + 1], None, None, text)
    place = _EVENT_ID[table]
    log_id = LogId(row[place], row[place + 1])
    return _found(batch.events, "events", log_id, _event_index(table, row, batch, log_id), text)


def _event_index(table: str, row: Row, batch: Batch, log_id: LogId) -> int | None:
    """Which event of its frame the row is about, if it is about one."""
    entry = next((e for e in batch.events if e.id == log_id), None)
    if entry is None or table not in {"updates", "full_updates", "operations"}:
        return None
    frame = read_events(entry)
    if table == "operations":
        events = zip(map(list(frame.accounts).__getitem__, frame.account_index), frame.seqs, strict=True)
        return list(events).index((row[0], row[1]))
    return list(zip(split_ids(frame.order_ids), frame.seqs, strict=True)).index((row[0], row[8]))


def _found(entries: Sequence[Entry], stream: str, log_id: LogId, index: int | None, text: str) -> Letter:
    payload = next((e.frame for e in entries if e.id == log_id), None)
    return Letter(stream, *log_id, index, payload, text)


def _share_payloads(letters: list[Letter]) -> list[Letter]:
    """Letters of one frame carry it once."""
    seen: set[tuple[str, int, int]] = set()
    shared = []
    for letter in letters:
        place = (letter.stream, letter.ms, letter.seq)
        shared.append(letter._replace(payload=None) if place in seen else letter)
        seen.add(place)
    return shared
