"""Command frames as a gateway worker would write them: several accounts that trade with each other and cancel."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from gateway.ids import order_key
from gateway.rows import CANCEL_ORDER, NEW_ORDER
from gateway.wire import Prepared, command_frame
from ordergate.v1 import order_pb2 as pb
from tests.integration.relay.conftest import KEYS

if TYPE_CHECKING:
    from redis.asyncio import Redis

ACCOUNTS = ("alice", "bob", "carol")


class OrderFlow:
    """A random but repeatable flow; every command_id is used once."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._made = 0
        self._orders: list[tuple[str, bytes]] = []

    def frame(self, commands: int) -> bytes:
        now = time.time_ns()
        return command_frame([self._command(now) for _ in range(commands)], now, "test")

    async def append(self, client: Redis, frames: int, commands: int = 20) -> list[bytes]:
        """Appends frames one by one, as a worker does; their ids."""
        return [await client.xadd(KEYS.commands, {"f": self.frame(commands), "n": commands}) for _ in range(frames)]

    def _command(self, now: int) -> Prepared:
        self._made += 1
        command_id = f"c{self._made}"
        if self._orders and self._random.random() < 0.3:
            account, target = self._random.choice(self._orders)
            return _prepared(CANCEL_ORDER, account, command_id, target, now)
        account = self._random.choice(ACCOUNTS)
        self._orders.append((account, order_key(account, command_id)))
        side = self._random.choice((pb.SIDE_BUY, pb.SIDE_SELL))
        return new_order(account, command_id, side, self._random.randint(9_990, 10_010), self._random.randint(1, 50))


def new_order(account: str, command_id: str, side: int, ticks: int, lots: int) -> Prepared:
    """A LIMIT GTC order for ACME."""
    body = ("ACME", side, pb.ORDER_TYPE_LIMIT, pb.TIME_IN_FORCE_GTC, 0, ticks, lots)
    return _prepared(NEW_ORDER, account, command_id, body, time.time_ns())


def _prepared(kind: int, account: str, command_id: str, body: tuple | bytes, now: int) -> Prepared:
    return Prepared(
        kind=kind,
        key=order_key(account, command_id),
        command_id=command_id,
        account=account,
        received_ns=now,
        level=0,
        valid_until_ns=0,
        shard=0,
        order_id="",
        body=body,
    )
