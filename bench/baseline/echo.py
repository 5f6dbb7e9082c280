"""`python -m bench.baseline.echo`: the no-op ceilings. Gives back the bytes that it gets, and looks at none.

Nothing that is written with grpc.aio can answer more calls or messages than this. It has the gateway's event loop and
server options, and answers to the names of the gateway's RPCs.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

from bench.baseline.serve import order_entry, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.baseline.serve import Handlers


async def _submit(raw: bytes, _: Any) -> bytes:
    return raw


async def _session(_: Any, context: Any) -> None:
    read, write = context.read, context.write
    while isinstance(raw := await read(), bytes):
        await write(raw)


@contextlib.asynccontextmanager
async def _handlers() -> AsyncIterator[Handlers]:
    yield (order_entry(Submit=_submit, Session=_session),)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.baseline.echo", description="No-op ceilings: an echo server."
    )
    parser.add_argument("--listen", default="127.0.0.1:50061", help="host:port (default: %(default)s)")
    serve(parser.parse_args().listen, _handlers)


if __name__ == "__main__":
    main()
