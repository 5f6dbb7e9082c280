from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import grpc
import pytest

from gateway import errors as server
from gateway.client import (
    AckLevel,
    AckTimeout,
    CursorExpired,
    Disposition,
    NotFound,
    OrderClient,
    OrdergateError,
    OutcomeUnknown,
    PermissionDenied,
    QueueFull,
    Reason,
    Rejected,
    ServerError,
    Side,
    Unauthenticated,
    Unavailable,
    new_order,
)
from ordergate.v1 import failure_pb2
from tests.unit.client.fake_gateway import TOKEN, once

if TYPE_CHECKING:
    from gateway.client import Ack
    from tests.unit.client.fake_gateway import FakeGateway

IN_DOUBT = failure_pb2.DISPOSITION_UNKNOWN


async def submit(client: OrderClient, command_id: str = "c1") -> Ack:
    return await client.submit(
        symbol="X", side=Side.BUY, quantity="2", price="1.5", account="alpha", command_id=command_id
    )


async def test_submit_get_and_cancel(client: OrderClient) -> None:
    ack = await submit(client)
    assert (ack.level, ack.command_id, ack.account) == (AckLevel.QUEUED, "c1", "alpha")
    assert ack.queued_at == datetime(2026, 5, 2, 2, 36, 23, 201000, tzinfo=UTC)
    order = await client.get_order(order_id=ack.order_id, account="alpha")
    assert (order.quantity, order.limit_price, order.average_price) == (Decimal(2), Decimal("1.5"), None)
    assert not order.is_final
    await client.cancel(client_order_id="c1", account="alpha")
    assert (await client.get_order(client_order_id="c1", account="alpha")).is_final


async def test_a_batch_gives_one_ack_each_and_raises_for_none(client: OrderClient) -> None:
    commands = [
        new_order(symbol="X", side=Side.BUY, quantity=1, price=1, account=account) for account in ("alpha", "nobody")
    ]
    good, bad = await client.submit_batch(commands)
    assert good.failure is None
    assert bad.failure is not None
    assert (bad.failure.reason, bad.failure.field) == (Reason.INVALID_FIELD, "account")


async def test_check_has_no_effect(client: OrderClient, gateway: FakeGateway) -> None:
    ack = await client.check(symbol="X", side=Side.BUY, quantity=1, price=1, account="alpha")
    assert ack.level == AckLevel.UNSPECIFIED
    with pytest.raises(Rejected) as caught:
        await client.check(symbol="", side=Side.BUY, quantity=1, price=1, account="alpha")
    assert caught.value.field == "new_order.symbol"
    assert gateway.log.commands == []


async def test_a_submit_whose_answer_is_lost_is_sent_again_and_applied_once(
    client: OrderClient, gateway: FakeGateway
) -> None:
    gateway.lose_after_store = once()
    assert (await submit(client)).level == AckLevel.QUEUED
    assert [command.command_id for command in gateway.log.commands] == ["c1"]


async def test_a_submit_without_an_answer_in_time_has_an_unknown_outcome(gateway: FakeGateway) -> None:
    gateway.lose_after_store = lambda: True
    async with OrderClient(gateway.address, token=TOKEN, timeout_s=0.5) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await submit(client)
    assert caught.value.command_id == "c1"
    assert caught.value.disposition == Disposition.UNKNOWN


@pytest.mark.parametrize("refusal", [server.QueueFull("full"), server.Draining(), server.Stale("late")], ids=str)
async def test_a_refusal_after_an_attempt_of_unknown_outcome_leaves_it_unknown(
    gateway: FakeGateway, refusal: server.OrdergateError
) -> None:
    def lose() -> bool:
        gateway.refusals = [refusal] * 100
        return True

    gateway.lose_after_store = lose
    async with OrderClient(gateway.address, token=TOKEN, timeout_s=0.7) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await submit(client)
    assert [command.command_id for command in gateway.log.commands] == ["c1"]
    assert (caught.value.disposition, caught.value.command_id) == (Disposition.UNKNOWN, "c1")
    assert caught.value.reason == refusal.reason


async def test_a_batch_whose_second_attempt_is_refused_leaves_its_commands_unknown(
    client: OrderClient, gateway: FakeGateway
) -> None:
    gateway.refusals = [grpc.StatusCode.UNKNOWN]
    gateway.ack_failures = [server.QueueFull("full"), server.InvalidField("account", "malformed")]
    commands = [new_order(symbol="X", side=Side.BUY, quantity=1, price=1, account="alpha") for _ in range(2)]
    full, malformed = await client.submit_batch(commands)
    assert full.failure is not None
    assert malformed.failure is not None
    assert (full.failure.disposition, full.failure.reason) == (Disposition.UNKNOWN, Reason.QUEUE_FULL)
    assert malformed.failure.disposition == Disposition.NOT_APPLIED


@pytest.mark.parametrize(
    ("refusal", "error", "reason"),
    [
        (server.InvalidField("new_order.side", "side is needed"), Rejected, Reason.INVALID_FIELD),
        (server.OffIncrement("new_order.limit_price", "off"), Rejected, Reason.PRICE_INCREMENT),
        (server.Unimplemented("amend_order"), Rejected, Reason.UNIMPLEMENTED),
        (server.PermissionDenied("no"), PermissionDenied, Reason.PERMISSION),
        (server.NotFound("no"), NotFound, Reason.NOT_FOUND),
        (server.Stale("late"), Rejected, Reason.STALE),
        (server.QueueFull("full", retry_after_s=1.5), QueueFull, Reason.QUEUE_FULL),
        (server.AckTimeout("slow"), AckTimeout, Reason.ACK_TIMEOUT),
        (server.CursorExpired("old"), CursorExpired, Reason.CURSOR_EXPIRED),
        (server.Internal("defect 17"), ServerError, Reason.INTERNAL),
        (grpc.StatusCode.UNIMPLEMENTED, Rejected, Reason.UNSPECIFIED),
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied, Reason.UNSPECIFIED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, server.OrdergateError) else None,
)
async def test_a_refusal_is_a_typed_error(
    client: OrderClient, gateway: FakeGateway, refusal: object, error: type[OrdergateError], reason: Reason
) -> None:
    gateway.refusals = [refusal]
    with pytest.raises(OrdergateError) as caught:
        await submit(client)
    assert type(caught.value) is error
    assert (caught.value.reason, caught.value.command_id) == (reason, "c1")
    if isinstance(refusal, server.OrdergateError):
        assert (caught.value.text, caught.value.field) == (refusal.text, refusal.field)
        assert caught.value.disposition == refusal.disposition
        assert caught.value.retry_after == refusal.retry_after_s
    assert gateway.log.commands == []


@pytest.mark.parametrize(
    "refusal",
    [
        server.Unavailable("queue not reached"),
        server.Unavailable("queue timed out", IN_DOUBT),
        server.Draining(),
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    ],
    ids=str,
)
async def test_what_may_pass_is_tried_again(client: OrderClient, gateway: FakeGateway, refusal: object) -> None:
    gateway.refusals = [refusal]
    assert (await submit(client)).level == AckLevel.QUEUED


async def test_an_error_tells_all_it_knows_in_one_line(client: OrderClient, gateway: FakeGateway) -> None:
    gateway.refusals = [server.OffLot("new_order.quantity", "quantity must be a multiple of 1")]
    with pytest.raises(Rejected) as caught:
        await submit(client)
    assert str(caught.value) == ("LOT_SIZE: quantity must be a multiple of 1 (field new_order.quantity) [command c1]")


async def test_a_bad_token_and_an_absent_server(gateway: FakeGateway) -> None:
    async with OrderClient(gateway.address, token="bad", timeout_s=0.5) as client:
        with pytest.raises(Unauthenticated):
            await client.get_order(order_id="x")
        await gateway.stop()
        with pytest.raises(Unavailable):
            await client.get_order(order_id="x")
        with pytest.raises(OutcomeUnknown):
            await submit(client)


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await OrderClient("127.0.0.1:1").get_order(order_id="x")
