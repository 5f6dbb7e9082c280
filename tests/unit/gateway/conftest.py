"""A validator with two instruments of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.instruments import load_instruments
from gateway.validation import Validator

INSTRUMENTS = """
[[instrument]]
symbol = "BTC-USD"
price_increment = "0.01"
lot_size = "0.00000001"
min_price = "0.10"
max_price = "1000000"
max_quantity = "100"

[[instrument]]
symbol = "BUND"
price_increment = "0.005"
lot_size = "1"
max_price = "10000"
max_quantity = "100000"
"""


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Validator:
    path: Path = tmp_path_factory.mktemp("i") / "instruments.toml"
    path.write_text(INSTRUMENTS)
    return Validator(load_instruments(path))
