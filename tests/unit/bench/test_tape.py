from __future__ import annotations

import gzip
import lzma
from typing import TYPE_CHECKING

import pytest

from bench.tape import source
from bench.tape.convert import convert
from bench.tape.records import Cut, Enter, Fill, TapeError, Withdraw, parse_tape, read_tape

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = "id,timestamp,exchange_timestamp,price,volume,action,direction"
TRADES = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"
BOOK = ["1,50,5,100.0,2.0,created,bid", "2,50,5,101.0,1e-05,created,ask", "3,50,5,102.5,1.0,created,ask"]


def tape(*messages: str, trades: tuple[str, ...] = ()) -> list[str]:
    """What follows the opening book of three orders."""
    lines = list(convert([ORDERS, *BOOK, *messages], [TRADES, *trades]))
    assert lines[:3] == ["add,1,B,10000,200000000", "add,2,S,10100,1000", "add,3,S,10250,100000000"]
    return lines[3:]


def message(order: int, price: str, volume: str, action: str, side: str = "bid", at: int = 6) -> str:
    return f"{order},{at + 60},{at},{price},{volume},{action},{side}"


@pytest.mark.parametrize(
    ("messages", "trades", "expected"),
    [
        pytest.param([message(9, "100.5", "1.5", "created")], [], ["new,9,B,10050,150000000,GTC"], id="rests"),
        pytest.param(
            [message(9, "100.5", "1", "created"), message(9, "100.5", "1", "deleted", at=7)],
            [],
            ["new,9,B,10050,100000000,GTC", "del,9"],
            id="canceled-later",
        ),
        pytest.param(
            [message(9, "101", "1", "created"), message(9, "101", "1", "deleted")],
            [],
            ["new,9,B,10100,100000000,POST"],
            id="gone-at-once-and-crossing-is-post-only",
        ),
        pytest.param(
            [message(9, "100.99", "1", "created"), message(9, "100.99", "1", "deleted")],
            [],
            ["new,9,B,10099,100000000,IOC"],
            id="gone-at-once-without-crossing-is-ioc",
        ),
        pytest.param(
            [
                message(9, "101", "1", "created"),
                message(3, "102.5", "1.0", "deleted", "ask"),
                message(9, "101", "1", "deleted"),
            ],
            [],
            ["new,9,B,10100,100000000,GTC", "del,3", "del,9"],
            id="gone-after-another-message-rested",
        ),
        pytest.param(
            [message(9, "102.5", "0.50001", "created"), message(9, "102.5", "0", "deleted")],
            ["7,1,6,101.0,1e-05,9,2,buy", "8,1,6,102.5,0.5,9,3,buy"],
            ["new,9,B,10250,50001000,IOC", "fill,2,10100,1000", "fill,3,10250,50000000"],
            id="filled-in-full-is-ioc",
        ),
        pytest.param(
            [message(9, "99", "3", "created", "ask"), message(9, "99", "1", "deleted", "ask", at=8)],
            ["7,1,6,100.0,2.0,1,9,sell"],
            ["new,9,S,9900,300000000,GTC", "fill,1,10000,200000000", "del,9"],
            id="filled-in-part-rests-and-its-maker-is-gone",
        ),
        pytest.param(
            [message(9, "999999999.0", "0.0", "created"), message(9, "101", "0.0", "deleted")],
            ["7,1,6,101.0,1e-05,9,2,buy"],
            ["new,9,B,99999999900,1000,IOC", "fill,2,10100,1000"],
            id="market-buy-by-value-gets-the-quantity-of-its-fills",
        ),
        pytest.param([message(77, "50", "1", "deleted")], [], [], id="delete-of-an-unknown-order-is-no-command"),
        pytest.param([message(1, "100", "1", "changed")], [], [], id="changes-follow-from-fills"),
    ],
)
def test_messages_become_commands(messages: list[str], trades: list[str], expected: list[str]) -> None:
    assert tape(*messages, trades=tuple(trades)) == expected


def test_an_opening_order_that_the_market_traded_through_is_left_out() -> None:
    messages = [
        *BOOK,
        message(9, "102.5", "0.1", "created"),
        message(9, "102.5", "0", "deleted"),
        message(2, "101", "1e-05", "deleted", "ask", at=9),
    ]
    lines = list(convert([ORDERS, *messages], [TRADES, "8,1,6,102.5,0.1,9,3,buy"]))
    assert lines == [
        "add,1,B,10000,200000000",
        "add,3,S,10250,100000000",
        "new,9,B,10250,10000000,IOC",
        "fill,3,10250,10000000",
    ]


def test_lines_are_read_as_steps_with_their_fills(tmp_path: Path) -> None:
    lines = ["add,1,S,5,7", "new,2,B,5,3,IOC", "fill,1,5,3", "new,3,B,99999999900,1,IOC", "new,4,S,0,1,IOC"]
    text = "\n".join([*lines, "new,5,B,4,1,POST", "del,1", ""])
    path = tmp_path / "tape.txt.xz"
    path.write_bytes(lzma.compress(text.encode()))
    found = read_tape(path)
    assert found.steps[0] == Enter(1, False, 5, 7, "GTC")
    assert found.steps[-1] == Withdraw(1)
    assert [step.is_market for step in found.steps if isinstance(step, Enter)] == [False, False, True, True, False]
    assert found.fills == {2: [Fill(1, 5, 3)]}
    assert found.fill_count == 1
    plain = tmp_path / "tape.txt"
    plain.write_text(text)
    assert read_tape(plain) == found


def test_a_cut_is_of_what_is_left_and_becomes_a_total() -> None:
    lines = ["new,1,B,5,7,GTC", "new,2,S,5,3,IOC", "fill,1,5,3", "cut,1,2", "new,3,S,5,9,GTC", "fill,1,5,2", "cut,3,1"]
    steps = parse_tape([*lines, "cut,3,0"], "t").steps
    assert steps[2] == Cut(order=1, total=5)
    assert steps[4:] == [Cut(order=3, total=3), Withdraw(3)]


def test_an_ioc_without_a_price_is_a_market_order_and_one_that_rests_is_not() -> None:
    lines = ["new,1,B,99999999900,7,IOC", "new,2,S,0,7,IOC", "new,3,S,99999999900,7,IOC"]
    lines += ["new,4,B,0,7,IOC", "new,5,S,99999999900,7,GTC", "add,6,S,0,1"]
    assert [step.is_market for step in parse_tape(lines, "t").steps if isinstance(step, Enter)] == [
        *[True] * 3,
        *[False] * 3,
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cut,1,-5", "not a record"),
        ("cut,1", "not a record"),
        ("new,1,B,5,7", "not a record"),
        ("new,1,X,5,7,GTC", "not a record"),
        ("new,1,B,5,7,DAY", "not a record"),
        ("add,1,B,5.5,7", "not a record"),
        ("fill,1,5,7", "not a record"),
        ("", "not a record"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(line: str, message: str) -> None:
    lines = ["del,1", line]
    with pytest.raises(TapeError, match=f"t.txt, line {len(lines)}: .*{message}"):
        parse_tape(lines, "t.txt")


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "x.xz"
    broken.write_bytes(b"no xz")
    short = tmp_path / "short.txt"
    short.write_bytes(lzma.compress(b"del,1\n" * 1000)[:-20])
    for path in (tmp_path / "none.txt", broken, short):
        with pytest.raises(TapeError, match=str(path)):
            read_tape(path)


def test_another_conversion_than_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(into: Path) -> None:
        sample = into / "ob_analytics" / "_sample_data"
        sample.mkdir(parents=True)
        with gzip.open(sample / "orders.csv.gz", "wt") as orders:
            orders.write("\n".join([ORDERS, *BOOK]))
        (sample / "trades.csv").write_text(TRADES)

    monkeypatch.setattr(source, "fetch", fetch)
    with pytest.raises(TapeError, match=r"not the known one.*--tape FILE"):
        source.tape_file(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_that_cannot_be_fetched_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PACKAGE", "no-such-package-of-ordergate==0.0.0")
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(TapeError, match="--tape FILE"):
        source.fetch(tmp_path)
