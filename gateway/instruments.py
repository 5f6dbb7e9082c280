"""Instruments: what can be traded, in which steps, and the exact conversion of decimals to ticks and lots."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

INT64_MAX = 2**63 - 1
_BAND_DIGITS = 6
_BAND_MAX = 1000
_LIMIT_DIGITS = 18
_LIMIT_MANTISSA = 2**62
_CACHE_ENTRIES_MAX = 65_536
"""Decimal texts remembered per instrument and kind; a feed repeats its prices, and a hit costs a tenth of a parse."""


class InstrumentError(ValueError):
    """The instrument file is refused; the message names the file, the instrument and the key."""


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of `data`, bit by bit; used once per symbol, so speed does not matter (RFC 3720 B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Grid:
    """Exact conversion between decimal text and whole steps of one size (price increment or lot).

    `parse` returns the number of steps, or -1 if the text is not a plain decimal, -2 if it is not a multiple of the
    step, -3 if it is above `INT64_MAX` steps. Texts that parsed are remembered.
    """

    __slots__ = ("_known", "digits", "step", "text")

    def __init__(self, step: Decimal) -> None:
        self.text = plain(step)
        self.digits = len(self.text.partition(".")[2])
        self.step = int(step.scaleb(self.digits))
        self._known: dict[str, int] = {}

    def parse(self, text: str) -> int:
        """Steps in `text`, or a negative verdict; see the class."""
        steps = self._known.get(text)
        if steps is None:
            steps = self._parse(text)
            if steps >= 0:
                if len(self._known) >= _CACHE_ENTRIES_MAX:
                    self._known.clear()
                self._known[text] = steps
        return steps

    def _parse(self, text: str) -> int:
        whole, point, fraction = text.partition(".")
        if not (whole.isascii() and whole.isdecimal()) or len(text) > 40:
            return -1
        if point and not (fraction.isascii() and fraction.isdecimal()):
            return -1
        if len(fraction) > self.digits:
            if fraction[self.digits :].strip("0"):
                return -2
            fraction = fraction[: self.digits]
        units = int(whole + fraction.ljust(self.digits, "0"))
        steps, rest = divmod(units, self.step)
        if rest:
            return -2
        return steps if steps <= INT64_MAX else -3

    def format(self, steps: int) -> str:
        """Decimal text of `steps`, with as many fraction digits as the step has."""
        units = steps * self.step
        if not self.digits:
            return str(units)
        text = str(units).rjust(self.digits + 1, "0")
        return f"{text[: -self.digits]}.{text[-self.digits :]}"

    def format_mean(self, total: int, count: int) -> str:
        """Mean of `total` steps over `count`, with 8 more digits than the step, rounded half up."""
        units = (total * self.step * 10**8 * 2 + count) // (2 * count)
        digits = self.digits + 8
        text = str(units).rjust(digits + 1, "0")
        return f"{text[:-digits]}.{text[-digits:]}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument. Prices in ticks (price increments), quantities in lots."""

    symbol: str
    price: Grid
    """Grid of prices."""
    quantity: Grid
    """Grid of quantities."""
    min_price_ticks: int
    max_price_ticks: int
    max_quantity_lots: int
    digest_line: str = field(repr=False)
    shard: int = 0
    """Shard that the symbol belongs to, for ever."""
    reference_price: str = ""
    """Price that bands are measured from before the first trade; empty: none."""
    price_band: str = ""
    """Largest distance of a limit price from the last trade, as a part of it; empty: no band."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """All instruments of the installation."""

    by_symbol: dict[str, Instrument]
    digest: str
    """SHA-256 that gateway and engine compare; see protos/README.md."""


def load_instruments(path: Path, shards: int = 1) -> Instruments:
    """Reads the instrument file.

    Raises:
        InstrumentError: the file is missing, not TOML, or an instrument is refused; the message names it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InstrumentError(f"{path}: no such file; --instruments names the instrument file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InstrumentError(f"{path}: {error}") from error
    rows = document.pop("instrument", None)
    common = _day_line(path, document.pop("trading_day_end", "00:00"))
    common += _limits_line(path, document.pop("default_limits", {}))
    if document:
        raise InstrumentError(f"{path}: unknown key {next(iter(document))!r}")
    if not isinstance(rows, list) or not rows:
        raise InstrumentError(f"{path}: needs at least one [[instrument]]")
    found: dict[str, Instrument] = {}
    for row in rows:
        instrument = _instrument(path, row, shards)
        if instrument.symbol in found:
            raise InstrumentError(f"{path}: instrument {instrument.symbol!r} is there twice")
        found[instrument.symbol] = instrument
    ordered = dict(sorted(found.items(), key=lambda item: item[0].encode()))
    text = "".join(i.digest_line for i in ordered.values()) + common
    return Instruments(ordered, hashlib.sha256(text.encode()).hexdigest())


_KEYS = {
    "symbol",
    "price_increment",
    "lot_size",
    "min_price",
    "max_price",
    "max_quantity",
    "reference_price",
    "price_band",
}


def _instrument(path: Path, row: dict[str, Any], shards: int) -> Instrument:
    symbol = row.get("symbol")
    if not isinstance(symbol, str) or not 1 <= len(symbol) <= 32 or not all("!" <= c <= "~" for c in symbol):
        raise InstrumentError(f"{path}: symbol {symbol!r} must be 1 to 32 printable ASCII characters without spaces")
    where = f"{path}: instrument {symbol!r}"
    if unknown := set(row) - _KEYS:
        raise InstrumentError(f"{where}: unknown key {min(unknown)!r}")
    price, quantity = (Grid(_decimal(where, row, key)) for key in ("price_increment", "lot_size"))
    row = {"min_price": price.text, **row}
    low = _steps(where, row, "min_price", price)
    high = _steps(where, row, "max_price", price)
    largest = _steps(where, row, "max_quantity", quantity)
    if low > high:
        raise InstrumentError(f"{where}: min_price is above max_price")
    reference = _reference_price(where, row, price, low, high)
    band = _band(where, row)
    texts = [plain(_decimal(where, row, k)) for k in ("min_price", "max_price", "max_quantity")]
    texts.append(plain(Decimal(reference)) if reference else "")
    line = "\t".join([symbol, price.text, quantity.text, *texts, band]) + "\n"
    shard = crc32c(symbol.encode()) % shards
    return Instrument(symbol, price, quantity, low, high, largest, line, shard, reference, band)


def _reference_price(where: str, row: dict[str, Any], price: Grid, low: int, high: int) -> str:
    if "reference_price" not in row:
        return ""
    ticks = _steps(where, row, "reference_price", price)
    if not low <= ticks <= high:
        raise InstrumentError(f"{where}: reference_price is outside of min_price to max_price")
    return price.format(ticks)


def _band(where: str, row: dict[str, Any]) -> str:
    if "price_band" not in row:
        return ""
    band = plain(_decimal(where, row, "price_band"))
    if len(band.partition(".")[2]) > _BAND_DIGITS or Decimal(band) > _BAND_MAX:
        raise InstrumentError(
            f"{where}: price_band must have at most {_BAND_DIGITS} fraction digits and be {_BAND_MAX} or less"
        )
    return band


def _day_line(path: Path, value: object) -> str:
    """Digest's line of the end of the trading day."""
    if not isinstance(value, str) or not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise InstrumentError(f'{path}: trading_day_end must be a time of day (UTC) such as "22:00"; it is {value!r}')
    return f"trading_day_end\t{value}\n"


_LIMITS = (
    "max_order_quantity",
    "max_order_notional",
    "max_open_orders",
    "max_open_notional",
    "max_position",
    "price_band",
)


def _limits_line(path: Path, limits: object) -> str:
    """Digest's line of the limits of accounts that have none of their own."""
    where = f"{path}: default_limits"
    if not isinstance(limits, dict):
        raise InstrumentError(f"{where} must be a table")
    if unknown := set(limits) - set(_LIMITS):
        raise InstrumentError(f"{where}: unknown key {min(unknown)!r}")
    return "\t".join(["default_limits", *(_limit(where, limits, key) for key in _LIMITS)]) + "\n"


def _limit(where: str, limits: dict[str, Any], key: str) -> str:
    value = limits.get(key)
    if value is None:
        return ""
    if key == "price_band":
        return _band(where, limits)
    if key == "max_open_orders":
        if type(value) is not int or not 0 < value < 2**32:
            raise InstrumentError(
                f"{where}: max_open_orders must be a whole number above 0, such as 1000; it is {value!r}"
            )
        return str(value)
    text = plain(_decimal(where, limits, key))
    if len(text.partition(".")[2]) > _LIMIT_DIGITS or int(text.replace(".", "")) >= _LIMIT_MANTISSA:
        raise InstrumentError(f"{where}: {key} has more than {_LIMIT_DIGITS} digits")
    return text


def _decimal(where: str, row: dict[str, Any], key: str) -> Decimal:
    value = row.get(key)
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number <= 0:
        raise InstrumentError(f'{where}: {key} must be a decimal string above 0, such as "0.01"; it is {value!r}')
    return number


def _steps(where: str, row: dict[str, Any], key: str, grid: Grid) -> int:
    steps = grid.parse(plain(_decimal(where, row, key)))
    if steps < 0:
        raise InstrumentError(f"{where}: {key} is not a multiple of {grid.text}, or too large")
    return steps


def plain(number: Decimal) -> str:
    """Decimal text without exponent, leading zeros or trailing zeros of the fraction."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.lstrip("0") if text.lstrip("0")[:1].isdigit() else "0" + text.lstrip("0")
