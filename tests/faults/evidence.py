"""What was found at the end of a run, as values: the log, what a fresh engine makes of it, Postgres, the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.faults.history import Told


class LogId(NamedTuple):
    """Id of a frame; compares as Redis orders them."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


ZERO = LogId(0, 0)


class Command(NamedTuple):
    """One command of the log."""

    frame: LogId
    index: int
    kind: str
    """NEW_ORDER, CANCEL_ORDER, AMEND_ORDER, MASS_CANCEL, TICK, …"""
    account: str
    command_id: str
    key: str
    """Hash of account and command_id; of a new order its order_id."""


class OrderRow(NamedTuple):
    """One order, as Postgres holds it, or as the last event about it tells. Numbers as in `Told`."""

    order_id: str
    account: str
    client_order_id: str
    symbol: str
    side: str
    status: str
    quantity: str
    limit_price: str
    executed: str
    leaves: str
    version: int
    last_event_seq: int


class Trade(NamedTuple):
    """One row of executions."""

    trade_id: str
    symbol: str
    price: str
    quantity: str
    maker_order_id: str
    taker_order_id: str
    maker_seq: int
    taker_seq: int


class Letter(NamedTuple):
    """One dead letter that was not replayed."""

    stream: str
    frame: LogId
    index: int | None
    error: str


class Level(NamedTuple):
    """Visible quantity at one price of one side."""

    symbol: str
    side: str
    price: str
    quantity: str


@dataclass(slots=True)
class Database:
    """What Postgres holds."""

    orders: list[OrderRow] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    events: list[Told] | None = None
    """The account events that it keeps, None if this version keeps none."""
    commands_upto: LogId = ZERO
    """Offset of the persister."""
    events_upto: LogId = ZERO


@dataclass(slots=True)
class Engine:
    """What an engine says of itself."""

    state_hash: str = ""
    last_applied: LogId = ZERO
    commands: int = 0
    trades: int = 0
    open_orders: int = 0


@dataclass(slots=True)
class Evidence:
    """All of it."""

    commands: list[Command] = field(default_factory=list)
    """The whole log, in its order: Redis and, where that is trimmed, the archive in Postgres."""
    payloads: list[tuple[LogId, str]] = field(default_factory=list)
    """Each frame of the log with a digest of its bytes."""
    events: list[Told] = field(default_factory=list)
    """Every event that a fresh engine tells when it is given the whole log, in order."""
    database: Database = field(default_factory=Database)
    engine: Engine = field(default_factory=Engine)
    """The running engine."""
    replayed: Engine = field(default_factory=Engine)
    """A fresh engine that was given the whole log."""
    book: list[Level] = field(default_factory=list)
    """The running engine's books."""
    faults: list[tuple[str, str]] = field(default_factory=list)
    """What did not fit while reading: (lost, duplicated or mismatched; a sentence)."""
