"""The tape's format, one record a line.

    add,ID,SIDE,PRICE,QTY        an order of the opening book; these do not cross
    new,ID,SIDE,PRICE,QTY,TIF    an incoming order: GTC, IOC, or POST (post-only, which the exchange refused)
    cut,ID,QTY                   shrink a resting order to QTY, priority kept
    del,ID                       cancel a resting order
    fill,MAKER,PRICE,QTY         expected fill of the `new` above it, in order

Integers but for the verb, the side (B, S) and the time in force. Price in cents, quantity in 1e-8 of the base currency.
A `new` with price 99999999900 (buy) or 0 (sell) is a market order.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MARKET_BUY_CENTS = 99_999_999_900
"""Price of a market order to buy."""


class TapeError(Exception):
    """The tape can't be had or read; the message says what to do."""


class Enter(NamedTuple):
    """An order."""

    order: int
    """The exchange's id."""
    buy: bool
    price_cents: int
    quantity: int
    """In 1e-8."""
    tif: str
    """GTC, IOC or POST."""

    @property
    def is_market(self) -> bool:
        """True if it takes any price."""
        return self.price_cents == (MARKET_BUY_CENTS if self.buy else 0)


class Withdraw(NamedTuple):
    """A cancel."""

    order: int


class Fill(NamedTuple):
    """What the exchange made of an incoming order."""

    maker: int
    price_cents: int
    quantity: int


Step: TypeAlias = Enter | Withdraw


@dataclass(slots=True)
class Tape:
    """A whole tape."""

    steps: list[Step] = field(default_factory=list)
    """Orders and cancels, in their order."""
    fills: dict[int, list[Fill]] = field(default_factory=dict)
    """Expected fills by the id of the incoming order."""

    @property
    def fill_count(self) -> int:
        """Expected fills."""
        return sum(map(len, self.fills.values()))


def read_tape(path: Path) -> Tape:
    """Reads a tape, plain or compressed (.xz).

    Raises:
        TapeError: the file can't be read, or a line is not of the format; the message names it.
    """
    try:
        data = path.read_bytes()
        text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode("ascii")
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TapeError(f"--tape {path}: {error}") from error
    return parse_tape(text.splitlines(), str(path))


def parse_tape(lines: Iterable[str], name: str) -> Tape:
    """Reads the lines of a tape; `name` stands for it in messages.

    Raises:
        TapeError: a line is not of the format, or asks for what the gateway can't do yet.
    """
    tape = Tape()
    for number, line in enumerate(lines, 1):
        try:
            _parse_line(tape, line.split(","))
        except NotImplementedError as error:
            raise TapeError(f"{name}, line {number}: {error}") from None
        except (ValueError, IndexError, KeyError):
            raise TapeError(f"{name}, line {number}: not a record of a tape: {line[:80]!r}") from None
    return tape


_SIDES = {"B": True, "S": False}
_TIFS = frozenset({"GTC", "IOC", "POST"})


def _parse_line(tape: Tape, part: list[str]) -> None:
    match part:
        case ["new", order, side, price, quantity, tif] if tif in _TIFS:
            tape.steps.append(Enter(int(order), _SIDES[side], int(price), int(quantity), tif))
        case ["del", order]:
            tape.steps.append(Withdraw(int(order)))
        case ["add", order, side, price, quantity]:
            tape.steps.append(Enter(int(order), _SIDES[side], int(price), int(quantity), "GTC"))
        case ["fill", maker, price, quantity]:
            taker = tape.steps[-1].order
            tape.fills.setdefault(taker, []).append(Fill(int(maker), int(price), int(quantity)))
        case ["cut", *_]:
            raise NotImplementedError("`cut` needs amend, which the gateway does not have yet")
        case _:
            raise ValueError(part)
