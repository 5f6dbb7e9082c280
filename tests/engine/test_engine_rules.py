"""Every kind of command through a real Apply stream: what the contract promises of its events and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from engine_driver import INSTRUMENTS, Engine, running_engine
from engine_frames import (
    BUY,
    DAY,
    GTC,
    GTD,
    IOC,
    SELL,
    T0,
    Amend,
    Cancel,
    MassCancel,
    New,
    SetLimits,
    SetTradingState,
    Tick,
    entry,
    events_of,
)

from ordergate.log.v1.command_frame_pb2 import (
    AmendTerms,
    Decimal,
    LimitsRow,
    MassCancelRow,
    OrderTerms,
    TradingStateRow,
)
from ordergate.v1 import event_pb2 as ev
from ordergate.v1 import failure_pb2 as fail
from ordergate.v1 import limits_pb2 as lim
from ordergate.v1 import order_pb2 as od

if TYPE_CHECKING:
    from pathlib import Path

    from engine_frames import Command

pytestmark = pytest.mark.integration

SECOND = 1_000_000_000
T_FRAME = T0 + 1_000_000
"""Engine time of the first frame."""


async def told(engine: Engine, *commands: Command) -> list[ev.OrderEvent]:
    """Events of one frame with these commands, the engine's first."""
    (frame,) = await (await engine.open()).apply(entry(1, commands))
    return [event for _, event in events_of(frame)]


def kinds(events: list[ev.OrderEvent]) -> list[str]:
    return [ev.EventKind.Name(event.kind).removeprefix("EVENT_KIND_") for event in events]


async def test_amend_keeps_or_loses_priority_and_its_terms_are_in_the_columns(engine: Engine) -> None:
    stream = await engine.open()
    (frame,) = await stream.apply(
        entry(
            1,
            [
                New("a", BUY, 10_000, 10),
                New("b", BUY, 10_000, 10, account="bob"),
                Amend("less", "a", quantity=8),
                New("s1", SELL, 10_000, 3, account="carol", tif=IOC),
                Amend("more", "a", quantity=20, expected_version=3),
                New("s2", SELL, 10_000, 3, account="carol", tif=IOC),
                Amend("late", "a", price=1, expected_version=3),
            ],
        )
    )
    events = events_of(frame)
    fills = [account for account, event in events if event.kind == ev.EVENT_KIND_FILL]
    assert fills == ["alice", "carol", "bob", "carol"]
    amended = [event for _, event in events if event.kind == ev.EVENT_KIND_AMENDED]
    assert [(e.command_id, e.priority_kept, e.order.quantity) for e in amended] == [
        ("less", True, "8"),
        ("more", False, "20"),
    ]
    rows = [(row.event_index, row.quantity_lots, row.limit_price_ticks) for row in frame.terms]
    assert rows == [(2, 8, 10_000), (6, 20, 10_000)]
    refused = events[-1][1]
    assert (refused.failure.reason, refused.failure.field) == (
        fail.REASON_VERSION_MISMATCH,
        "amend_order.expected_version",
    )
    assert refused.order.version == amended[1].order.version, "a refused amend changes nothing"


async def test_crossing_amend_in_decimals_trades_at_the_makers_price(engine: Engine) -> None:
    events = await told(
        engine,
        New("ask", SELL, 10_050, 4, account="bob"),
        New("bid", BUY, 10_000, 10),
        Amend("up", "bid", price=1_006, terms=AmendTerms(decimal=True, limit_price_digits=1)),
        Amend("odd", "bid", price=100_005, terms=AmendTerms(decimal=True, limit_price_digits=3)),
    )
    assert kinds(events) == ["ACCEPTED", "ACCEPTED", "AMENDED", "FILL", "FILL", "AMEND_REJECTED"]
    assert events[2].order.limit_price == "100.60"
    assert (events[4].fill.price, events[4].fill.quantity) == ("100.50", "4")
    assert events[4].command_id == "up", "what an amend brings about answers it"
    assert (events[5].failure.reason, events[5].failure.field) == (
        fail.REASON_PRICE_INCREMENT,
        "amend_order.limit_price",
    )


async def test_stops_wait_then_trigger_and_show_their_terms(engine: Engine) -> None:
    terms = OrderTerms(stop_price_ticks=10_100, tag="t", stp_group="g", session="s", cancel_on_disconnect=True)
    stream = await engine.open()
    (frame,) = await stream.apply(
        entry(
            1,
            [
                New("stop", BUY, 10_200, 5, terms=terms),
                New("ask", SELL, 10_100, 1, account="bob"),
                New("buy", BUY, 10_100, 1, account="carol"),
            ],
        )
    )
    events = [event for _, event in events_of(frame)]
    assert kinds(events) == ["ACCEPTED", "ACCEPTED", "ACCEPTED", "FILL", "FILL", "TRIGGERED"]
    waiting, triggered = events[0].order, events[5].order
    assert (waiting.status, triggered.status) == (od.ORDER_STATUS_UNTRIGGERED, od.ORDER_STATUS_OPEN)
    assert (waiting.order_type, waiting.stop_price) == (od.ORDER_TYPE_STOP_LIMIT, "101.00")
    assert (waiting.tag, waiting.stp_group, waiting.session_name, waiting.cancel_on_disconnect) == ("t", "g", "s", True)
    assert events[5].command_id == ""
    assert list(frame.answers) == [1, 1, 1, 0, 1, 0]
    assert [(row.event_index, row.stop_price_ticks) for row in frame.terms] == [(5, 10_100)]


async def test_mass_cancel_tells_each_order_and_counts(engine: Engine) -> None:
    tagged = OrderTerms(tag="x")
    everything = await told(
        engine,
        New("a", BUY, 10_000, 1, terms=tagged),
        New("b", SELL, 11_000, 1, terms=tagged),
        New("c", BUY, 9_000, 1),
        New("d", BUY, 9_000, 1, account="bob", terms=tagged),
        New("e", BUY, 9_000, 1, symbol="BUND", terms=tagged),
        MassCancel("m", MassCancelRow(tag="x", side=BUY)),
        MassCancel("n", symbol="ACME"),
        MassCancel("o", symbol="NONE"),
    )
    events = everything[5:]
    assert kinds(events) == [
        *("CANCELED", "CANCELED", "MASS_CANCEL_DONE"),
        *("CANCELED", "CANCELED", "MASS_CANCEL_DONE"),
        "COMMAND_REJECTED",
    ]
    assert [e.order.client_order_id for e in events] == ["a", "e", "", "c", "b", "", ""]
    assert [e.command_id for e in events] == ["", "", "m", "", "", "n", "o"]
    assert {e.cause for e in events if e.HasField("order")} == {ev.CAUSE_MASS_CANCEL}
    assert (events[2].mass_cancel.matched, events[2].mass_cancel.canceled) == (2, 2)
    assert events[6].failure.field == "mass_cancel.symbol"


async def test_icebergs_and_self_trade_prevention(engine: Engine) -> None:
    events = await told(
        engine,
        New("ice", SELL, 10_000, 5, terms=OrderTerms(display_lots=2)),
        New("take", BUY, 10_000, 2, account="bob", tif=IOC),
        New("own", BUY, 10_000, 1, terms=OrderTerms(self_trade_prevention=od.SELF_TRADE_PREVENTION_DECREMENT)),
    )
    assert kinds(events) == [
        *("ACCEPTED", "ACCEPTED", "FILL", "FILL", "RESTATED"),
        *("ACCEPTED", "RESTATED", "CANCELED"),
    ]
    assert events[0].order.display_quantity == "2"
    assert events[6].cause == events[7].cause == ev.CAUSE_SELF_TRADE_PREVENTION
    assert (events[6].order.quantity, events[6].order.leaves_quantity) == ("4", "2")
    assert (events[7].order.quantity, events[7].order.leaves_quantity) == ("1", "0")


async def test_kill_switch_blocks_then_cancels(engine: Engine) -> None:
    events = await told(
        engine,
        New("a", BUY, 10_000, 1),
        SetTradingState("k", TradingStateRow(state=lim.TRADING_STATE_BLOCKED, cancel_open_orders=True)),
        New("b", BUY, 10_000, 1),
        Cancel("c", "a"),
        SetTradingState("l", TradingStateRow(state=lim.TRADING_STATE_ACTIVE)),
        New("d", BUY, 10_000, 1),
    )
    assert kinds(events) == [
        *("ACCEPTED", "TRADING_STATE", "CANCELED", "MASS_CANCEL_DONE"),
        *("REJECTED", "CANCEL_REJECTED", "TRADING_STATE", "ACCEPTED"),
    ]
    assert events[1].trading_state.state == lim.TRADING_STATE_BLOCKED
    assert events[2].cause == ev.CAUSE_KILL_SWITCH
    assert events[4].failure.reason == fail.REASON_TRADING_STATE


async def test_limits_hold_from_the_command_on_and_can_be_asked_for(engine: Engine) -> None:
    row = LimitsRow(
        account="alice",
        max_order_quantity=Decimal(mantissa=105, digits=1),
        max_open_orders=2,
        max_open_notional=Decimal(mantissa=5_000),
        price_band_ppm=50_000,
    )
    stream = await engine.open()
    (frame,) = await stream.apply(
        entry(
            1,
            [
                SetLimits("n", row),
                New("a", BUY, 10_000, 11),
                New("b", BUY, 10_000, 10),
                New("c", BUY, 10_000, 10),
                New("d", BUY, 10_000, 10, account="bob"),
                New("e", SELL, 10_000, 3, account="bob"),
                New("f", BUY, 10_501, 1),
                New("g", BUY, 10_500, 1),
                New("h", BUY, 10_000, 10),
                New("i", BUY, 100, 1),
            ],
        )
    )
    mine = [event for account, event in events_of(frame) if account == "alice"]
    assert mine[0].limits == lim.Limits(
        max_order_quantity="10.5", max_open_orders=2, max_open_notional="5000", price_band="0.05"
    )
    refused = [(e.command_id, fail.Reason.Name(e.failure.reason)) for e in mine if e.kind == ev.EVENT_KIND_REJECTED]
    assert refused == [
        ("a", "REASON_MAX_ORDER_QUANTITY"),
        ("f", "REASON_PRICE_BAND"),
        ("g", "REASON_MAX_OPEN_ORDERS"),
        ("h", "REASON_MAX_OPEN_ORDERS"),
        ("i", "REASON_PRICE_BAND"),
    ]


async def test_expiry_is_told_ahead_and_a_tick_carries_it_out(engine: Engine) -> None:
    stream = await engine.open()
    end = T_FRAME + 5 * SECOND
    terms = OrderTerms(expire_at_ns=end)
    await stream.apply(
        entry(1, [New("gtd", BUY, 10_000, 1, tif=GTD, terms=terms), New("gtc", BUY, 10_000, 1, tif=GTC)])
    )
    await stream.expiry(end)
    assert (await engine.status()).next_expiry_ns == end
    (frame,) = await stream.apply(entry(2, [Tick("t")], time_ns=end))
    assert [(account, ev.EventKind.Name(e.kind)) for account, e in events_of(frame)] == [
        ("alice", "EVENT_KIND_EXPIRED"),
        ("_ordergate", "EVENT_KIND_TICK"),
    ]
    await stream.expiry(0)
    assert (await engine.status()).open_orders == 1


async def test_day_orders_end_with_the_trading_day_of_the_instrument_file(tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text('trading_day_end = "22:15"\n' + INSTRUMENTS.read_text())
    async with running_engine(tmp_path, instruments=path) as engine:
        (frame,) = await (await engine.open()).apply(entry(1, [New("d", BUY, 10_000, 1, tif=DAY)]))
    order = events_of(frame)[0][1].order
    assert order.expire_at.ToDatetime().strftime("%H:%M:%S") == "22:15:00"
    assert 0 < order.expire_at.ToNanoseconds() - T_FRAME <= 86_400 * SECOND
    assert frame.terms[0].expire_at_ns == order.expire_at.ToNanoseconds()


async def test_default_limits_and_bands_of_the_instrument_file_hold(tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    limits = "\n[default_limits]\nmax_open_orders = 1\n"
    text = INSTRUMENTS.read_text().replace(
        'symbol = "ACME"', 'symbol = "ACME"\nreference_price = "100"\nprice_band = "0.1"'
    )
    path.write_text(text + limits)
    async with running_engine(tmp_path, instruments=path) as engine:
        events = await told(engine, New("a", BUY, 11_001, 1), New("b", BUY, 11_000, 1), New("c", BUY, 11_000, 1))
    assert [e.failure.reason for e in events] == [fail.REASON_PRICE_BAND, 0, fail.REASON_MAX_OPEN_ORDERS]


async def test_window_of_ids_forgets_by_age(tmp_path: Path) -> None:
    async with running_engine(tmp_path, "--ids-age", "60", "--ended-orders", "1") as engine:
        stream = await engine.open()
        await stream.apply(entry(1, [New("a", BUY, 0, 1, tif=IOC), New("b", BUY, 0, 1, tif=IOC)]))
        (soon,) = await stream.apply(entry(2, [New("a", BUY, 0, 1, tif=IOC)], time_ns=T_FRAME + 59 * SECOND))
        (later,) = await stream.apply(
            entry(3, [New("c", BUY, 0, 1, tif=IOC), New("a", BUY, 0, 1, tif=IOC)], time_ns=T_FRAME + 120 * SECOND)
        )
    assert kinds([e for _, e in events_of(soon)]) == ["DUPLICATE"]
    assert kinds([e for _, e in events_of(later)]) == ["ACCEPTED", "CANCELED"] * 2
