"""`python -m bench.baseline.synchronous`: order entry as the ancestor did it, and as well as that can be done.

    Submit → validate → INSERT, committed → engine → reply

Each order is a transaction of its own, and the reply waits for it and for the engine. Its gRPC server, event loop,
validation and engine are the gateway's. In its favour: no authentication, no duplicate look-up beyond the unique key,
no events to anybody, a plain table, prepared statements over a pool of connections (so that Postgres commits in
groups), and orders that meet share a message to the engine.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from bench.baseline.engine_line import EngineLine, engine_line
from bench.baseline.serve import order_entry, serve
from gateway.auth import Principal
from gateway.instruments import load_instruments
from gateway.validation import Validator
from gateway.wire import now_ns
from ordergate.v1 import command_pb2, order_entry_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.baseline.serve import Handlers

CONNECTIONS = 24
"""More than are ever under way in a commit here; beyond about 16 the rate did not grow."""

_TABLE = """
DROP TABLE IF EXISTS baseline_orders;
CREATE TABLE baseline_orders (
    order_id uuid PRIMARY KEY, account text NOT NULL, client_order_id text NOT NULL, symbol text NOT NULL,
    side smallint NOT NULL, order_type smallint NOT NULL, time_in_force smallint NOT NULL,
    quantity text NOT NULL, limit_price text NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
)
"""
_INSERT = """
INSERT INTO baseline_orders (order_id, account, client_order_id, symbol, side, order_type, time_in_force, quantity,
                             limit_price)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_SETTINGS = {"application_name": "ordergate-baseline", "synchronous_commit": "on", "jit": "off"}


class Synchronous:
    """Submit, the old way."""

    def __init__(self, pool: asyncpg.Pool, line: EngineLine, validator: Validator, principal: Principal) -> None:
        self._pool = pool
        self._line = line
        self._validator = validator
        self._principal = principal

    async def submit(self, raw: bytes, _: Any) -> bytes:
        command = order_entry_service_pb2.SubmitRequest.FromString(raw).command
        received = now_ns()
        prepared = self._validator.prepare(command, self._principal, received, command_pb2.ACK_LEVEL_ENGINE)
        order = command.new_order
        async with self._pool.acquire() as connection:
            await connection.execute(
                _INSERT,
                uuid.UUID(bytes=prepared.key),
                prepared.account,
                prepared.command_id,
                order.symbol,
                order.side,
                order.order_type,
                order.time_in_force,
                order.quantity,
                order.limit_price,
            )
        await self._line.apply(prepared)
        ack = command_pb2.Ack(
            command_id=prepared.command_id,
            account=prepared.account,
            order_id=prepared.order_id,
            level=command_pb2.ACK_LEVEL_ENGINE,
        )
        ack.received_at.FromNanoseconds(received)
        ack.engine_at.FromNanoseconds(time.time_ns())
        return order_entry_service_pb2.SubmitResponse(ack=ack).SerializeToString()


@contextlib.asynccontextmanager
async def _handlers(given: argparse.Namespace) -> AsyncIterator[Handlers]:
    instruments = load_instruments(given.instruments, 1)
    principal = Principal("baseline", frozenset(given.account), frozenset({"trade"}), float("inf"))
    size = given.connections
    async with (
        asyncpg.create_pool(given.postgres_dsn, min_size=size, max_size=size, server_settings=_SETTINGS) as pool,
        engine_line(given.engine, instruments.digest) as line,
    ):
        await pool.execute(_TABLE)
        service = Synchronous(pool, line, Validator(instruments), principal)
        yield (order_entry(Submit=service.submit),)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.baseline.synchronous",
        description="The baseline: Submit that validates, inserts and commits one row, asks the engine, and replies.",
    )
    parser.add_argument("--listen", default="127.0.0.1:50062", help="host:port (default: %(default)s)")
    parser.add_argument("--postgres-dsn", required=True, help="database; its table baseline_orders is made anew")
    parser.add_argument("--engine", required=True, help="unix:path of an engine that has seen nothing yet")
    parser.add_argument(
        "--instruments", type=Path, default=Path("instruments.toml"), help="the engine's instrument file"
    )
    parser.add_argument("--account", action="append", required=True, help="account that may trade; may be given again")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="to Postgres (default: %(default)s)")
    given = parser.parse_args()
    serve(given.listen, lambda: _handlers(given))


if __name__ == "__main__":
    main()
