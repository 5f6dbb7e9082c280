"""`python -m persistence dead-letters`: lists, shows and replays what Postgres refused."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from persistence import database
from persistence.errors import PersistenceError, Refused
from persistence.letters import list_letters, replay_letters, show_letter
from persistence.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persistence.settings import Settings

DONE, STILL_REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
_ERROR_WIDTH = 100

_EPILOG = """\
A dead letter is a row, or a whole frame, that Postgres refused for its data, or that could not be read. Mend the cause
(a constraint, a trigger, an older program), then replay: all rows of the frame are written once more, which changes
nothing that is there, and an order gets the state that its owner was told since. Letter and rows are one transaction.
It may be done while persisters are at work, and again.

Exit status: 0 done, 1 a letter is still refused or there is none with that id, 2 wrong arguments, 3 Postgres can't be
asked."""


def letters_command(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command line after `dead-letters`; returns the exit status."""
    given = _parser().parse_args(arguments)
    settings = read_settings({"postgres_dsn": given.postgres_dsn}, environ)
    try:
        return asyncio.run(_run(given, settings))
    except PersistenceError as error:
        print(f"dead-letters: {error}", file=sys.stderr)
        return UNREACHABLE if isinstance(error, Refused) else STILL_REFUSED
    except asyncpg.UndefinedTableError:
        print("dead-letters: the database has no dead_letters: no persister was ever started on it", file=sys.stderr)
        return UNREACHABLE
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"dead-letters: Postgres can't be asked: {error}; --postgres-dsn names it", file=sys.stderr)
        return UNREACHABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m persistence dead-letters",
        description="List, show and replay what Postgres refused.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--postgres-dsn", help="database (default: ORDERGATE_POSTGRES_DSN, postgresql:///ordergate)")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="table of the open letters, oldest first")
    listing.add_argument("--replayed", action="store_true", help="also those that were replayed")
    listing.add_argument("--after", type=int, default=0, metavar="ID", help="only those after this one")
    listing.add_argument("--limit", type=int, default=100, metavar="N", help="most of them (default: 100)")
    show = actions.add_parser("show", help="one letter with its frame in words (JSON)")
    show.add_argument("id", type=int)
    replay = actions.add_parser("replay", help="write the rows of these letters after all")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", type=int, nargs="*", default=[], metavar="ID")
    which.add_argument("--all", action="store_true", help="all open letters")
    return parser


async def _run(given: argparse.Namespace, settings: Settings) -> int:
    name = "ordergate-dead-letters"
    connection = await database.connect(settings.postgres_dsn, name, allow_volatile=True)
    try:
        if given.action == "list":
            return await _list(connection, given)
        if given.action == "show":
            return await _show(connection, given.id)
        return await _replay(connection, None if given.all else given.ids)
    finally:
        await database.disconnect(connection)


async def _list(connection: Any, given: argparse.Namespace) -> int:
    rows, still_open, total = await list_letters(
        connection, replayed=given.replayed, after=given.after, limit=given.limit
    )
    lines = [("ID", "SINCE (UTC)", "STREAM", "FRAME", "PLACE", "REPLAYED", "ERROR")]
    lines += [
        (
            str(row["id"]),
            f"{row['created_at']:%Y-%m-%d %H:%M:%S}",
            row["stream"],
            f"{row['shard']}:{row['ms']}-{row['seq']}",
            "frame" if row["index"] is None else str(row["index"]),
            f"{row['replayed_at']:%Y-%m-%d %H:%M:%S}" if row["replayed_at"] else "-",
            " ".join(row["error"].split())[:_ERROR_WIDTH],
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if rows:
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"{still_open} open, {total - still_open} replayed" + (f"; shown: {len(rows)}" if rows else ""))
    return DONE


async def _show(connection: Any, letter_id: int) -> int:
    row, raw, frame = await show_letter(connection, letter_id)
    place = "the whole frame" if row["index"] is None else f"{row['stream'].removesuffix('s')} {row['index']}"
    print(f"letter    {row['id']}")
    print(f"since     {row['created_at']:%Y-%m-%d %H:%M:%S} UTC")
    print(f"replayed  {row['replayed_at'] or 'no'}")
    print(f"frame     {row['stream']} {row['shard']}:{row['ms']}-{row['seq']}, {place}")
    print(f"error     {row['error']}")
    if isinstance(frame, str):
        print(f"the frame can't be read: {frame}")
        print((raw or b"").hex())
    else:
        print(orjson.dumps(frame, option=orjson.OPT_INDENT_2).decode())
    return DONE


async def _replay(connection: Any, ids: Sequence[int] | None) -> int:
    outcomes = await replay_letters(connection, ids)
    for letter_id, error in outcomes:
        print(f"{letter_id}: {'replayed' if error is None else 'still refused: ' + ' '.join(error.split())}")
    refused = sum(error is not None for _, error in outcomes)
    print(f"{len(outcomes) - refused} replayed, {refused} still refused")
    return STILL_REFUSED if refused else DONE
