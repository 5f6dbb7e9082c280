"""Metrics for Prometheus: what this process counts, and how a scraper gets it.

Names and labels of RPCs are those of go-grpc-middleware, our own begin with `ordergate_`. What a part knows anyway is
read when somebody asks (`Collector`), so that it costs nothing while orders flow; a counter's child is bound once.

One process may have many: workers and relays tell theirs to their parent through a socket each, and the parent serves
all of them at one address, with the label `process`. A relay that runs alone serves its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    Render = Callable[[], Awaitable[bytes]]

log = structlog.get_logger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_TIMEOUT_S = 5.0
_CHILD_TIMEOUT_S = 2.0
"""A process that is busy for longer is left out of this answer."""
_HEAD_BYTES_MAX = 8192
_UP = ["# HELP ordergate_process_up Processes that answered.", "# TYPE ordergate_process_up gauge"]


async def render() -> bytes:
    """What this process counts, as Prometheus reads it."""
    from prometheus_client import generate_latest  # noqa: PLC0415 - only where somebody asks

    return generate_latest()


@asynccontextmanager
async def served(listen: str, render: Render = render) -> AsyncIterator[str]:
    """Serves `GET /metrics` on host:port for as long as the block runs; gives the address, with the real port.

    Does nothing, and gives "", for an empty `listen`.

    Raises:
        OSError: the address can't be used; the text names it.
    """
    if not listen:
        yield ""
        return
    host, _, port = listen.rpartition(":")
    try:
        server = await asyncio.start_server(
            lambda reader, writer: _answer(reader, writer, render), host.strip("[]"), int(port), limit=_HEAD_BYTES_MAX
        )
    except OSError as error:
        raise OSError(f"--metrics-listen: can't listen on {listen}: {error.strerror or error}") from error
    async with server:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def told(path: Path | None) -> AsyncIterator[None]:
    """Tells the parent this process' metrics through the unix socket `path`; does nothing without one."""
    if path is None:
        yield
        return

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(await render())
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(tell, str(path))
    async with server:
        yield


async def gather(children: Mapping[str, Path]) -> bytes:
    """The metrics of several processes (name and socket of each), each with its name in the label `process`."""
    texts = await asyncio.gather(*(_ask(path) for path in children.values()))
    return merge({name: text for name, text in zip(children, texts, strict=True) if text is not None})


def merge(texts: Mapping[str, str]) -> bytes:
    """One text of several, a family's samples together as the format demands. Pure."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {"ordergate_process_up": []}
    heads["ordergate_process_up"] = _UP
    for process, text in texts.items():
        samples["ordergate_process_up"].append(f'ordergate_process_up{{process="{process}"}} 1.0')
        for family, lines in _families(text):
            heads.setdefault(family, [line for line in lines if line.startswith("# ")])
            found = samples.setdefault(family, [])
            found += [_labelled(line, process) for line in lines if not line.startswith("# ")]
    return ("\n".join(line for family in samples for line in heads[family] + samples[family]) + "\n").encode()


def _families(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of each family: its help, its type, its samples."""
    family, lines = "", list[str]()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            if lines:
                yield family, lines
            family, lines = line.split(" ", 3)[2], []
        lines.append(line)
    if lines:
        yield family, lines


def _labelled(line: str, process: str) -> str:
    name, brace, rest = line.partition("{")
    if brace:
        return f'{name}{{process="{process}",{rest}'
    name, _, value = line.partition(" ")
    return f'{name}{{process="{process}"}} {value}'


async def _ask(path: Path) -> str | None:
    try:
        async with asyncio.timeout(_CHILD_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(path))
            text = await reader.read(-1)
            writer.close()
            return text.decode()
    except (OSError, TimeoutError):
        return None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, render: Render) -> None:
    try:
        async with asyncio.timeout(_REQUEST_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.split(b" ", 2)
            found = target.split(b"?")[0] in {b"/metrics", b"/"} and method in {b"GET", b"HEAD"}
            body = await render() if found else b"only GET /metrics\n"
            status = "200 OK" if found else "404 Not Found"
            kind = CONTENT_TYPE if found else "text/plain"
            lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close")
            writer.write("\r\n".join((*lines, "", "")).encode() + (b"" if method == b"HEAD" else body))
            await writer.drain()
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        log.debug("metrics not served")
    finally:
        writer.close()
