"""Histories: what every client did and was told, one line of JSON for each step, written as it happens.

    {"at": 12.345678, "client": "session-1", "what": "invoke", "command_id": "…", "account": "…", "op": "new"}
    {"at": 12.351020, "client": "session-1", "what": "ok", "command_id": "…", "account": "…", "level": "QUEUED"}
    {"at": 12.360114, "client": "session-1", "what": "event", "told": ["acc", 17, "FILL", …]}

`at` is monotonic time in seconds since the run began. A retry of a command is an `invoke` again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal
    from pathlib import Path

    from gateway.client import OrderEvent


class What(StrEnum):
    """Kinds of steps."""

    INVOKE = "invoke"
    OK = "ok"
    """Acknowledged: it is stored and will take effect."""
    FAILED = "failed"
    """Refused with NOT_APPLIED: this attempt had no effect and never will."""
    UNKNOWN = "unknown"
    """It may or may not take effect."""
    FENCED = "fenced"
    """Never seen, and unusable from now on: it has no effect and never will."""
    EVENT = "event"
    FAULT = "fault"


class Told(NamedTuple):
    """One event as an account's owner is told it. Numbers are plain decimals, "" where there is none."""

    account: str
    seq: int
    kind: str
    command_id: str
    order_id: str = ""
    symbol: str = ""
    side: str = ""
    status: str = ""
    quantity: str = ""
    limit_price: str = ""
    executed: str = ""
    leaves: str = ""
    version: int = 0
    trade_id: str = ""
    fill_quantity: str = ""
    fill_price: str = ""
    liquidity: str = ""
    cause: str = ""
    reason: str = ""
    cursor: str = ""
    client_order_id: str = ""
    display: str = ""


def told(account: str, event: OrderEvent) -> Told:
    """What `event` of `account` says."""
    order, fill, failure = event.order, event.fill, event.failure
    row = Told(
        account,
        event.seq,
        event.kind.name,
        event.command_id,
        cause=event.cause.name if event.cause else "",
        reason=failure.reason.name if failure else "",
        cursor=event.cursor,
    )
    if order is not None:
        row = row._replace(
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side.name,
            status=order.status.name,
            quantity=plain(order.quantity),
            limit_price=plain(order.limit_price),
            executed=plain(order.executed_quantity),
            leaves=plain(order.leaves_quantity),
            version=order.version,
            display=plain(order.display_quantity),
        )
    if fill is not None:
        row = row._replace(
            trade_id=fill.trade_id,
            fill_quantity=plain(fill.quantity),
            fill_price=plain(fill.price),
            liquidity=fill.liquidity.name,
        )
    return row


def plain(number: Decimal | None) -> str:
    """A decimal in one way only: no exponent, no zeros at its end; "" for None."""
    if number is None:
        return ""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(slots=True)
class Step:
    """One line of a history."""

    at: float
    client: str
    what: What
    command_id: str = ""
    account: str = ""
    op: str = ""
    """new, cancel or amend; of an invoke."""
    level: str = ""
    """Ack level reached; of an ok."""
    reason: str = ""
    """Of what failed or is unknown."""
    told: Told | None = None
    """Of an event."""
    fault: dict[str, Any] = field(default_factory=dict)
    """Of a fault: its kind, what was done to what, and for how long."""


class Recorder:
    """Writes one history. Lines go to the file at once, so that a history outlives whatever ends the run.

    Args:
        path: file to write.
        client: whose history.
        clock: seconds since the run began, monotonic.
    """

    def __init__(self, path: Path, client: str, clock: Callable[[], float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("w", encoding="utf-8", buffering=1)
        self._client = client
        self._clock = clock

    def write(self, what: What, **fields: Any) -> None:
        """Adds a step now."""
        line = {"at": round(self._clock(), 6), "client": self._client, "what": what, **fields}
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


def read_histories(folder: Path) -> list[Step]:
    """All steps of the histories in `folder`, those of one client in their order."""
    return [step for path in sorted(folder.glob("*.jsonl")) for step in parse(path.read_text("utf-8").splitlines())]


def parse(lines: Iterable[str]) -> list[Step]:
    """Steps from lines of JSON."""
    steps = []
    for line in lines:
        raw = json.loads(line)
        if raw.get("told"):
            raw["told"] = Told(*raw["told"])
        steps.append(Step(**raw | {"what": What(raw["what"])}))
    return steps


@dataclass(slots=True)
class Operation:
    """One command of one client, all its attempts together."""

    command_id: str
    account: str
    client: str
    op: str
    invoked_at: float
    attempts: int = 0
    answers: list[What] = field(default_factory=list)
    refused_for: str = ""

    @property
    def outcome(self) -> What:
        """OK if any attempt was acknowledged; FENCED, or FAILED if every one was refused; else UNKNOWN."""
        if What.FENCED in self.answers:
            return What.FENCED
        if What.OK in self.answers:
            return What.OK
        refused = self.answers.count(What.FAILED)
        return What.FAILED if refused and refused == len(self.answers) == self.attempts else What.UNKNOWN


def operations(steps: Iterable[Step]) -> dict[tuple[str, str], Operation]:
    """Operations by (account, command_id)."""
    found: dict[tuple[str, str], Operation] = {}
    for step in steps:
        key = (step.account, step.command_id)
        if step.what is What.INVOKE:
            known = found.setdefault(key, Operation(step.command_id, step.account, step.client, step.op, step.at))
            known.attempts += 1
        elif step.what in {What.OK, What.FAILED, What.UNKNOWN, What.FENCED}:
            found[key].answers.append(step.what)
            if step.what is What.FAILED:
                found[key].refused_for = step.reason
    return found


def streams(steps: Iterable[Step]) -> dict[tuple[str, str], list[Told]]:
    """Events by (client, account), in the order in which the client was told them."""
    found: dict[tuple[str, str], list[Told]] = {}
    for step in steps:
        if step.told is not None:
            found.setdefault((step.client, step.told.account), []).append(step.told)
    return found
