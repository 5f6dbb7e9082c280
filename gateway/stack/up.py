"""`ordergate up`: the whole stack on this machine, with one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

_EXAMPLE = (
    '{"command":{"command_id":"first","account":"%s","new_order":{"symbol":"%s","side":"SIDE_BUY",'
    '"order_type":"ORDER_TYPE_LIMIT","time_in_force":"TIME_IN_FORCE_GTC","quantity":"1","limit_price":"100.00"}}}'
)


@click.command("up")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".ordergate"),
    show_default=True,
    envvar="ORDERGATE_HOME",
    help="Folder for data, sockets, logs and the token key.",
)
@click.option(
    "--listen",
    default="127.0.0.1:50051",
    show_default=True,
    envvar="ORDERGATE_LISTEN",
    help="Address for clients, host:port; port 0 takes a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    envvar="ORDERGATE_WORKERS",
    help="Gateway workers that share the port.",
)
@click.option(
    "--instruments",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("instruments.toml"),
    show_default=True,
    envvar="ORDERGATE_INSTRUMENTS",
    help="Instrument file.",
)
@click.option(
    "--metrics-listen",
    default="",
    envvar="ORDERGATE_METRICS_LISTEN",
    help="Address for Prometheus, host:port; the persister's is on the port after it. Without it: none.",
)
@click.option("--redis-url", envvar="ORDERGATE_REDIS_URL", help="Use this Redis instead of a private one.")
@click.option("--postgres-dsn", envvar="ORDERGATE_POSTGRES_DSN", help="Use this Postgres instead of a private one.")
@click.option("--engine", envvar="ORDERGATE_ENGINE", help="Use the engine at unix:PATH or host:port, start none.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    default=("demo",),
    show_default=True,
    help="Account of the development token; may be given again.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write address, token, URLs and process ids there (JSON) once all serves; removed at the end.",
)
@click.option("--json", "as_json", is_flag=True, help="Print that JSON to stdout instead of the welcome.")
@click.option("--reset", is_flag=True, help="Remove the home's data first; says what it removes.")
def up_command(*, as_json: bool, **given: Any) -> None:
    """Runs Redis, Postgres, engine, persister and gateway, until Ctrl-C.

    Servers found on this machine are started privately, with their data in --home; nothing that runs already is
    touched. What dies is started again. Data survive a restart.
    """
    import asyncio  # noqa: PLC0415 - other commands of this program must start fast

    from gateway.stack.assembly import Options, Stack  # noqa: PLC0415
    from gateway.stack.process import StackError  # noqa: PLC0415

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    def ready(facts: dict[str, Any]) -> None:
        if as_json:
            import orjson  # noqa: PLC0415

            click.echo(orjson.dumps(facts))
        else:
            click.echo(welcome(facts, given["accounts"][0]))

    async def run() -> None:
        await Stack(Options(**given), say, ready).run()

    try:
        asyncio.run(run())
    except StackError as error:
        click.echo(f"ordergate up: {error}", err=True)
        sys.exit(error.status)


def welcome(facts: dict[str, Any], account: str) -> str:
    """What a user reads once the stack serves: address, token, and a call to paste."""
    urls = "".join(f"\n  metrics: {url}" for url in facts.get("metrics", ()))
    call = f"grpcurl -plaintext -H \"authorization: Bearer $T\" -d '{_EXAMPLE % (account, 'ACME')}'"
    return f"""
Ordergate serves on {facts["address"]}. Ctrl-C stops it; data and logs are in {facts["home"]}.{urls}

  T={facts["token"]}
  {call} {facts["address"]} ordergate.v1.OrderEntryService/Submit
"""
