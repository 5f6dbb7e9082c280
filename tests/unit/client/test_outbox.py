from __future__ import annotations

import asyncio

import pytest

from gateway.client import Disposition, OrdergateError, Side, new_order
from gateway.client.outbox import Outbox
from gateway.errors import InvalidField, QueueFull
from ordergate.v1.command_pb2 import Ack, Command
from ordergate.v1.order_entry_service_pb2 import SessionRequest


def outbox(window: int = 100, commands_max: int = 1000, bytes_max: int = 1 << 20) -> Outbox:
    box = Outbox(window)
    box.granted(commands_max, bytes_max, ["only"])
    return box


def orders(*ids: str, account: str = "only", symbol: str = "X") -> list[Command]:
    return [new_order(symbol=symbol, side=Side.BUY, quantity=1, price=1, account=account, command_id=i) for i in ids]


def sent(box: Outbox) -> list[list[str]]:
    """Ids in each message that the outbox gives until it has none."""
    frames = []
    while frame := box.take_frame():
        frames.append([c.command_id for c in SessionRequest.FromString(frame).commands])
    return frames


def acks(*ids: str, account: str = "only") -> list[Ack]:
    return [Ack(command_id=i, account=account, level=1) for i in ids]


def test_a_message_is_what_protobuf_would_have_written() -> None:
    box = outbox()
    commands = [*orders("a"), *orders("b", symbol="Y" * 3000)]
    box.add(commands)
    assert box.take_frame() == SessionRequest(commands=commands).SerializeToString()


@pytest.mark.parametrize(
    ("window", "commands_max", "frames"),
    [
        (100, 1000, [5]),
        (100, 2, [2, 2, 1]),
        (8, 1000, [2, 2, 1]),  # a quarter of the window each
        (3, 1000, [1, 1, 1]),  # then the window is full
    ],
)
def test_messages_keep_to_the_server_s_limit_and_the_window(window: int, commands_max: int, frames: list[int]) -> None:
    box = outbox(window, commands_max)
    box.add(orders(*"abcde"))
    assert [len(frame) for frame in sent(box)] == frames


def test_a_refusal_of_what_was_sent_over_a_lost_stream_says_that_the_outcome_is_unknown() -> None:
    box = outbox(window=4)
    batch = box.add(orders("sent", "malformed", "waiting"))
    box.take_frame()
    box.take_frame()
    box.granted(1000, 1 << 20, ["only"])  # a new stream
    box.settle(
        [
            Ack(command_id="sent", account="only", failure=QueueFull("full").failure()),
            Ack(command_id="malformed", account="only", failure=InvalidField("account", "wrong").failure()),
            Ack(command_id="waiting", account="only", failure=QueueFull("full").failure()),
        ]
    )
    told = [Disposition(ack.failure.disposition) for ack in batch.acks if ack is not None]
    assert told == [Disposition.UNKNOWN, Disposition.NOT_APPLIED, Disposition.NOT_APPLIED]
    assert len(box) == 0


def test_messages_keep_to_the_server_s_bytes() -> None:
    box = outbox(bytes_max=2048)
    box.add(orders("a", "b", "c", symbol="S" * 400))
    assert sent(box) == [["a", "b"], ["c"]]


def test_a_command_larger_than_a_message_is_refused() -> None:
    box = outbox(bytes_max=2048)
    with pytest.raises(ValueError, match="nothing was sent"):
        box.add(orders("a", symbol="S" * 4000))
    assert len(box) == 0


def test_acks_open_the_window() -> None:
    box = outbox(window=2)
    box.add(orders("a", "b", "c"))
    assert sent(box) == [["a"], ["b"]]
    box.settle(acks("a"))
    assert sent(box) == [["c"]]


def test_a_new_stream_sends_again_what_has_no_ack_in_the_old_order_before_the_new() -> None:
    box = outbox()
    box.add(orders("a", "b", "c"))
    sent(box)
    box.settle(acks("b"))
    box.add(orders("d"))
    box.granted(1000, 1 << 20, ["only"])
    assert sent(box) == [["a", "c", "d"]]


async def test_a_batch_gives_its_acks_in_the_order_of_its_commands() -> None:
    box = outbox()
    batch = box.add(orders("a", "b"))
    box.settle(acks("b"))
    assert not batch.done
    waiting = asyncio.ensure_future(_wait(batch))
    await asyncio.sleep(0)
    box.settle(acks("a"))
    assert [ack.command_id for ack in await waiting] == ["a", "b"]
    assert [ack.command_id for ack in await batch] == ["a", "b"]


async def test_a_batch_outlives_a_waiter_that_gave_up() -> None:
    box = outbox()
    batch = box.add(orders("a"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await batch
    box.settle(acks("a"))
    assert len(await batch) == 1


async def test_a_failed_outbox_tells_every_batch_once() -> None:
    box = outbox()
    done, first, second = box.add(orders("z")), box.add(orders("a", "b")), box.add(orders("c"))
    box.settle(acks("z", "a"))
    box.fail(OrdergateError("gone"))
    assert len(await done) == 1
    for batch in (first, second):
        with pytest.raises(OrdergateError, match="gone"):
            await batch
    assert [ack is not None for ack in first.acks] == [True, False]
    assert len(box) == 0


def test_the_same_id_of_two_accounts_is_two_commands() -> None:
    box = Outbox(100)
    box.granted(1000, 1 << 20, ["a", "b"])
    first, second = box.add(orders("x", account="a")), box.add(orders("x", account="b"))
    box.settle(acks("x", account="b"))
    assert (first.done, second.done) == (False, True)


@pytest.mark.parametrize("told", ["only", ""])
def test_an_ack_finds_a_command_that_named_no_account(told: str) -> None:
    box = outbox()
    batch = box.add(orders("a", account=""))
    box.settle(acks("a", account=told))
    assert batch.done


def test_an_ack_given_twice_changes_nothing() -> None:
    box = outbox()
    batch = box.add(orders("a", "b"))
    box.settle(acks("a", "a", "never"))
    assert not batch.done
    assert len(box) == 1


async def _wait(batch: object) -> list[Ack]:
    return await batch
