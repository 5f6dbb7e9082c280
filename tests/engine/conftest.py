"""A private engine for each test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from engine_driver import Engine, running_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with running_engine(tmp_path) as running:
        yield running
