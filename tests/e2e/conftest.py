"""Connections of tests to the shared stack and to the shared gateway without an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..support.wire import Wire, connect, new_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..support.gateway import RunningGateway
    from ..support.stack import RunningStack


@pytest.fixture
def account() -> str:
    """An account of this test's own."""
    return new_account()


@pytest.fixture
async def wire(stack: RunningStack, account: str) -> AsyncIterator[Wire]:
    """A connection to the whole stack, with a token for `account`."""
    async with connect(stack.address, stack.token(account)) as made:
        yield made


@pytest.fixture
async def door(gateway: RunningGateway, account: str) -> AsyncIterator[Wire]:
    """A connection to a gateway without an engine, with a token for `account`."""
    async with connect(gateway.address, gateway.token(account)) as made:
        yield made
