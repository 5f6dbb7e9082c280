"""Waiting for a condition, never for time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PERIOD_S = 0.05
TIMEOUT_S = 60.0
"""A condition that takes longer does not come; the machine may be busy, so this is long."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns once `condition` holds.

    Raises:
        TimeoutError: it does not within a minute.
    """
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():  # noqa: ASYNC110  nobody sets an event in another process
            await asyncio.sleep(_PERIOD_S)
