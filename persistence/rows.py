"""From frames to rows. Pure: a batch in, the rows of its transaction out.

Rows are tuples in the order of the stages' columns (`sql/stage.sql`). An order whose command and events are in the
same batch is one row in its final state; of several events about an order only the last is kept, since the columns
of an event frame are absolute. So are the terms of an order in `EventFrame.terms`, which only a few events carry: the
last of these is kept besides. Most orders have neither these nor any of `CommandFrame.terms`; those that do go through
tables of their own, so that the others do not pay for their columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import compress, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from persistence.errors import MalformedFrame
from persistence.frames import CHANGING_KINDS, COMMAND_REJECTED, NEW_ORDER, read_commands, read_events, split_ids
from persistence.operations import NO_REQUEST, REQUEST, has_operations, operations_of, requests_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordergate.log.v1.command_frame_pb2 import CommandFrame
    from ordergate.log.v1.event_frame_pb2 import EventFrame
    from persistence.batcher import Batch
    from persistence.streams import Entry

Row = tuple[Any, ...]

NO_ORDER = bytes(16)
"""Id in an event that is about no order."""
QUEUED = 1
REJECTED = 7
_QUANTITY, _LIMIT_PRICE, _COMMAND_MS, _COMMAND_SEQ, _COMMAND_INDEX = 7, 8, 9, 10, 11
"""Places in the terms of an order."""
COMMAND_INDEX = 1 + _COMMAND_INDEX
"""Place of the command's index in a row of `orders` and `full_orders`."""
_NO_MORE: Row = (0, 0, 0, 0, "", "", "", False)
"""What an order without a row in CommandFrame.terms has: trigger price, visible part, end, and so on."""


class Letter(NamedTuple):
    """A dead letter: what could not be written, raw, and why."""

    stream: str
    ms: int
    seq: int
    place: int | None
    """Command or event in the frame; None for the whole frame."""
    payload: bytes | None
    """The raw frame."""
    error: str


@dataclass(slots=True)
class Rows:
    """Rows of one transaction, each list in the order in which it is to be written."""

    orders: list[Row] = field(default_factory=list)
    """New orders, by id."""
    full_orders: list[Row] = field(default_factory=list)
    """New orders with more than the usual terms, or whose terms an event of the batch changed, by id."""
    updates: list[Row] = field(default_factory=list)
    """Last events about orders of earlier batches, by id."""
    full_updates: list[Row] = field(default_factory=list)
    """The same for orders whose terms an event of the batch changed."""
    refusals: list[Row] = field(default_factory=list)
    """NewOrders of earlier batches whose id belonged to another command; order_id is None if it is to be looked up."""
    executions: list[Row] = field(default_factory=list)
    """Trades, by number."""
    account_events: list[Row] = field(default_factory=list)
    """Events as clients get them: one row per account and event frame, in the order of the log."""
    operations: list[Row] = field(default_factory=list)
    """Trading states, limits, mass cancels; the request is None if it is to be looked up."""
    frames: list[Row] = field(default_factory=list)
    """Raw command frames, by id."""
    times: list[Row] = field(default_factory=list)
    """Engine times of frames of earlier batches, by id."""
    letters: list[Row] = field(default_factory=list)
    """Frames that can't be read."""

    def count(self, *tables: str) -> int:
        """Rows of these lists."""
        return sum(len(getattr(self, table)) for table in tables)


def build_rows(batch: Batch, *, combine: bool = True) -> Rows:
    """The rows of a batch.

    Args:
        batch: entries of both streams.
        combine: fold events into new orders of the same batch. Without it every row stems from one stream only, so
            that a row which Postgres refuses can be told from its neighbours.

    Raises:
        UnsupportedFrame: a newer version wrote a frame of the batch.
    """
    builder = _Builder()
    for entry in batch.commands:
        builder.add_commands(entry)
    for entry in batch.events:
        builder.add_events(entry)
    return builder.finish(combine=combine)


class _Builder:
    def __init__(self) -> None:
        self._terms: dict[bytes, Row] = {}
        self._more: dict[bytes, Row] = {}
        self._states: dict[bytes, Row] = {}
        self._revised: dict[bytes, Row] = {}
        self._frames: dict[tuple[int, int], Entry] = {}
        self._engine_times: dict[tuple[int, int], int] = {}
        self._refused: list[Row] = []
        self._rows = Rows()

    def add_commands(self, entry: Entry) -> None:
        self._frames[entry.id] = entry
        try:
            frame = read_commands(entry)
            keys, rows = _terms(frame, *entry.id)
        except (MalformedFrame, IndexError) as error:
            self._refuse("commands", entry, error)
            return
        more = _more(frame) if frame.terms else {}
        found = dict(zip(keys, rows, strict=True))
        if len(found) == len(keys) and self._terms.keys().isdisjoint(found):
            self._terms.update(found)
            self._more.update((keys[place], row) for place, row in more.items())
            return
        for place, (key, row) in enumerate(zip(keys, rows, strict=True)):
            if key not in self._terms:  # the first NewOrder of the log with an id is the order
                self._terms[key] = row
                if place in more:
                    self._more[key] = more[place]

    def add_events(self, entry: Entry) -> None:
        try:
            frame = read_events(entry)
            ids = split_ids(frame.order_ids)
            trades = list(_trades(frame, ids, *entry.id)) if frame.trade_numbers else ()
            told = _account_events(frame, *entry.id)
            operations = list(operations_of(frame, *entry.id)) if has_operations(frame.kinds) else ()
        except (MalformedFrame, IndexError) as error:
            self._refuse("events", entry, error)
            return
        self._engine_times[entry.id] = frame.engine_time_ns
        self._states.update(_changes(frame, ids, *entry.id))
        self._rows.executions.extend(trades)
        self._rows.account_events.extend(told)
        if frame.terms:
            self._revised.update(_revisions(frame, ids))
        if operations:
            self._add_operations(entry, operations)
        if COMMAND_REJECTED in frame.kinds:
            self._refused.extend(_refusals(frame, ids, *entry.id))

    def _add_operations(self, entry: Entry, operations: Iterable[Row]) -> None:
        commands = self._frames.get(entry.id)
        asked = requests_of(commands) if commands is not None else None
        for row in operations:
            request = None if asked is None else asked.get(row[REQUEST - 1], NO_REQUEST)
            self._rows.operations.append((*row[:REQUEST], request, *row[REQUEST + 1 :]))

    def _refuse(self, stream: str, entry: Entry, error: Exception) -> None:
        text = "an index points outside of its table" if isinstance(error, IndexError) else str(error)
        self._rows.letters.append(Letter(stream, *entry.id, None, entry.frame, text))

    def finish(self, *, combine: bool) -> Rows:
        rows, terms = self._rows, self._terms
        self._place_refusals()
        states, revised = (self._states, self._revised) if combine else ({}, {})
        full = self._more.keys() | (revised.keys() & terms.keys())
        for key in sorted(terms):
            row = terms[key]
            state = states.pop(key, None) or _queued(row)
            if key in full:
                rows.full_orders.append(_full(key, row, state, self._more.get(key), revised.pop(key, None)))
            else:
                rows.orders.append((key, *row, *state))
        self._place_updates()
        rows.executions.sort()
        times = self._engine_times
        rows.frames = [(*e.id, e.frame or b"", times.pop(e.id, None)) for e in self._frames.values()]
        rows.times = [(*log_id, time) for log_id, time in times.items()]
        return rows

    def _place_updates(self) -> None:
        rows, states, revised = self._rows, self._states, self._revised
        rows.full_updates = [(key, *states.pop(key), *revised[key]) for key in sorted(revised)]
        rows.updates = [(key, *states[key]) for key in sorted(states)]

    def _place_refusals(self) -> None:
        for key, ms, seq, index, reason, event_seq, engine_us in self._refused:
            entry = self._frames.get((ms, seq))
            order_id = key if key != NO_ORDER or entry is None else new_order_key(entry, index)
            terms = self._terms.get(order_id) if order_id else None
            if terms is not None and (terms[_COMMAND_MS], terms[_COMMAND_SEQ], terms[_COMMAND_INDEX]) == (
                ms,
                seq,
                index,
            ):
                state = (REJECTED, reason, 0, 0, 0, "", 0, event_seq, ms, seq, engine_us)
                self._states[order_id] = state
            elif entry is None:
                known = None if order_id == NO_ORDER else order_id
                self._rows.refusals.append((known, ms, seq, index, reason, event_seq, engine_us))


def new_order_key(entry: Entry, index: int) -> bytes:
    """Key of command `index` of a frame if it is a NewOrder, else an empty text."""
    try:
        frame = read_commands(entry)
    except MalformedFrame:
        return b""
    if index >= len(frame.kinds) or frame.kinds[index] != NEW_ORDER:
        return b""
    return frame.keys[16 * index : 16 * index + 16]


def _queued(terms: Row) -> Row:
    return (QUEUED, 0, 0, 0, terms[_QUANTITY], "", 0, 0, None, None, None)


def _terms(frame: CommandFrame, ms: int, seq: int) -> tuple[list[bytes], list[Row]]:
    """Keys and terms of the new orders of a frame."""
    kinds = frame.kinds
    columns: list[Iterable[Any]] = [
        split_ids(frame.keys),
        map(list(frame.accounts).__getitem__, frame.account_index),
        frame.command_ids,
        range(len(kinds)),
        frame.age_us,
    ]
    if kinds.count(NEW_ORDER) != len(kinds):
        is_new = [kind == NEW_ORDER for kind in kinds]
        columns = [compress(column, is_new) for column in columns]
    keys, accounts, command_ids, indexes, ages = columns
    keys = list(keys)
    queued_us = frame.queued_at_ns // 1000
    rows = zip(
        accounts,
        command_ids,
        map(list(frame.symbols).__getitem__, frame.symbol_index),
        frame.sides,
        frame.order_types,
        frame.times_in_force,
        frame.flags,
        frame.quantity_lots,
        frame.limit_price_ticks,
        repeat(ms),
        repeat(seq),
        indexes,
        repeat(queued_us),
        ages,
    )
    return keys, list(rows)


def _more(frame: CommandFrame) -> dict[int, Row]:
    """Terms beyond the usual, by the order's place among the frame's new orders."""
    return {
        row.order_index: (
            row.stop_price_ticks,
            row.display_lots,
            row.expire_at_ns // 1000,
            row.self_trade_prevention,
            row.stp_group,
            row.tag,
            row.session,
            row.cancel_on_disconnect,
        )
        for row in frame.terms
    }


def _full(key: bytes, terms: Row, state: Row, more: Row | None, revised: Row | None) -> Row:
    """A new order with all that it has; its terms are those of the last event that changed them, if one did."""
    more = more or _NO_MORE
    if revised is None:
        return (key, *terms, *state, *more, None)
    quantity, limit_price, stop_price, expire_us, event_seq = revised
    terms = (*terms[:_QUANTITY], quantity, limit_price, *terms[_LIMIT_PRICE + 1 :])
    return (key, *terms, *state, stop_price, more[1], expire_us, *more[3:], event_seq)


def _revisions(frame: EventFrame, ids: list[bytes]) -> Iterable[tuple[bytes, Row]]:
    """Order and its new terms, for every event that changed them."""
    kinds = frame.kinds
    for row in frame.terms:
        place = row.event_index
        if kinds[place] in CHANGING_KINDS:
            terms = (row.quantity_lots, row.limit_price_ticks, row.stop_price_ticks, row.expire_at_ns // 1000)
            yield ids[place], (*terms, frame.seqs[place])


def _changes(frame: EventFrame, ids: list[bytes], ms: int, seq: int) -> Iterable[tuple[bytes, Row]]:
    """Order and its state, for every event that changes one."""
    states = zip(
        frame.statuses,
        frame.reasons,
        frame.causes,
        frame.executed_lots,
        frame.leaves_lots,
        frame.executed_notionals,
        frame.versions,
        frame.seqs,
        repeat(ms),
        repeat(seq),
        repeat(frame.engine_time_ns // 1000),
    )
    changes = zip(ids, states, strict=False)
    if not frame.kinds.translate(None, CHANGING_KINDS):
        return changes
    return compress(changes, [kind in CHANGING_KINDS for kind in frame.kinds])


def _trades(frame: EventFrame, ids: list[bytes], ms: int, seq: int) -> Iterable[Row]:
    accounts = [frame.accounts[i] for i in frame.account_index]
    seqs = list(frame.seqs)
    makers, takers = list(frame.trade_maker_event), list(frame.trade_taker_event)
    return zip(
        frame.trade_numbers,
        [frame.symbols[i] for i in frame.trade_symbol_index],
        frame.trade_price_ticks,
        frame.trade_quantity_lots,
        frame.trade_taker_sides,
        map(ids.__getitem__, makers),
        map(ids.__getitem__, takers),
        map(accounts.__getitem__, makers),
        map(accounts.__getitem__, takers),
        map(seqs.__getitem__, makers),
        map(seqs.__getitem__, takers),
        repeat(ms),
        repeat(seq),
        repeat(frame.engine_time_ns // 1000),
    )


def _account_events(frame: EventFrame, ms: int, seq: int) -> list[Row]:
    """Events of each account as they go to clients."""
    accounts = frame.accounts
    return [
        (accounts[part.account_index], part.first_seq, part.first_seq + part.count - 1, ms, seq, part.events)
        for part in frame.account_events
        if part.count
    ]


def _refusals(frame: EventFrame, ids: list[bytes], ms: int, seq: int) -> Iterable[Row]:
    engine_us = frame.engine_time_ns // 1000
    for place, kind in enumerate(frame.kinds):
        if kind == COMMAND_REJECTED:
            index = frame.command_index[place]
            yield (ids[place], ms, seq, index, frame.reasons[place], frame.seqs[place], engine_us)
