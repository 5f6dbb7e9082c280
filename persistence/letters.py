"""Dead letters: looking at them, and writing their rows after all.

A letter is replayed by writing all rows of its frame once more: every statement may be repeated, so what is there
stays, but for an order that a later command with the same id (a retry) has written meanwhile: the first of the log
wins. The letter is marked in the same transaction: killed anywhere, it is either open, and can be replayed again, or
done. The persister's next batch waits for that transaction, so that no event falls between what is read and what is
written.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.json_format import MessageToDict

from persistence.batcher import Batch
from persistence.errors import PersistenceError
from persistence.frames import read_commands, read_events
from persistence.rows import COMMAND_INDEX, Letter, build_rows
from persistence.statements import statement
from persistence.streams import ZERO, Entry, LogId, Position
from persistence.told import ToldOrder, told_orders
from persistence.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistence.rows import Rows

_NOWHERE = Position(ZERO, ZERO)
_IDLE_MAX = "5s"
"""The persister waits for a replay: one that is stopped halfway is ended, and changes nothing."""


class NoSuchLetter(PersistenceError):
    """There is no dead letter with this id."""


class Outcome(NamedTuple):
    """What came of one letter."""

    id: int
    error: str | None
    """Why it stays open; None: its rows are written."""


async def list_letters(connection: Any, *, replayed: bool, after: int, limit: int) -> tuple[list[Any], int, int]:
    """Letters oldest first, then how many are open, and how many there are."""
    rows = await connection.fetch(statement("letters", "letters"), replayed, after, limit)
    counts = await connection.fetchrow(statement("letters", "counts"))
    return rows, counts["open"], counts["total"]


async def show_letter(connection: Any, letter_id: int) -> tuple[Any, bytes | None, dict[str, Any] | str]:
    """A letter, its raw frame, and the frame in words; or why it can't be read.

    Raises:
        NoSuchLetter: there is none with this id.
    """
    row = await connection.fetchrow(statement("letters", "letter"), letter_id)
    if row is None:
        raise NoSuchLetter(f"there is no dead letter {letter_id}")
    raw = await connection.fetchval(statement("letters", "payload"), row["shard"], row["stream"], row["ms"], row["seq"])
    entry = Entry(LogId(row["ms"], row["seq"]), raw, 1)
    try:
        frame = read_commands(entry) if row["stream"] == "commands" else read_events(entry)
    except (PersistenceError, IndexError) as error:
        return row, raw, str(error)
    return row, raw, MessageToDict(frame, preserving_proto_field_name=True)


async def replay_letters(connection: Any, ids: Sequence[int] | None) -> list[Outcome]:
    """Replays the open letters with these ids, or all; other open letters of the same frames with them.

    A letter that was replayed before is left alone.

    Raises:
        NoSuchLetter: there is none with one of the ids; nothing was replayed.
    """
    for letter_id in ids or ():
        if await connection.fetchrow(statement("letters", "letter"), letter_id) is None:
            raise NoSuchLetter(f"there is no dead letter {letter_id}")
    frames = await connection.fetch(statement("letters", "open_frames"), ids)
    outcomes: list[Outcome] = []
    writers: dict[int, Writer] = {}
    for shard, stream, ms, seq in frames:
        if shard not in writers:
            writers[shard] = Writer(connection, shard)
            await writers[shard].prepare()
        outcomes += await _Replay(connection, writers[shard], shard, stream, LogId(ms, seq)).run()
    return sorted(outcomes)


class _Replay:
    """One frame's letters."""

    def __init__(self, connection: Any, writer: Writer, shard: int, stream: str, log_id: LogId) -> None:
        self._connection = connection
        self._writer = writer
        self._frame = (shard, stream, *log_id)
        self._id = log_id

    async def run(self) -> list[Outcome]:
        async with self._connection.transaction():
            await self._connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_MAX}'")
            await self._connection.execute(statement("letters", "hold_batches"), self._frame[0])
            letters = await self._connection.fetch(statement("letters", "open_letters_of"), *self._frame)
            raw = await self._connection.fetchval(statement("letters", "payload"), *self._frame)
            if raw is None:
                return [Outcome(row["id"], "its frame is kept nowhere") for row in letters]
            refused = await self._write(Entry(self._id, raw, 1))
            errors = {letter.place: letter.error for letter in refused}
            outcomes = [Outcome(row["id"], errors.get(row["index"])) for row in letters]
            done = [outcome.id for outcome in outcomes if outcome.error is None]
            await self._connection.execute(statement("letters", "mark_replayed"), done)
        return outcomes

    async def _write(self, entry: Entry) -> list[Letter]:
        commands = self._frame[1] == "commands"
        batch = Batch([entry] if commands else [], [] if commands else [entry], _NOWHERE, _NOWHERE)
        rows = build_rows(batch, combine=False)
        malformed, rows.letters = [Letter(*row) for row in rows.letters], []
        refused = [*malformed, *await self._writer.repeat(batch, rows)]
        if commands:
            await self._retake(rows, {letter.place for letter in refused})
            await self._restore(rows)
        return refused

    async def _retake(self, rows: Rows, refused: set[int | None]) -> None:
        """Writes the orders anew whose rows stem from a later command with their id."""
        shard, _, ms, seq = self._frame
        for table in ("orders", "full_orders"):
            written = {row[0]: row for row in getattr(rows, table) if row[COMMAND_INDEX] not in refused}
            found = await self._connection.fetch(statement("letters", "usurped_orders"), shard, list(written), ms, seq)
            await self._writer.store(table, [written[bytes(row["order_id"])] for row in found])

    async def _restore(self, rows: Rows) -> None:
        """Gives the frame's orders that no event has reached the state that their owners were told."""
        shard, _, ms, seq = self._frame
        keys = [row[0] for row in (*rows.orders, *rows.full_orders)]
        found = await self._connection.fetch(statement("letters", "told_orders"), shard, keys, ms, seq)
        accounts: dict[str, list[ToldOrder]] = {}
        for row in found:
            key, account = row["order_id"], row["account"]
            steps = (row["price_increment"], row["lot_size"])
            order = ToldOrder(key, _text(key), row["client_order_id"], row["time_in_force"], *steps)
            accounts.setdefault(account, []).append(order)
        for account, orders in accounts.items():
            events = await self._connection.fetch(statement("letters", "events_from"), shard, account, ms, seq)
            updates, full = told_orders(orders, events)
            await self._writer.store("updates", updates)
            await self._writer.store("full_updates", full)


def _text(key: bytes) -> str:
    return str(uuid.UUID(bytes=bytes(key)))
