"""The proxy between two processes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@contextlib.asynccontextmanager
async def echo(word: bytes) -> AsyncIterator[int]:
    """A server that answers each line with its word before it; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(word + line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def proxied(proxy: Proxy) -> AsyncIterator[Proxy]:
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    writer.write(line + b"\n")
    async with asyncio.timeout(10):
        return (await reader.readline()).strip()


async def test_bytes_pass_both_ways_over_tcp_and_unix_sockets(short_path: Path) -> None:
    async with echo(b"to ") as port, proxied(Proxy(short_path / "p.sock", [("127.0.0.1", port)])):
        streams = await asyncio.open_unix_connection(short_path / "p.sock")
        assert await ask(*streams, b"a") == b"to a"
        streams[1].close()


async def test_a_cut_ends_connections_and_refuses_new_ones_until_healed() -> None:
    async with echo(b"") as port, proxied(Proxy(("127.0.0.1", 0), [("127.0.0.1", port)])) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ask(reader, writer, b"a") == b"a"
        proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with contextlib.suppress(ConnectionError):
            assert await ask(reader, writer, b"b") == b""
        writer.close()
        proxy.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ask(reader, writer, b"c") == b"c"
        writer.close()


async def test_what_is_held_arrives_once_it_is_healed() -> None:
    async with echo(b"") as port, proxied(Proxy(("127.0.0.1", 0), [("127.0.0.1", port)])) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ask(reader, writer, b"a") == b"a"
        proxy.hold()
        asking = asyncio.create_task(ask(reader, writer, b"b"))
        done, _ = await asyncio.wait({asking}, timeout=0.1)
        assert not done
        proxy.heal()
        assert await asking == b"b"
        writer.close()


async def test_a_delay_is_felt_in_both_directions() -> None:
    async with echo(b"") as port, proxied(Proxy(("127.0.0.1", 0), [("127.0.0.1", port)])) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.delay(0.1)
        began = asyncio.get_running_loop().time()
        assert await ask(reader, writer, b"a") == b"a"
        assert asyncio.get_running_loop().time() - began >= 0.2
        writer.close()


async def test_connections_go_to_the_upstreams_in_turn_and_past_one_that_is_away() -> None:
    async with echo(b"1") as first, echo(b"2") as second:
        places = [("127.0.0.1", first), ("127.0.0.1", second)]
        async with proxied(Proxy(("127.0.0.1", 0), places)) as proxy:  # type: ignore[arg-type]
            answers = []
            for _ in range(4):
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                answers.append(await ask(reader, writer, b""))
                writer.close()
            assert sorted(answers) == [b"1", b"1", b"2", b"2"]
            proxy.upstreams[0] = ("127.0.0.1", 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await ask(reader, writer, b"") == b"2"
            writer.close()


@pytest.mark.parametrize("size", [1, 65_536, 1_000_000])
async def test_no_byte_is_lost(size: int) -> None:
    async with echo(b"") as port, proxied(Proxy(("127.0.0.1", 0), [("127.0.0.1", port)])) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=2**22)
        pieces = [b"%08d\n" % number for number in range(size // 9 + 1)]
        sending = asyncio.create_task(_send(writer, pieces))
        async with asyncio.timeout(30):
            assert [await reader.readline() for _ in pieces] == pieces
        await sending
        writer.close()


async def _send(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
