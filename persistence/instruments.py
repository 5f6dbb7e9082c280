"""The steps in which prices and quantities are counted, for the decimals of the views."""

from __future__ import annotations

import tomllib
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from persistence.errors import InstrumentConflict, SettingsError
from persistence.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Instrument(NamedTuple):
    """One instrument, as far as the persister needs it."""

    symbol: str
    price_increment: Decimal
    lot_size: Decimal


def load_instruments(path: Path) -> list[Instrument]:
    """Reads the instrument file; gateway and engine check all of it, the persister what it uses.

    Raises:
        SettingsError: the file is missing, not TOML, or an instrument lacks what is needed; the message names it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; --instruments names the instrument file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    rows = document.get("instrument")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{path}: needs at least one [[instrument]]")
    return sorted(
        Instrument(str(row.get("symbol")), _step(path, row, "price_increment"), _step(path, row, "lot_size"))
        for row in rows
    )


def _step(path: Path, row: dict[str, Any], key: str) -> Decimal:
    try:
        step = Decimal(row[key]) if isinstance(row.get(key), str) else Decimal(0)
    except InvalidOperation:
        step = Decimal(0)
    if not (step.is_finite() and step > 0):
        raise SettingsError(f'{path}: instrument {row.get("symbol")!r}: {key} must be a decimal such as "0.01"')
    digits = -int(step.normalize().as_tuple().exponent)
    return step.quantize(Decimal(1).scaleb(-max(0, digits)))


async def publish_instruments(connection: Any, instruments: Sequence[Instrument]) -> None:
    """Adds new instruments to the database.

    Raises:
        InstrumentConflict: the database counts an instrument in other steps. Its rows would change their meaning.
    """
    for instrument in instruments:
        await connection.execute(statement("session", "add_instrument"), *instrument)
    known = {row["symbol"]: row for row in await connection.fetch(statement("session", "read_instruments"))}
    for symbol, price, lot in instruments:
        row = known[symbol]
        if (row["price_increment"], row["lot_size"]) != (price, lot):
            raise InstrumentConflict(
                f"{symbol} has price_increment {price} and lot_size {lot} in the instrument file, but "
                f"{row['price_increment']} and {row['lot_size']} in the database, whose rows are counted in these "
                "steps: they can't change. Give the instrument a new symbol"
            )
