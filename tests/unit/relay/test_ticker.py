"""When a tick is due. That ticks are written, and once, is in tests/integration/relay/test_ticks.py."""

from __future__ import annotations

import pytest

from gateway.ids import OPERATIONS, order_key
from gateway.relay_feed import Frame
from gateway.relay_ticker import WAIT_MAX_S, Ticker, tick_frame
from gateway.relay_window import Stamp, Window
from gateway.streams import ZERO, Keys, LogId
from ordergate.log.v1 import command_frame_pb2

S = 1_000_000_000


def sent_at(*times_ns: int) -> Window:
    """A window that has given the engine one frame at each of these times."""
    clock = iter(times_ns)
    window = Window(100, 10_000, ZERO, ZERO, Stamp(0, lambda: next(clock)))
    for n in range(len(times_ns)):
        window.add([Frame(LogId(n + 1, 0), LogId(n, 0), b"c", None)], 0.0)
        window.next_request()
    return window


@pytest.mark.parametrize(
    ("due_s", "now_s", "sent_s", "pause_s"),
    [
        (0, 100, 0, None),
        (100, 97, 0, 3.0),
        (100, 97, 96, 3.0),
        (100, 100, 0, 0.0),
        (100, 101, 99, -1.0),
        (100, 101, 100, None),
        (100, 101, 101, None),
        (100_000, 100, 0, WAIT_MAX_S),
    ],
)
def test_a_tick_is_due_when_an_order_is_and_no_frame_was_sent_since(
    due_s: int, now_s: int, sent_s: int, pause_s: float | None
) -> None:
    window = sent_at(*([sent_s * S] if sent_s else []))
    # The client is never asked: nothing is written before `run`.
    ticker = Ticker(None, Keys(0), 7, window, origin="test", clock_ns=lambda: now_s * S)  # type: ignore[arg-type]
    ticker.told(due_s * S)
    assert ticker.pause_s() == pause_s


def test_a_tick_is_a_frame_of_one_command_without_rows() -> None:
    frame = command_frame_pb2.CommandFrame.FromString(tick_frame("tick-7-1", 5 * S, "relay"))
    assert frame == command_frame_pb2.CommandFrame(
        format=1,
        queued_at_ns=5 * S,
        origin="relay",
        accounts=[OPERATIONS],
        kinds=b"\7",
        keys=order_key(OPERATIONS, "tick-7-1"),
        command_ids=["tick-7-1"],
        account_index=[0],
        age_us=[0],
    )
