"""Instruments: what can be traded, in which steps, and the exact conversion of decimals to ticks and lots."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

INT64_MAX = 2**63 - 1
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
    text = "".join(i.digest_line for i in ordered.values())
    return Instruments(ordered, hashlib.sha256(text.encode()).hexdigest())


_KEYS = {"symbol", "price_increment", "lot_size", "min_price", "max_price", "max_quantity"}


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
    texts = [plain(_decimal(where, row, k)) for k in ("min_price", "max_price", "max_quantity")]
    line = "\t".join([symbol, price.text, quantity.text, *texts]) + "\n"
    return Instrument(symbol, price, quantity, low, high, largest, line, crc32c(symbol.encode()) % shards)


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
