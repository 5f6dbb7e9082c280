"""Many commands at once, straight into the log, as workers write them: new orders, and cancels of earlier ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.ids import order_key
from gateway.streams import FIELD_COUNT, FIELD_FRAME, Keys
from ordergate.log.v1.command_frame_pb2 import CommandFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

FRAME_COMMANDS = 1000
_RESTING_FRAMES = 40
"""Orders are canceled this many frames later: 20,000 of them rest."""
_NEW, _CANCEL = 1, 2
_SYMBOL = "ACME"


async def write_commands(client: Redis, account: str, count: int) -> None:
    """Appends `count` commands of one account; returns when Redis has all of them."""
    key = Keys(0).commands
    for frame in _frames(account, count // FRAME_COMMANDS):
        await client.execute_command("XADD", key, "*", FIELD_FRAME, frame, FIELD_COUNT, FRAME_COMMANDS)


def _frames(account: str, count: int) -> Iterator[bytes]:
    half = FRAME_COMMANDS // 2
    keys: list[bytes] = []
    for number in range(count):
        ids = [f"n{number}-{place}" for place in range(half)]
        keys.append(b"".join(order_key(account, command_id) for command_id in ids))
        cancels = [f"c{number}-{place}" for place in range(half)] if number >= _RESTING_FRAMES else []
        yield _frame(account, ids, keys[number], cancels, keys[number - _RESTING_FRAMES] if cancels else b"")


def _frame(account: str, ids: list[str], keys: bytes, cancels: list[str], targets: bytes) -> bytes:
    """New orders of both sides, too far apart to trade, and cancels of earlier ones."""
    more = ids if cancels else ids + [f"{command_id}x" for command_id in ids]
    orders = len(more)
    if not cancels:
        keys += b"".join(order_key(account, command_id) for command_id in more[len(ids) :])
    total = orders + len(cancels)
    frame = CommandFrame(
        format=1,
        queued_at_ns=time.time_ns() // 1000 * 1000,
        origin="bulk",
        accounts=[account],
        symbols=[_SYMBOL],
        kinds=bytes([_NEW] * orders + [_CANCEL] * len(cancels)),
        keys=keys + b"".join(order_key(account, command_id) for command_id in cancels),
        command_ids=more + cancels,
        account_index=[0] * total,
        age_us=[0] * total,
        symbol_index=[0] * orders,
        sides=bytes([1, 2] * (orders // 2)),
        order_types=bytes([1] * orders),
        times_in_force=bytes([1] * orders),
        flags=bytes(orders),
        limit_price_ticks=[1000 - place % 50 if place % 2 == 0 else 2000 + place % 50 for place in range(orders)],
        quantity_lots=[10] * orders,
        targets=targets,
    )
    return frame.SerializeToString()
