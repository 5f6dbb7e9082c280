"""One shared stack for all end-to-end tests that kill nothing, and connections to it.

Each test has an account and an instrument of its own, so that no order of another test is in its book.
"""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import pytest

from ..support.stack import RunningStack, _new_home
from ..support.wire import Wire, connect, new_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ..support.gateway import RunningGateway

SYMBOLS = [f"S{number:03}" for number in range(300)]
_symbols = itertools.cycle(SYMBOLS)


def new_symbols(count: int) -> list[str]:
    """Instruments that no other test uses: what rests of one test would trade with the next."""
    return list(itertools.islice(_symbols, count))


def instruments_toml() -> str:
    """ACME and `SYMBOLS`, all alike: increment 0.01, lot 1."""
    terms = 'price_increment = "0.01"\nlot_size = "1"\nmax_price = "1000000"\nmax_quantity = "1000000"\n'
    return "\n".join(f'[[instrument]]\nsymbol = "{symbol}"\n{terms}' for symbol in ["ACME", *SYMBOLS])


@pytest.fixture(scope="session")
def stack(engine_binary: Path) -> Iterator[RunningStack]:
    """A running `ordergate up` with many instruments."""
    home = _new_home()
    path = home / "instruments.toml"
    path.write_text(instruments_toml(), encoding="utf-8")
    running = RunningStack(home, ("--instruments", str(path)), {}, engine_binary)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def account() -> str:
    """An account of this test's own."""
    return new_account()


@pytest.fixture
def symbol() -> str:
    """An instrument of this test's own."""
    return new_symbols(1)[0]


@pytest.fixture
async def wire(stack: RunningStack, account: str) -> AsyncIterator[Wire]:
    """A connection to the whole stack, with a token for `account`."""
    async with connect(stack.address, stack.token(account)) as made:
        yield made


@pytest.fixture
async def other(stack: RunningStack) -> AsyncIterator[Wire]:
    """A connection to the whole stack, with a token for another account."""
    async with connect(stack.address, stack.token(new_account())) as made:
        yield made


@pytest.fixture
async def door(gateway: RunningGateway, account: str) -> AsyncIterator[Wire]:
    """A connection to a gateway without an engine, with a token for `account`."""
    async with connect(gateway.address, gateway.token(account)) as made:
        yield made
