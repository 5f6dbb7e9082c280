"""`python -m persistence`: the persister, `--check` for its health, `dead-letters` for what Postgres refused."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import signal
import sys
from dataclasses import fields

from persistence.errors import Refused, SettingsError
from persistence.settings import Settings, read_settings

BAD_SETTINGS = 2
REFUSED = 78
"""EX_CONFIG of sysexits.h: starting again will not help."""
_PR_SET_PDEATHSIG = 1

_HELP = {
    "redis_url": "Redis that holds the log: redis://host:port/db, rediss:// or unix:///path?db=0",
    "postgres_dsn": "Postgres to write to: postgresql://user@host/database (14 or newer, no transaction pooling)",
    "instruments": "instrument file, the same as the gateway's",
    "shards": "shards of the installation, fixed at installation",
    "batch_rows": "commit once this many commands wait, or twice as many events, together with all else that waits",
    "batch_linger_ms": "commit at the latest when a row has waited this long",
    "batch_rows_max": "most rows in one transaction",
    "copy_rows_min": "of what is not packed: from this many rows of a table on, COPY instead of arrays as parameters",
    "rows_native": "library that packs rows for COPY; empty: where the build puts it, if it is there; off: Python does",
    "read_pause_ms": "pause after a read that found little, so that batches are worth their cost",
    "heartbeat_ms": "an active persister with nothing to write shows Postgres a sign of life this often",
    "standby_poll_ms": "how often a standby tries for the right to write",
    "takeover_ms": "a standby ends the connection of an active persister that was silent for so long",
    "backoff_max_s": "longest pause between attempts while Postgres or Redis fail",
    "drain_grace_s": "time to finish on SIGTERM",
    "allow_volatile": "true: take a Postgres with fsync off, which may forget; for development and tests",
    "metrics_listen": "address for Prometheus, host:port, without authentication; empty: none",
    "log_level": "debug, info, warning or error",
}

_EPILOG = """\
`python -m persistence dead-letters list|show|replay` looks at what Postgres refused, and writes it after all.

Every option is also an environment variable: ORDERGATE_REDIS_URL for --redis-url, and so on; the option wins.

--check asks Postgres whether a persister is at work on every shard, prints a line, and exits with
  0  every shard had a sign of life in the last 15 s (each batch is one; an idle persister gives one every 5 s)
  1  a shard had none, or never had a persister, or the database has the schema of another version
  3  Postgres can't be asked
It fits compose's and Kubernetes' health checks. A standby is healthy while another persister is active.

Exit status: 0 stopped by SIGTERM or SIGINT after writing what was read (a second signal ends it at once),
2 a setting is refused, 78 work is refused (Postgres not durable, other schema, Redis wiped): starting again will
not help. While Postgres or Redis are away it waits for them."""


def main() -> int:
    """Runs the command line; returns the exit status."""
    if sys.argv[1:2] == ["dead-letters"]:
        return _dead_letters(sys.argv[2:])
    given = vars(_parser().parse_args())
    check, die_with_parent = given.pop("check"), given.pop("die_with_parent")
    try:
        settings = read_settings(given, os.environ)
        if check:
            return _check(settings)
        if die_with_parent:
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        _run(settings)
    except SettingsError as error:
        print(f"persistence: {error}", file=sys.stderr)
        return BAD_SETTINGS
    except Refused as error:
        print(f"persistence: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _dead_letters(arguments: list[str]) -> int:
    from persistence.letters_command import letters_command  # noqa: PLC0415  a health check must not import it

    try:
        return letters_command(arguments, os.environ)
    except SettingsError as error:
        print(f"persistence: {error}", file=sys.stderr)
        return BAD_SETTINGS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m persistence",
        description="Carries the log from Redis to Postgres: orders, executions, raw frames, exactly once.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for field in fields(Settings):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, metavar="VALUE", help=f"{_HELP[field.name]} (default: {field.default})")
    parser.add_argument("--check", action="store_true", help="tell whether a persister is at work, and exit; see below")
    parser.add_argument("--die-with-parent", action="store_true", help="stop when the process that started it ends")
    return parser


def _check(settings: Settings) -> int:
    from persistence.check import check  # noqa: PLC0415  a health check must not import the rest

    status, line = asyncio.run(check(settings))
    print(line)
    return status


def _run(settings: Settings) -> None:
    import uvloop  # noqa: PLC0415

    from persistence.persister import Persister  # noqa: PLC0415
    from persistence.telemetry import configure_logging  # noqa: PLC0415

    async def run() -> None:
        await Persister(settings).run()

    configure_logging(settings.log_level)
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)  # rows are many, short-lived and without cycles
    uvloop.run(run())


if __name__ == "__main__":
    sys.exit(main())
