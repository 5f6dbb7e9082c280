from __future__ import annotations

import pytest

from gateway import frames
from gateway.frames import FrameError
from gateway.ids import key_text, order_key
from gateway.instruments import load_instruments
from gateway.stack.services import ROOT
from gateway.streams import LogId
from ordergate.v1 import order_pb2

from .builder import NOW_NS, EventLog, Told, command_frame, opened

ID = LogId(5, 0)


def _frame(*rows: Told):
    return EventLog().frame(ID, list(rows))


def test_split_gives_each_event_back_whole() -> None:
    # 90, 200 and 20,000 bytes: lengths of one, two and three varint bytes.
    frame = _frame(Told("a", ""), Told("a", "x"), Told("a", "y", padding="z" * 20_000))
    blob = frame.account_events[0].events
    items = frames.split_events(blob)
    assert b"".join(items) == blob
    assert [opened(item)[0].seq for item in items] == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 2, 3, 40, -1])
def test_split_refuses_events_that_are_cut_off(cut: int) -> None:
    blob = _frame(Told("a", "x"), Told("a", "y")).account_events[0].events
    with pytest.raises(FrameError):
        frames.split_events(blob[:cut])


@pytest.mark.parametrize("blob", [b"\x0a\x00", b"\x12\xff\xff\xff\xff\xff\xff\x01"])
def test_split_refuses_what_is_not_field_2(blob: bytes) -> None:
    with pytest.raises(FrameError):
        frames.split_events(blob)


def test_cut_is_between_events_within_the_limit_but_takes_one_at_least() -> None:
    blob = _frame(*(Told("a", f"o{n}") for n in range(5))).account_events[0].events
    sizes = [len(item) for item in frames.split_events(blob)]
    assert frames.cut_events(blob, 1) == sizes[0]
    assert frames.cut_events(blob, sizes[0] + sizes[1]) == sizes[0] + sizes[1]
    assert frames.cut_events(blob, sum(sizes[:3]) - 1) == sizes[0] + sizes[1]
    assert frames.cut_events(blob, 10_000_000) == len(blob)
    with pytest.raises(FrameError):
        frames.cut_events(blob[: sizes[0] - 1], 1)


def test_merged_parts_have_the_order_of_the_frame() -> None:
    frame = _frame(Told("a", "1"), Told("b", "2"), Told("c", "3"), Told("a", "4"), Told("b", "5"), Told("a", "6"))
    parts = frames.parts_of(frame, {"a", "b"})
    assert [e.order.client_order_id for e in opened(frames.merge_parts(frame, parts))] == ["1", "2", "4", "5", "6"]
    assert [e.order.client_order_id for e in opened(frames.merge_parts(frame, parts, after=1))] == ["4", "5", "6"]
    assert frames.merge_parts(frame, parts, after=5) == b""


def test_one_part_is_handed_out_untouched() -> None:
    frame = _frame(Told("a", "1"), Told("b", "2"), Told("a", "3"))
    (part,) = frames.parts_of(frame, {"a"})
    assert frames.merge_parts(frame, [part]) == part.events
    assert [e.order.client_order_id for e in opened(frames.merge_parts(frame, [part], after=0))] == ["3"]


def test_parts_that_disagree_with_the_columns_are_refused() -> None:
    short, long, wild = (_frame(Told("a", "1"), Told("b", "2")) for _ in range(3))
    short.account_index.append(0)
    long.account_index[:] = [0]
    wild.account_events[0].account_index = 9
    for frame in (short, long):
        with pytest.raises(FrameError):
            frames.merge_parts(frame, frames.parts_of(frame, {"a", "b"}))
    with pytest.raises(FrameError):
        frames.parts_of(wild, {"a"})


def test_frames_of_another_kind_or_format_are_refused() -> None:
    for raw in (b"", b"\xff\xff", b"\x08\x02"):
        with pytest.raises(FrameError):
            frames.read_event_frame(raw)
        with pytest.raises(FrameError):
            frames.read_command_frame(raw)
    with pytest.raises(FrameError):
        frames.read_command_frame(command_frame(("a", "1"), kinds=b"").SerializeToString()[:-20])


def test_a_key_is_found_where_it_stands_and_not_across_two() -> None:
    k = [bytes([n]) * 16 for n in range(3)]
    across = k[1][8:] + k[2][:8]
    keys = k[0] + k[1] + k[2] + across + k[1]
    assert frames.find_key(keys, k[1]) == 1
    assert frames.find_key(keys, k[1], last=True) == 4
    assert frames.find_key(keys, across) == 3
    assert frames.find_key(keys, across, last=True) == 3
    assert frames.find_key(k[1] + k[2], across) == -1
    assert frames.find_key(k[1] + k[2], across, last=True) == -1
    assert frames.find_key(b"", k[1]) == -1


def test_a_queued_order_has_all_its_terms_and_times() -> None:
    instruments = load_instruments(ROOT / "instruments.toml")
    frame = command_frame(("a", "1"), ("b", "2"))
    order = frames.queued_order(frame, 1, "b", instruments)
    assert order is not None
    assert order == order_pb2.Order(
        order_id=key_text(order_key("b", "2")),
        client_order_id="2",
        account="b",
        symbol="BTC-USD",
        side=order_pb2.SIDE_BUY,
        order_type=order_pb2.ORDER_TYPE_LIMIT,
        time_in_force=order_pb2.TIME_IN_FORCE_GTC,
        quantity="1.00000000",
        limit_price="100.00",
        status=order_pb2.ORDER_STATUS_QUEUED,
        self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_NONE,
        executed_quantity="0.00000000",
        leaves_quantity="1.00000000",
        created_at=frames.timestamp(NOW_NS - 7000),
        queued_at=frames.timestamp(NOW_NS),
        updated_at=frames.timestamp(NOW_NS),
    )
    assert frames.queued_order(frame, 1, "a", instruments) is None


def test_a_queued_order_has_its_less_usual_terms() -> None:
    instruments = load_instruments(ROOT / "instruments.toml")
    frame = command_frame(("a", "1"), ("a", "2"), ("a", "c"), ("a", "3"))
    frame.kinds = b"\1\1\2\1"
    frame.terms.add(order_index=0, tag="first")
    frame.terms.add(
        order_index=2,
        stop_price_ticks=12345,
        display_lots=50_000_000,
        expire_at_ns=NOW_NS + 1000,
        self_trade_prevention=order_pb2.SELF_TRADE_PREVENTION_DECREMENT,
        stp_group="g",
        tag="third",
        session="s",
        cancel_on_disconnect=True,
    )
    first, second, third = (frames.queued_order(frame, n, "a", instruments) for n in (0, 1, 3))
    assert first is not None
    assert (first.tag, first.stop_price, first.session_name) == ("first", "", "")
    assert second is not None
    assert second.tag == ""
    assert third is not None
    assert (third.stop_price, third.display_quantity, third.expire_at) == (
        "123.45",
        "0.50000000",
        frames.timestamp(NOW_NS + 1000),
    )
    assert (third.self_trade_prevention, third.stp_group) == (order_pb2.SELF_TRADE_PREVENTION_DECREMENT, "g")
    assert (third.tag, third.session_name, third.cancel_on_disconnect) == ("third", "s", True)


def test_rows_of_new_orders_are_counted_without_the_cancels_before_them() -> None:
    instruments = load_instruments(ROOT / "instruments.toml")
    frame = command_frame(("a", "c1"), ("a", "o1"), ("a", "c2"), ("a", "o2"))
    frame.kinds = b"\2\1\2\1"
    frame.quantity_lots[:] = [1, 2]
    frame.limit_price_ticks[:] = [0, 7]
    frame.flags = b"\0\1"
    first, second = (frames.queued_order(frame, n, "a", instruments) for n in (1, 3))
    assert first is not None
    assert (first.client_order_id, first.quantity, first.limit_price) == ("o1", "0.00000001", "")
    assert second is not None
    assert (second.quantity, second.limit_price, second.post_only) == ("0.00000002", "0.07", True)
    assert frames.queued_order(frame, 0, "a", instruments) is None


def test_a_queued_order_of_a_broken_frame_is_refused() -> None:
    instruments = load_instruments(ROOT / "instruments.toml")
    for change in ("symbol_index", "quantity_lots", "account_index", "age_us"):
        frame = command_frame(("a", "1"))
        frame.ClearField(change)
        with pytest.raises(FrameError):
            frames.queued_order(frame, 0, "a", instruments)
    frame = command_frame(("a", "1"))
    frame.symbols[0] = "NONE"
    with pytest.raises(FrameError):
        frames.queued_order(frame, 0, "a", instruments)
