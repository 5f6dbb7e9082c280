"""Instruments: what the file may say, exact decimals, and the digest."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.instruments import Grid, InstrumentError, crc32c, load_instruments

ONE = '[[instrument]]\nsymbol="X"\nprice_increment="0.01"\nlot_size="1"\nmax_price="10"\nmax_quantity="5"\n'


def load(tmp_path: Path, text: str, shards: int = 1) -> object:
    path = tmp_path / "i.toml"
    path.write_text(text)
    return load_instruments(path, shards)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one"),
        ("x = 1\n" + ONE, "unknown key 'x'"),
        (ONE + ONE, "there twice"),
        (ONE + "colour='red'\n", "unknown key 'colour'"),
        (ONE.replace('"0.01"', "0.01"), "price_increment"),
        (ONE.replace('"0.01"', '"-1"'), "price_increment"),
        (ONE.replace('lot_size="1"', 'lot_size="0"'), "lot_size"),
        (ONE.replace('max_price="10"', 'max_price="10.005"'), "max_price"),
        (ONE.replace('max_price="10"\n', ""), "max_price"),
        (ONE.replace('max_quantity="5"', 'max_quantity="NaN"'), "max_quantity"),
        (ONE + 'min_price="11"\n', "min_price is above"),
        (ONE.replace('"X"', '"a b"'), "symbol"),
        ("[[instrument", "i.toml"),
        (ONE + 'reference_price="0.005"\n', "reference_price is not a multiple"),
        (ONE + 'reference_price="10.01"\n', "reference_price is outside"),
        (ONE + 'min_price="2"\nreference_price="1.99"\n', "reference_price is outside"),
        (ONE + 'reference_price=""\n', "reference_price must be"),
        (ONE + 'price_band="0"\n', "price_band must be a decimal"),
        (ONE + "price_band=0.1\n", "price_band must be a decimal"),
        (ONE + 'price_band="0.0000001"\n', "price_band must have at most 6"),
        (ONE + 'price_band="1000.1"\n', "price_band must have at most 6"),
        ('trading_day_end="24:00"\n' + ONE, "trading_day_end must be a time"),
        ('trading_day_end="9:30"\n' + ONE, "trading_day_end must be a time"),
        ("trading_day_end=09:30:00\n" + ONE, "trading_day_end must be a time"),
        ("default_limits=1\n" + ONE, "default_limits must be a table"),
        ("[default_limits]\nx=1\n" + ONE, "default_limits: unknown key 'x'"),
        ("[default_limits]\nmax_open_orders=0\n" + ONE, "max_open_orders must be a whole number"),
        ('[default_limits]\nmax_open_orders="5"\n' + ONE, "max_open_orders must be a whole number"),
        ("[default_limits]\nmax_open_orders=4294967296\n" + ONE, "max_open_orders must be a whole number"),
        ("[default_limits]\nmax_position=5\n" + ONE, "max_position must be a decimal"),
        ('[default_limits]\nmax_position="4611686018427387904"\n' + ONE, "max_position has more than 18"),
        ('[default_limits]\nprice_band="2000"\n' + ONE, "price_band must have at most 6"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InstrumentError, match=said):
        load(tmp_path, text)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InstrumentError, match="no such file"):
        load_instruments(tmp_path / "none.toml")


def test_the_digest_is_that_of_the_normalised_lines(tmp_path: Path) -> None:
    path = tmp_path / "i.toml"
    path.write_text(
        ONE.replace('"X"', '"b"').replace('"0.01"', '"0.0100"') + ONE.replace('"X"', '"a"').replace('"10"', '"010"')
    )
    lines = "a\t0.01\t1\t0.01\t10\t5\t\t\nb\t0.01\t1\t0.01\t10\t5\t\t\n"
    lines += "trading_day_end\t00:00\ndefault_limits\t\t\t\t\t\t\n"
    assert load_instruments(path).digest == hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_covers_bands_limits_and_the_day(tmp_path: Path) -> None:
    path = tmp_path / "i.toml"
    path.write_text(
        """
        trading_day_end = "21:05"
        [default_limits]
        price_band = "0.050"
        max_order_quantity = "010.50"
        max_order_notional = "1e3"
        max_open_orders = 7
        max_open_notional = "4611686018427387903"
        max_position = "0.000000000000000001"
        """
        + ONE
        + 'reference_price="9.50"\nprice_band="1000.0"\n'
    )
    instruments = load_instruments(path)
    lines = "X\t0.01\t1\t0.01\t10\t5\t9.5\t1000\ntrading_day_end\t21:05\n"
    lines += "default_limits\t10.5\t1000\t7\t4611686018427387903\t0.000000000000000001\t0.05\n"
    assert instruments.digest == hashlib.sha256(lines.encode()).hexdigest()
    instrument = instruments.by_symbol["X"]
    assert (instrument.reference_price, instrument.price_band) == ("9.50", "1000")


@pytest.mark.parametrize(
    ("step", "text", "steps"),
    [
        ("0.01", "1", 100),
        ("0.01", "1.10", 110),
        ("0.01", "1.100", 110),
        ("0.01", "1.101", -2),
        ("0.25", "1.25", 5),
        ("0.25", "1.3", -2),
        ("10", "30", 3),
        ("10", "35", -2),
        ("1", "9223372036854775807", 2**63 - 1),
        ("1", "9223372036854775808", -3),
        ("1", "x", -1),
    ],
)
def test_decimals_become_whole_steps_or_a_verdict(step: str, text: str, steps: int) -> None:
    grid = Grid(Decimal(step))
    assert grid.parse(text) == steps
    assert grid.parse(text) == steps  # the second time from memory


@pytest.mark.parametrize(
    ("step", "steps", "text"), [("0.01", 5, "0.05"), ("0.25", 5, "1.25"), ("10", 3, "30"), ("0.01", 0, "0.00")]
)
def test_steps_become_decimals_with_the_digits_of_the_step(step: str, steps: int, text: str) -> None:
    assert Grid(Decimal(step)).format(steps) == text


@pytest.mark.parametrize(
    ("total", "count", "text"),
    [
        (10, 3, "0.0333333333"),
        (20, 3, "0.0666666667"),
        (1, 2 * 10**8, "0.0000000001"),
        (7831800, 1, "78318.0000000000"),
    ],
)
def test_a_mean_is_rounded_half_up_to_eight_more_digits(total: int, count: int, text: str) -> None:
    assert Grid(Decimal("0.01")).format_mean(total, count) == text


def test_crc32c_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
