"""What must hold after a run, whatever died in it. Pure functions over histories and evidence.

Each check yields findings: something acknowledged is gone (lost), something took effect or was told twice
(duplicated), or two accounts of the same thing differ (mismatched).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from tests.faults.books import check_books
from tests.faults.fills import check_fills
from tests.faults.fold import fold, put_aside
from tests.faults.history import What, operations, streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.faults.evidence import Evidence
    from tests.faults.history import Operation, Step, Told

Kind = Literal["lost", "duplicated", "mismatched"]

FENCE = "FENCE"
"""Kind of what makes an id unusable; it stands under the id of the command that it is about."""
SYSTEM = "_ordergate"
"""Account of what the installation does itself."""

_ANSWERS = {
    "NEW_ORDER": {"ACCEPTED", "REJECTED", "COMMAND_REJECTED"},
    "CANCEL_ORDER": {"CANCELED", "CANCEL_REJECTED", "COMMAND_REJECTED"},
    "AMEND_ORDER": {"AMENDED", "AMEND_REJECTED", "COMMAND_REJECTED"},
    "MASS_CANCEL": {"MASS_CANCEL_DONE", "COMMAND_REJECTED"},
}
"""Events of which each command gets exactly one, however often it comes."""

_ENDS = {"AMEND_ORDER": "CANCELED"}
"""An amend to what has traded already cancels the rest instead."""


class Finding(NamedTuple):
    """Something that does not hold."""

    kind: Kind
    rule: str
    """Which check found it."""
    text: str


@dataclass(slots=True)
class Verdict:
    """All findings of a run, and what was looked at."""

    findings: list[Finding] = field(default_factory=list)
    operations: int = 0
    acknowledged: int = 0
    refused: int = 0
    fenced: int = 0
    unknown: int = 0

    def count(self, kind: Kind) -> int:
        """Findings of a kind."""
        return sum(finding.kind == kind for finding in self.findings)

    @property
    def last_line(self) -> str:
        """What a run says last."""
        return ", ".join(f"{kind} {self.count(kind)}" for kind in ("lost", "duplicated", "mismatched"))


def check(steps: Sequence[Step], evidence: Evidence) -> Verdict:
    """Everything that must hold."""
    found = operations(steps)
    outcomes = Counter(operation.outcome for operation in found.values())
    checks = (
        (Finding(kind, "reading", text) for kind, text in evidence.faults),  # type: ignore[arg-type]
        check_log(evidence),
        check_acknowledged(found.values(), evidence),
        check_refused(found.values(), evidence),
        check_fenced(found.values(), evidence),
        check_never_sent(found, evidence),
        check_once(evidence),
        check_sequences(evidence.events),
        check_streams(streams(steps), evidence.events),
        check_database_events(evidence),
        (Finding(*row) for row in check_fills(evidence)),  # type: ignore[arg-type]
        check_rows(evidence),
        (Finding(*row) for row in check_books(evidence)),  # type: ignore[arg-type]
        check_replay(evidence),
    )
    return Verdict(
        list(chain.from_iterable(checks)),
        len(found),
        outcomes[What.OK],
        outcomes[What.FAILED],
        outcomes[What.FENCED],
        outcomes[What.UNKNOWN],
    )


def check_log(evidence: Evidence) -> Iterator[Finding]:
    """No append is in the log twice: a frame carries the time of its one append, so equal bytes are a silent retry."""
    seen: dict[str, object] = {}
    for frame, digest in evidence.payloads:
        if digest in seen:
            yield Finding("duplicated", "log", f"frame {frame} has the bytes of frame {seen[digest]}: appended twice")
        seen.setdefault(digest, frame)


def check_acknowledged(found: Iterable[Operation], evidence: Evidence) -> Iterator[Finding]:
    """What was acknowledged is in the log and, if it is an order, in Postgres."""
    logged = {(c.account, c.command_id): c for c in evidence.commands if c.kind != FENCE}
    held = {(row.account, row.client_order_id) for row in evidence.database.orders}
    aside = put_aside(evidence)
    for operation in found:
        if operation.outcome is not What.OK:
            continue
        key = (operation.account, operation.command_id)
        name = f"{operation.op} {operation.command_id} of {operation.account}"
        command = logged.get(key)
        if command is None:
            yield Finding("lost", "acknowledged", f"{name} was acknowledged, and is not in the log")
        elif operation.op == "new" and key not in held and command.key not in aside:
            yield Finding("lost", "acknowledged", f"{name} was acknowledged, and is not in Postgres")


def check_refused(found: Iterable[Operation], evidence: Evidence) -> Iterator[Finding]:
    """What was refused with NOT_APPLIED at every attempt is nowhere."""
    logged = {(c.account, c.command_id) for c in evidence.commands}
    held = {(row.account, row.client_order_id) for row in evidence.database.orders}
    for operation in found:
        key = (operation.account, operation.command_id)
        if operation.outcome is What.FAILED and (key in logged or key in held):
            name = f"{operation.op} {operation.command_id} of {operation.account}"
            yield Finding("mismatched", "refused", f"{name} was NOT_APPLIED ({operation.refused_for}), and is stored")


def check_fenced(found: Iterable[Operation], evidence: Evidence) -> Iterator[Finding]:
    """What was fenced took no effect, and was not acknowledged either."""
    effects = {(e.account, e.command_id) for e in evidence.events if e.kind not in {"FENCED", "COMMAND_REJECTED"}}
    for operation in found:
        name = f"{operation.op} {operation.command_id} of {operation.account}"
        if operation.outcome is not What.FENCED:
            continue
        if (operation.account, operation.command_id) in effects:
            yield Finding("mismatched", "fenced", f"{name} was fenced, and took effect")
        if What.OK in operation.answers:
            yield Finding("lost", "fenced", f"{name} was acknowledged, and then fenced as never seen")


def check_never_sent(found: dict[tuple[str, str], Operation], evidence: Evidence) -> Iterator[Finding]:
    """Nothing is stored that nobody sent."""
    logged = {(c.account, c.command_id) for c in evidence.commands if c.account != SYSTEM}
    held = {(row.account, row.client_order_id) for row in evidence.database.orders}
    for account, command_id in sorted((logged | held) - found.keys()):
        yield Finding("mismatched", "never sent", f"{command_id} of {account} is stored, and nobody sent it")


def check_once(evidence: Evidence) -> Iterator[Finding]:
    """Each command of the log took effect exactly once: a retry is answered with DUPLICATE."""
    kinds = {(c.account, c.command_id): c.kind for c in evidence.commands if c.account != SYSTEM and c.kind != FENCE}
    answers: dict[tuple[str, str], Counter[str]] = {}
    for event in evidence.events:
        if event.command_id:
            answers.setdefault((event.account, event.command_id), Counter())[event.kind] += 1
    for (account, command_id), kind in kinds.items():
        told = answers.get((account, command_id), Counter())
        count = sum(told[name] for name in _ANSWERS.get(kind, ())) or told[_ENDS.get(kind, "")]
        if count > 1:
            yield Finding("duplicated", "once", f"{kind} {command_id} of {account} took effect {count} times")
        if count == 0:
            yield Finding("lost", "once", f"{kind} {command_id} of {account} is in the log, and nothing tells its fate")
    rows = Counter((row.account, row.client_order_id) for row in evidence.database.orders)
    for (account, command_id), count in rows.items():
        if count > 1:
            yield Finding("duplicated", "once", f"order {command_id} of {account} is in Postgres {count} times")


def check_sequences(events: Iterable[Told]) -> Iterator[Finding]:
    """Each account's events are numbered 1, 2, 3, …"""
    last: dict[str, int] = {}
    for event in events:
        expected = last.get(event.account, 0) + 1
        if event.seq != expected:
            yield Finding(
                "mismatched", "sequence", f"event {event.seq} of {event.account} comes where {expected} is due"
            )
        last[event.account] = event.seq


def check_streams(found: dict[tuple[str, str], list[Told]], events: Sequence[Told]) -> Iterator[Finding]:
    """Each client was told all events of its account from the first to the last, each once, in order."""
    by_account: dict[str, list[Told]] = {}
    for event in events:
        by_account.setdefault(event.account, []).append(event)
    for (client, account), told in found.items():
        yield from _check_stream(f"{client} of {account}", told, by_account.get(account, []))


def _check_stream(name: str, told: Sequence[Told], events: Sequence[Told]) -> Iterator[Finding]:
    last = 0
    for event in told:
        if event.seq <= last:
            yield Finding("duplicated", "stream", f"{name} was told event {event.seq} again, after {last}")
            continue
        if event.seq != last + 1:
            yield Finding("lost", "stream", f"{name} was told event {event.seq} after {last}: a gap")
        last = event.seq
        if last > len(events):
            yield Finding("mismatched", "stream", f"{name} was told event {last}, which the log does not give")
        elif event != events[last - 1]:
            yield Finding(
                "mismatched", "stream", f"{name} was told another event {last}: {differ(event, events[last - 1])}"
            )
    if last < len(events):
        yield Finding("lost", "stream", f"{name} was told up to event {last} of {len(events)}")


def check_database_events(evidence: Evidence) -> Iterator[Finding]:
    """Where Postgres keeps the accounts' events, they are those of the log."""
    if evidence.database.events is None:
        return
    held = {(event.account, event.seq): event for event in evidence.database.events}
    if len(held) < len(evidence.database.events):
        yield Finding("duplicated", "database events", "Postgres holds an account's event twice")
    for event in evidence.events:
        other = held.pop((event.account, event.seq), None)
        if other is None:
            yield Finding("lost", "database events", f"Postgres lacks event {event.seq} of {event.account}")
        elif other != event:
            text = f"Postgres has another event {event.seq} of {event.account}: {differ(other, event)}"
            yield Finding("mismatched", "database events", text)
    for account, seq in sorted(held):
        yield Finding(
            "mismatched", "database events", f"Postgres has event {seq} of {account}, which the log does not give"
        )


def check_rows(evidence: Evidence) -> Iterator[Finding]:
    """Every order of Postgres is as the last event about it tells; none is missing, none is of nowhere."""
    orders, aside = fold(evidence.events), put_aside(evidence)
    rows = {row.order_id: row for row in evidence.database.orders}
    for order_id, order in orders.items():
        row = rows.pop(order_id, None)
        if row is None and order_id not in aside:
            yield Finding("lost", "rows", f"order {order.client_order_id} of {order.account} is not in Postgres")
        elif row is not None and row != order:
            yield Finding(
                "mismatched", "rows", f"order {order.client_order_id} of {order.account}: {differ(row, order)}"
            )
    # A NewOrder that came after its fence has a row that says so, and no order.
    refused = {(e.account, e.command_id) for e in evidence.events if e.kind == "COMMAND_REJECTED"}
    for row in rows.values():
        if row.status == "REJECTED" and (row.account, row.client_order_id) in refused:
            continue
        yield Finding(
            "mismatched",
            "rows",
            f"order {row.client_order_id} of {row.account}: Postgres says {row.status}, no event does",
        )


def check_replay(evidence: Evidence) -> Iterator[Finding]:
    """A fresh engine, given the whole log, ends in the running engine's state."""
    ours, fresh = evidence.engine, evidence.replayed
    if ours != fresh:
        yield Finding("mismatched", "replay", f"a fresh replay of the log differs: {differ(ours, fresh)}")


def differ(one: object, other: object) -> str:
    """The fields in which two values of a class differ."""
    names = getattr(one, "_fields", None) or list(getattr(one, "__slots__", ()))
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in names)
    return ", ".join(f"{name} {a!s} / {b!s}" for name, a, b in pairs if a != b)
