"""The command `ordergate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gateway.exits import REFUSED, die_with
from gateway.settings import Settings, SettingsError, read_settings
from gateway.stack.up import up_command

if TYPE_CHECKING:
    from collections.abc import Callable


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="ordergate")
def main() -> None:
    """Ordergate: a gRPC order gateway with a durable queue and a deterministic matching engine.

    `ordergate up` starts everything on this machine; the other commands are its parts.
    """


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each field of Settings, its default and environment variable in the help."""
    texts = _field_texts()
    for name, default in reversed([(f, getattr(Settings(), f)) for f in Settings.__dataclass_fields__]):
        flag = "--" + name.replace("_", "-")
        shown = "none" if default is None else default
        text = f"{texts[name]} [default: {shown}; env: ORDERGATE_{name.upper()}]"
        if isinstance(default, bool):
            command = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)(command)
        else:
            command = click.option(flag, name, default=None, metavar=_metavar(default), help=text)(command)
    return command


def _metavar(default: object) -> str:
    return {int: "N", float: "SECONDS"}.get(type(default), "TEXT")


def _field_texts() -> dict[str, str]:
    """The docstrings under the fields of Settings."""
    import ast  # noqa: PLC0415 - only the commands that show settings need it
    import inspect  # noqa: PLC0415

    tree = ast.parse(inspect.getsource(Settings)).body[0]
    assert isinstance(tree, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            texts[field.target.id] = str(text.value.value)
    return texts


def _read(given: dict[str, Any]) -> Settings:
    try:
        return read_settings(given)
    except SettingsError as error:
        _refuse(error)


def _refuse(error: BaseException) -> NoReturn:
    click.echo(f"ordergate: {error}", err=True)
    sys.exit(REFUSED)


@main.command()
@_settings_options
def gateway(**given: Any) -> None:
    """Serve clients: workers on one port, and a relay for each shard.

    SIGTERM drains and exits 0; a second one ends it at once. Exit status 78: the configuration is refused.
    """
    settings = _read(given)
    import asyncio  # noqa: PLC0415 - after the settings are known to be right

    from gateway.logs import configure_logs  # noqa: PLC0415
    from gateway.workers import Gateway  # noqa: PLC0415

    configure_logs(settings.log_level, process="gateway")

    async def run() -> int:
        return await Gateway(settings, lambda address: click.echo(f"ready {address}")).run()

    try:
        sys.exit(asyncio.run(run()))
    except OSError as error:
        if "can't listen" not in str(error):
            raise
        _refuse(error)


@main.command(hidden=True)
@click.option("--index", type=int, required=True)
@click.option("--shared-port", is_flag=True)
@click.option("--parent", type=int, required=True)
@click.option("--metrics-socket", type=click.Path(path_type=Path))
def worker(index: int, shared_port: bool, parent: int, metrics_socket: Path | None) -> None:
    """One worker; started by `ordergate gateway`."""
    die_with(parent)
    settings = _read({})
    name = _process_name(f"w{index}")
    _log_first(settings, name)
    from gateway import metrics  # noqa: PLC0415
    from gateway.server import serve  # noqa: PLC0415 - grpc is imported after logging is configured

    async def run() -> None:
        async with metrics.told(metrics_socket):
            await serve(settings, name, shared_port=shared_port, ready=_tell_ready)

    _run(run())


@main.command()
@_settings_options
@click.option("--shard", type=int, default=0, show_default=True, help="Shard to relay.")
@click.option("--ready", is_flag=True, hidden=True)
@click.option("--parent", type=int, default=0, hidden=True)
@click.option("--metrics-socket", type=click.Path(path_type=Path), hidden=True)
def relay(shard: int, ready: bool, parent: int, metrics_socket: Path | None, **given: Any) -> None:
    """Relay one shard: command frames from Redis to the engine, event frames back.

    Works while it holds the shard's lease; a second relay waits to take over.
    """
    if parent:
        die_with(parent)
    settings = _read(given)
    name = _process_name(f"relay{shard}")
    _log_first(settings, name)
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from gateway import metrics  # noqa: PLC0415
    from gateway.relay import run_relay  # noqa: PLC0415

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if ready:
            _tell_ready("")
        async with metrics.told(metrics_socket), metrics.served("" if parent else settings.metrics_listen):
            await run_relay(settings, shard, name, stop)

    _run(run())


def _process_name(role: str) -> str:
    import os  # noqa: PLC0415
    import socket  # noqa: PLC0415

    return f"{socket.gethostname().partition('.')[0][:32]}-{os.getpid()}-{role}"


def _log_first(settings: Settings, name: str) -> None:
    from gateway.logs import configure_logs  # noqa: PLC0415

    configure_logs(settings.log_level, process=name)


def _tell_ready(address: str) -> None:
    from gateway.memory import freeze  # noqa: PLC0415

    freeze()
    click.echo(f"ready {address}")


def _run(main_coroutine: Any) -> None:
    """Runs under uvloop; a refused installation is one line and status 78, a Redis that is away one line and 1."""
    import uvloop  # noqa: PLC0415

    from gateway.auth import SecretError  # noqa: PLC0415
    from gateway.instruments import InstrumentError  # noqa: PLC0415
    from gateway.redis_check import ConfigurationRefused, RedisAway  # noqa: PLC0415

    try:
        uvloop.run(main_coroutine)
    except (ConfigurationRefused, InstrumentError, SecretError) as error:
        _refuse(error)
    except RedisAway as error:
        click.echo(f"ordergate: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if "can't listen" not in str(error):
            raise
        _refuse(error)


@main.command()
@click.option("--account", "accounts", multiple=True, required=True, help="Account that the token covers; repeatable.")
@click.option(
    "--scope", "scopes", multiple=True, default=("trade", "read"), show_default=True, help="trade, read, admin."
)
@click.option("--subject", default="developer", show_default=True, help="Who it is for.")
@click.option("--ttl", "ttl_s", default=86_400, show_default=True, help="Life in seconds.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    default=Path(".ordergate/token.key"),
    show_default=True,
    envvar="ORDERGATE_TOKEN_SECRET_FILE",
    help="File with the key.",
)
@click.option("--issuer", default="ordergate", show_default=True)
@click.option("--audience", default="ordergate", show_default=True)
def token(
    accounts: tuple[str, ...],
    scopes: tuple[str, ...],
    subject: str,
    ttl_s: int,
    key_file: Path,
    issuer: str,
    audience: str,
) -> None:
    """Print a signed token, for development and tests."""
    from gateway.auth import SecretError, issue_token, read_secret  # noqa: PLC0415

    try:
        secret = read_secret(key_file)
        text = issue_token(
            secret, subject=subject, accounts=accounts, scopes=scopes, ttl_s=ttl_s, issuer=issuer, audience=audience
        )
    except (SecretError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(text)


@main.command()
@click.option("--address", default="127.0.0.1:50051", show_default=True, help="host:port of the gateway.")
@click.option("--service", default="", help="Name of a service; empty: the process.")
@click.option(
    "--timeout", "timeout_s", default=1.0, show_default=True, help="Seconds for connecting, and for the call."
)
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificate (PEM) to trust; without it: no TLS.")
def healthcheck(address: str, service: str, timeout_s: float, ca_file: Path | None) -> None:
    """Ask grpc.health.v1 once; exit status as grpc_health_probe.

    0: SERVING. 1: wrong arguments. 2: not connected. 3: the call failed. 4: NOT_SERVING.
    """
    from gateway.probe import probe  # noqa: PLC0415

    try:
        ca = ca_file.read_bytes() if ca_file else None
    except OSError as error:
        click.echo(f"{ca_file}: {error.strerror}", err=True)
        sys.exit(1)
    status, text = probe(address, service, timeout_s, ca)
    click.echo(text, err=status != 0)
    sys.exit(status)


main.add_command(up_command)

if __name__ == "__main__":
    main(prog_name="ordergate")
