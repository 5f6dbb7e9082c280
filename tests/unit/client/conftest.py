from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.client import OrderClient
from tests.unit.client.fake_gateway import TOKEN, FakeGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    fake = FakeGateway()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[OrderClient]:
    async with OrderClient(gateway.address, token=TOKEN, timeout_s=5) as opened:
        yield opened
