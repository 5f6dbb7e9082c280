from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from gateway.database import Database
from gateway.errors import Unavailable
from gateway.frames import timestamp
from gateway.ids import key_text, order_key
from gateway.instruments import load_instruments
from gateway.lookup import OrderLookup
from gateway.stack.services import ROOT
from gateway.streams import Keys, LogId
from ordergate.v1 import event_pb2, failure_pb2, order_pb2
from ordergate.v1 import order_query_service_pb2 as pb
from persistence.migrate import load_migrations, migrate

from ...unit.events.builder import DUPLICATE, FILL, NOW_NS, Told, command_frame
from .conftest import running_hub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .conftest import Archive, Shard

pytestmark = pytest.mark.integration

OPEN, FILLED = order_pb2.ORDER_STATUS_OPEN, order_pb2.ORDER_STATUS_FILLED
QUEUE, CACHE, DATABASE = pb.ORDER_SOURCE_QUEUE, pb.ORDER_SOURCE_CACHE, pb.ORDER_SOURCE_DATABASE
KEY = order_key("a", "1")


class Setting:
    """A shard, a database with the persister's schema, and the look-up over both."""

    def __init__(self, shard: Shard, connection: Any, database: Database) -> None:
        self.shard = shard
        self.connection = connection
        self.lookup = OrderLookup([shard.hub], shard.redis, database, load_instruments(ROOT / "instruments.toml"), 60)

    async def queue(self, *orders: tuple[str, str]) -> None:
        await self.shard.redis.xadd(self.shard.keys.commands, {"f": command_frame(*orders).SerializeToString()})

    async def cache(self, order: order_pb2.Order) -> None:
        await self.shard.redis.set(self.shard.keys.order(order.order_id), order.SerializeToString(), ex=60)

    async def cached(self, key: bytes = KEY) -> bytes | None:
        return await self.shard.redis.get(self.shard.keys.order(key_text(key)))

    async def store(self, **changes: Any) -> None:
        at = datetime.fromtimestamp(NOW_NS // 10**9, UTC).replace(microsecond=NOW_NS // 1000 % 10**6)
        row = {
            "order_id": uuid.UUID(bytes=KEY), "shard": 0, "account": "a", "client_order_id": "1", "symbol": "BTC-USD",
            "side": 1, "order_type": 1, "time_in_force": 1, "flags": 0, "quantity_lots": 100_000_000,
            "limit_price_ticks": 10_000, "status": OPEN, "reject_reason": 0, "cause": 0, "executed_lots": 0,
            "leaves_lots": 100_000_000, "executed_notional": 0, "version": 1, "last_event_seq": 1, "command_ms": 1,
            "command_seq": 0, "command_index": 0, "event_ms": 1, "event_seq": 0, "created_at": at, "queued_at": at,
            "updated_at": at,
        } | changes  # fmt: skip
        marks = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.connection.execute(f"INSERT INTO orders ({', '.join(row)}) VALUES ({marks})", *row.values())

    def order(self, status: int = OPEN, executed: int = 0, seq: int = 1) -> order_pb2.Order:
        return self.shard.log.order(Told("a", "1", status=status, executed=executed), seq)


@pytest.fixture
async def setting(shard: Shard, postgres_dsn: str) -> AsyncIterator[Setting]:
    connection = await asyncpg.connect(postgres_dsn)
    await migrate(connection, load_migrations())
    database = Database(postgres_dsn)
    yield Setting(shard, connection, database)
    await database.close()
    await connection.close()


async def test_nothing_is_found_of_an_order_that_nobody_sent(setting: Setting) -> None:
    assert await setting.lookup.get("a", KEY) is None


async def test_an_order_is_found_queued_then_open_then_in_postgres(setting: Setting) -> None:
    await setting.queue(("b", "0"), ("a", "1"))
    found = await setting.lookup.get("a", KEY)
    assert found is not None
    assert (found.order.status, found.order.version, found.source) == (order_pb2.ORDER_STATUS_QUEUED, 0, QUEUE)
    await setting.shard.publish(Told("b", "0"), Told("a", "1"))
    assert await setting.lookup.get("a", KEY) == (setting.order(), QUEUE)
    await setting.shard.publish(Told("a", "1", FILL, executed=5), Told("b", "0", FILL, executed=5))
    assert await setting.lookup.get("a", KEY) == (setting.order(executed=5, seq=2), QUEUE)
    newest = (await setting.shard.redis.xinfo_stream(setting.shard.keys.commands))["last-generated-id"]
    persisted = {"commands": newest, "events": str(setting.shard.last)}
    await setting.store(
        executed_lots=5, leaves_lots=99_999_995, executed_notional=50_000, last_event_seq=2, status=OPEN
    )
    await setting.shard.redis.hset(Keys(0).persisted, mapping=persisted)
    assert await setting.lookup.get("a", KEY) == (setting.order(executed=5, seq=2), DATABASE)


async def test_anothers_order_is_not_found_wherever_it_is(setting: Setting) -> None:
    await setting.queue(("a", "1"))
    assert await setting.lookup.get("b", KEY) is None
    await setting.store(status=FILLED)
    assert await setting.lookup.get("b", KEY) is None
    await setting.cache(setting.order(FILLED))
    assert await setting.lookup.get("b", KEY) is None
    await setting.shard.publish(Told("a", "1"))
    assert await setting.lookup.get("b", KEY) is None


async def test_an_event_in_the_tail_tells_more_than_cache_and_postgres(setting: Setting) -> None:
    await setting.store()
    await setting.cache(setting.order(FILLED, 5))
    await setting.shard.publish(Told("a", "1", FILL, status=FILLED, executed=7))
    assert await setting.lookup.get("a", KEY) == (setting.order(FILLED, 7), QUEUE)


async def test_the_cache_answers_before_postgres_and_only_with_final_orders(setting: Setting) -> None:
    await setting.cache(setting.order(FILLED, 5))
    assert await setting.lookup.get("a", KEY) == (setting.order(FILLED, 5), CACHE)
    await setting.store()
    await setting.cache(setting.order(OPEN))
    assert await setting.lookup.get("a", KEY) == (setting.order(), DATABASE)
    await setting.shard.redis.set(setting.shard.keys.order(key_text(KEY)), b"\xff\xff")
    assert await setting.lookup.get("a", KEY) == (setting.order(), DATABASE)


async def test_a_repeated_command_does_not_make_an_old_order_queued_again(setting: Setting) -> None:
    await setting.store(status=FILLED, executed_lots=5, leaves_lots=99_999_995, executed_notional=50_000)
    await setting.queue(("a", "1"))
    assert await setting.lookup.get("a", KEY) == (setting.order(FILLED, 5), DATABASE)
    await setting.shard.publish(Told("a", "1", DUPLICATE, status=FILLED, executed=5))
    assert await setting.lookup.get("a", KEY) == (setting.order(FILLED, 5), QUEUE)


@pytest.mark.parametrize("repeated", [False, True])
async def test_an_order_whose_row_was_refused_is_found_as_it_was_told(
    setting: Setting, archive: Archive, repeated: bool
) -> None:
    """Until its dead letter is replayed; also if a repeat of its command has a row, which no event reaches."""
    await setting.queue(("b", "0"), ("a", "1"))
    ((raw, fields),) = await setting.shard.redis.xrange(setting.shard.keys.commands)
    setting.shard.last = LogId.parse(raw)._replace(seq=0)
    columns = "shard, stream, ms, seq, index, payload, error"
    letter = f"INSERT INTO dead_letters ({columns}) VALUES (0, 'commands', $1, 0, 1, $2, '')"
    await setting.connection.execute(letter, LogId.parse(raw).ms, fields[b"f"])
    await setting.shard.redis.hset(Keys(0).persisted, mapping={"commands": raw, "events": raw})
    await setting.shard.redis.delete(setting.shard.keys.commands)
    if repeated:
        await setting.store(last_event_seq=0, version=0, status=order_pb2.ORDER_STATUS_QUEUED)
    found = await setting.lookup.get("a", KEY)
    assert found is not None
    assert (found.order.status, found.source) == (order_pb2.ORDER_STATUS_QUEUED, DATABASE)
    assert await setting.lookup.get("b", KEY) is None, "another's order is not found"
    await setting.shard.publish(Told("b", "0"), Told("a", "1"))
    await setting.shard.publish(Told("a", "2"), Told("a", "1", FILL, executed=5), Told("b", "0", FILL, executed=5))
    await setting.shard.publish(Told("a", "3"))
    await archive.store(setting.shard)
    expected = setting.order(executed=5, seq=3)
    assert await setting.lookup.get("a", KEY) == (expected, DATABASE)


async def test_only_a_final_order_from_postgres_is_put_into_the_cache(setting: Setting) -> None:
    await setting.store()
    await setting.lookup.get("a", KEY)
    assert await setting.cached() is None
    await setting.connection.execute("UPDATE orders SET status = $1", FILLED)
    await setting.lookup.get("a", KEY)
    raw = await setting.cached()
    assert raw is not None
    assert order_pb2.Order.FromString(raw).status == FILLED
    assert 50 < await setting.shard.redis.ttl(setting.shard.keys.order(key_text(KEY))) <= 60


async def test_a_row_of_each_kind_becomes_the_order_that_the_engine_told(setting: Setting) -> None:
    await setting.store(
        order_type=order_pb2.ORDER_TYPE_MARKET,
        time_in_force=order_pb2.TIME_IN_FORCE_IOC,
        limit_price_ticks=None,
        flags=1,
        status=order_pb2.ORDER_STATUS_REJECTED,
        reject_reason=failure_pb2.REASON_STALE,
        leaves_lots=0,
        executed_lots=3,
        executed_notional=20_000,
        updated_at=datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC),
    )
    found = await setting.lookup.get("a", KEY)
    assert found is not None
    assert found.order == order_pb2.Order(
        order_id=key_text(KEY),
        client_order_id="1",
        account="a",
        self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_NONE,
        symbol="BTC-USD",
        side=order_pb2.SIDE_BUY,
        order_type=order_pb2.ORDER_TYPE_MARKET,
        time_in_force=order_pb2.TIME_IN_FORCE_IOC,
        quantity="1.00000000",
        post_only=True,
        status=order_pb2.ORDER_STATUS_REJECTED,
        reject_reason=failure_pb2.REASON_STALE,
        executed_quantity="0.00000003",
        leaves_quantity="0.00000000",
        average_price="66.6666666667",
        version=1,
        last_event_seq=1,
        created_at=timestamp(NOW_NS),
        queued_at=timestamp(NOW_NS),
        updated_at=timestamp(1_767_323_045_999_999_000),
    )


async def test_the_less_usual_terms_of_a_row_are_shown_as_the_engine_tells_them(setting: Setting) -> None:
    await setting.store(
        order_type=order_pb2.ORDER_TYPE_STOP_LIMIT,
        time_in_force=order_pb2.TIME_IN_FORCE_GTD,
        status=order_pb2.ORDER_STATUS_UNTRIGGERED,
        stop_price_ticks=10_100,
        display_lots=25_000_000,
        expire_at=datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC),
        self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_DECREMENT,
        stp_group="desk",
        tag="grid",
        session_name="main",
        cancel_on_disconnect=True,
    )
    found = await setting.lookup.get("a", KEY)
    assert found is not None
    assert found.order == order_pb2.Order(
        order_id=key_text(KEY),
        client_order_id="1",
        account="a",
        symbol="BTC-USD",
        side=order_pb2.SIDE_BUY,
        order_type=order_pb2.ORDER_TYPE_STOP_LIMIT,
        time_in_force=order_pb2.TIME_IN_FORCE_GTD,
        quantity="1.00000000",
        limit_price="100.00",
        stop_price="101.00",
        status=order_pb2.ORDER_STATUS_UNTRIGGERED,
        executed_quantity="0.00000000",
        leaves_quantity="1.00000000",
        version=1,
        last_event_seq=1,
        created_at=timestamp(NOW_NS),
        queued_at=timestamp(NOW_NS),
        updated_at=timestamp(NOW_NS),
        display_quantity="0.25000000",
        expire_at=timestamp(1_767_323_045_999_999_000),
        tag="grid",
        self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_DECREMENT,
        stp_group="desk",
        cancel_on_disconnect=True,
        session_name="main",
    )
    assert await setting.cached() is None


async def test_an_expired_order_is_final(setting: Setting) -> None:
    await setting.store(status=order_pb2.ORDER_STATUS_EXPIRED, leaves_lots=0)
    await setting.lookup.get("a", KEY)
    assert await setting.cached() is not None


async def test_events_that_show_no_order_leave_the_order_as_it_is(setting: Setting) -> None:
    await setting.shard.publish(Told("a", "1"))
    for kind in (event_pb2.EVENT_KIND_LIMITS, event_pb2.EVENT_KIND_TICK, event_pb2.EVENT_KIND_MASS_CANCEL_DONE):
        await setting.shard.publish(Told("a", "", kind))
    assert await setting.lookup.get("a", KEY) == (setting.order(), QUEUE)
    assert await setting.lookup.get("a", bytes(16)) is None


async def test_without_postgres_the_log_and_the_cache_still_answer(setting: Setting, postgres_server) -> None:
    await setting.queue(("a", "1"), ("a", "2"))
    await setting.shard.publish(Told("a", "2"))
    await setting.cache(setting.shard.log.order(Told("a", "3", status=FILLED), 9))
    await setting.connection.close()
    postgres_server.kill()
    try:
        sources = []
        for name in ("1", "2", "3"):
            found = await setting.lookup.get("a", order_key("a", name))
            assert found is not None
            sources.append(found.source)
        assert sources == [QUEUE, QUEUE, CACHE]
        with pytest.raises(Unavailable):
            await setting.lookup.get("a", order_key("a", "4"))
    finally:
        postgres_server.restart()
    assert await setting.lookup.get("a", order_key("a", "4")) is None


async def test_a_database_without_a_schema_is_one_that_is_not_there_yet(shard: Shard, postgres_dsn: str) -> None:
    database = Database(postgres_dsn)
    lookup = OrderLookup([shard.hub], shard.redis, database, load_instruments(ROOT / "instruments.toml"), 60)
    with pytest.raises(Unavailable):
        await lookup.get("a", KEY)
    await database.close()


async def test_without_redis_only_a_final_order_is_sure(setting: Setting, redis_server) -> None:
    await setting.store()
    redis_server.kill()
    with pytest.raises(Unavailable):
        await setting.lookup.get("a", KEY)
    await setting.connection.execute("UPDATE orders SET status = $1", FILLED)
    found = await setting.lookup.get("a", KEY)
    assert found is not None
    assert found.source == DATABASE


async def test_an_order_is_found_in_the_tail_of_any_shard(setting: Setting, redis_url: str) -> None:
    async with running_hub(redis_url, 1) as other:
        await other.publish(Told("a", "far"))
        database = Database("postgresql://nobody@127.0.0.1:1/none")
        hubs = [setting.shard.hub, other.hub]
        lookup = OrderLookup(hubs, setting.shard.redis, database, load_instruments(ROOT / "instruments.toml"), 60)
        found = await lookup.get("a", order_key("a", "far"))
        assert found is not None
        assert found.order.client_order_id == "far"
        await database.close()


async def test_an_event_frame_that_was_trimmed_meanwhile_is_asked_of_postgres(setting: Setting) -> None:
    await setting.shard.publish(Told("a", "1"))
    await setting.lookup.get("a", KEY)
    await setting.store(last_event_seq=8)
    await setting.shard.redis.xtrim(setting.shard.keys.events, maxlen=0, approximate=False)
    assert await setting.lookup.get("a", KEY) == (setting.order(seq=8), DATABASE)
