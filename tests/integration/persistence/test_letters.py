"""Dead letters: listed, shown, and replayed once their cause is mended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import asyncpg
import pytest

from persistence.letters_command import letters_command
from persistence.statements import statement
from persistence.streams import ZERO, Entry, LogId
from tests.integration.persistence.conftest import stop
from tests.unit.persistence.frames import (
    ACCEPTED,
    CANCELED,
    CANCELED_STATUS,
    COMMAND_REJECTED,
    DUPLICATE,
    FILL,
    OPEN,
    PARTIAL,
    Commands,
    Events,
)

if TYPE_CHECKING:
    from tests.integration.persistence.conftest import Database, Log, Sidecar

pytestmark = pytest.mark.integration

Letters = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def letters(postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> Letters:
    """`python -m persistence dead-letters …` in this process: exit status, and what it printed."""

    async def run(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        status = await asyncio.to_thread(letters_command, args, {"ORDERGATE_POSTGRES_DSN": postgres_dsn})
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


NO_BOB = "ALTER TABLE orders ADD CONSTRAINT no_bob CHECK (account <> 'bob')"
BOB = "SELECT * FROM orders WHERE account = 'bob'"


async def refuse_bob(sidecar: Sidecar, log: Log, database: Database) -> dict[str, object]:
    """Bob's order is refused, but was accepted, traded in part and canceled; the row as it should be at the end."""
    first, accepted = Commands(), Events()
    keys = [first.new(owner, f"{owner}-1", quantity=10, price=1000) for owner in ("alice", "bob")]
    for place, (owner, key) in enumerate(zip(("alice", "bob"), keys, strict=True)):
        accepted.add(ACCEPTED, owner, key, 1, command=place)
    second, ended = Commands(), Events()
    second.cancel("bob", "bob-2", keys[1])
    fill = {"status": PARTIAL, "executed": 4, "leaves": 6, "version": 2, "notional": "4000"}
    legs = [ended.add(FILL, owner, key, 2, **fill) for owner, key in zip(("alice", "bob"), keys, strict=True)]
    ended.trade(1, *legs, quantity=4)
    ended.add(CANCELED, "bob", keys[1], 3, **{**fill, "status": CANCELED_STATUS, "leaves": 0, "version": 3}, cause=1)
    for events in (accepted, ended):
        events.told()
    log.commands(first.entry(1))
    process = sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    expected = (await database.fetch(BOB))[0]
    stop(process)
    again = "UPDATE persister_offsets SET commands_ms = 0, commands_seq = 0"
    await database.execute("DELETE FROM orders", NO_BOB, again)
    process = sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    await database.until("SELECT count(*) FROM dead_letters", 1)
    log.events(accepted.entry(1))
    log.commands(second.entry(2))
    log.events(ended.entry(2))
    await database.until_persisted(LogId(2, 0), LogId(2, 0))
    stop(process)
    state = {"status": CANCELED_STATUS, "cause": 1, "executed_lots": 4, "leaves_lots": 0, "executed_notional": 4000}
    state |= {"version": 3, "last_event_seq": 3, "event_ms": 2, "event_seq": 0}
    alice = (await database.fetch("SELECT * FROM orders WHERE account = 'alice'"))[0]
    return {**expected, **state, "updated_at": alice["updated_at"]}


async def test_an_order_that_was_refused_gets_the_state_that_its_owner_was_told(
    sidecar: Sidecar, log: Log, database: Database, letters: Letters
) -> None:
    expected = await refuse_bob(sidecar, log, database)
    assert await database.fetch(BOB) == []
    status, said = sidecar.run("dead-letters", "list")
    assert status == 0
    assert "commands" in said
    assert "0:1-0" in said
    assert "no_bob" in said
    assert said.rstrip().endswith("1 open, 0 replayed; shown: 1")
    status, said = await letters("show", "1")
    assert (status, "command 1" in said, "bob-1" in said) == (0, True, True)
    status, said = await letters("replay", "1")
    assert (status, "1: still refused" in said) == (1, True)
    await database.execute("ALTER TABLE orders DROP CONSTRAINT no_bob")
    status, said = await letters("replay", "--all")
    assert (status, said.rstrip().endswith("1 replayed, 0 still refused")) == (0, True)
    assert await database.fetch(BOB) == [expected]
    status, said = await letters("replay", "1")
    assert (status, said) == (0, "0 replayed, 0 still refused\n")
    assert await database.fetch(BOB) == [expected]
    assert (await letters("list"))[1] == "0 open, 1 replayed\n"
    assert "replayed" in (await letters("list", "--replayed"))[1].lower()


@pytest.mark.parametrize("kind", [DUPLICATE, COMMAND_REJECTED])
async def test_an_order_that_was_refused_wins_over_later_commands_with_its_id(
    sidecar: Sidecar, log: Log, database: Database, letters: Letters, kind: int
) -> None:
    """Its owner sent it again, in the same words or in others, and that was written."""
    expected = await refuse_bob(sidecar, log, database)
    await database.execute("ALTER TABLE orders DROP CONSTRAINT no_bob")
    again, told = Commands(), Events()
    key = again.new("bob", "bob-1", quantity=10 if kind == DUPLICATE else 99, price=1000)
    told.add(kind, "bob", key, 4, status=CANCELED_STATUS, leaves=0, executed=4, version=3)
    told.told()
    log.commands(again.entry(3))
    log.events(told.entry(3))
    process = sidecar.start()
    await database.until_persisted(LogId(3, 0), LogId(3, 0))
    stop(process)
    assert (await database.fetch(BOB))[0]["command_ms"] == 3
    assert (await letters("replay", "--all"))[0] == 0
    assert await database.fetch(BOB) == [expected]


async def test_a_batch_waits_for_a_replay(sidecar: Sidecar, log: Log, database: Database, postgres_dsn: str) -> None:
    """Between reading what an order's owner was told and writing it, no further event may come."""
    process = sidecar.start()
    log.commands(Commands().entry(1))
    await database.until_persisted(LogId(1, 0), ZERO)
    connection = await asyncpg.connect(postgres_dsn)
    try:
        async with connection.transaction():
            await connection.execute(statement("letters", "hold_batches"), 0)
            log.commands(Commands().entry(2))
            await asyncio.sleep(1.5)
            assert await database.value("SELECT commands_ms FROM persister_offsets") == 1
    finally:
        await connection.close()
    await database.until_persisted(LogId(2, 0), ZERO)
    stop(process)


async def test_an_event_that_was_refused_is_written_after_all(
    sidecar: Sidecar, log: Log, database: Database, letters: Letters
) -> None:
    made, told, later = Commands(), Events(), Events()
    keys = [made.new("alice", f"a{n}") for n in range(3)]
    for n, key in enumerate(keys):
        told.add(ACCEPTED, "alice", key, n + 1, command=n)
    told.trade(1, 0, 1)
    later.add(CANCELED, "alice", keys[2], 4, status=CANCELED_STATUS, leaves=0, version=2)
    log.commands(made.entry(1), Commands().entry(2))
    process = sidecar.start()
    await database.until_persisted(LogId(2, 0), ZERO)
    await database.execute(
        "ALTER TABLE orders ADD CONSTRAINT queued CHECK (status <> 2)",
        "ALTER TABLE executions ADD CONSTRAINT none CHECK (trade_number > 1)",
    )
    log.events(told.entry(1), later.entry(2))
    await database.until_persisted(LogId(2, 0), LogId(2, 0))
    stop(process)
    assert await database.value("SELECT count(*) FROM dead_letters") == 3, "of a2 only the last state is written"
    await database.execute("ALTER TABLE orders DROP CONSTRAINT queued")
    status, said = await letters("replay", "--all")
    assert (status, said.count("still refused:"), said.count(": replayed")) == (1, 1, 2)
    await database.execute("ALTER TABLE executions DROP CONSTRAINT none")
    assert (await letters("replay", "--all"))[0] == 0
    rows = {r["client_order_id"]: r["status"] for r in await database.fetch("SELECT * FROM orders")}
    assert rows == {"a0": OPEN, "a1": OPEN, "a2": CANCELED_STATUS}, "an older event never overwrites a newer state"
    assert await database.value("SELECT count(*) FROM executions") == 1


async def test_a_frame_that_can_t_be_read_stays_open(
    sidecar: Sidecar, log: Log, database: Database, letters: Letters
) -> None:
    log.commands(Entry(LogId(1, 0), b"\xff not a frame", 1))
    process = sidecar.start()
    await database.until_persisted(LogId(1, 0), ZERO)
    stop(process)
    status, said = await letters("show", "1")
    assert (status, b"not a frame".hex() in said) == (0, True)
    status, said = await letters("replay", "1")
    assert (status, "still refused: not a frame" in said) == (1, True)


async def test_what_can_t_be_done_says_why(sidecar: Sidecar, database: Database, letters: Letters) -> None:
    status, said = await letters("list")
    assert (status, "no persister was ever started" in said) == (3, True)
    process = sidecar.start()
    await database.until_persisted(ZERO, ZERO)
    stop(process)
    status, said = await letters("replay", "7")
    assert (status, said) == (1, "dead-letters: there is no dead letter 7\n")
    away = "postgresql://nobody@127.0.0.1:1/none"
    status, said = await letters("--postgres-dsn", away, "list")
    assert (status, "Postgres can't be asked" in said) == (3, True)
