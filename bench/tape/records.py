"""The tape's format, one record a line.

    add,ID,SIDE,PRICE,QTY        an order of the opening book; these do not cross
    new,ID,SIDE,PRICE,QTY,TIF    an incoming order: GTC, IOC, or POST (post-only, which the exchange refused)
    cut,ID,QTY                   shrink a resting order to QTY, priority kept; QTY is what is left open, 0 ends it
    del,ID                       cancel a resting order
    fill,MAKER,PRICE,QTY         expected fill of the `new` above it, in order

Integers but for the verb, the side (B, S) and the time in force. Price in cents, quantity in 1e-8 of the base currency.
An IOC with price 99999999900, or a sell with price 0, is a market order.
"""

from __future__ import annotations

import lzma
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MARKET_CENTS = 99_999_999_900
"""Price of a market order; a sell may have 0 as well."""
_XZ = b"\xfd7zXZ\x00"
"""How a compressed file begins."""


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
        """True if it takes any price. One that may rest needs its price."""
        return self.tif == "IOC" and (self.price_cents == MARKET_CENTS or (self.price_cents == 0 and not self.buy))


class Withdraw(NamedTuple):
    """A cancel."""

    order: int


class Cut(NamedTuple):
    """Takes quantity off a resting order, which keeps its place."""

    order: int
    total: int
    """Quantity in 1e-8, with what was executed before, as an amend has it."""


class Fill(NamedTuple):
    """What the exchange made of an incoming order."""

    maker: int
    price_cents: int
    quantity: int


Step: TypeAlias = Enter | Withdraw | Cut


@dataclass(slots=True)
class Tape:
    """A whole tape."""

    steps: list[Step] = field(default_factory=list)
    """Orders, cuts and cancels, in their order."""
    fills: dict[int, list[Fill]] = field(default_factory=dict)
    """Expected fills by the id of the incoming order."""

    @property
    def fill_count(self) -> int:
        """Expected fills."""
        return sum(map(len, self.fills.values()))


def read_lines(path: Path) -> bytes:
    """The lines of a tape, plain or compressed (xz).

    Raises:
        TapeError: the file can't be read, or is cut short; the message names it.
    """
    try:
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" or data.startswith(_XZ) else data
    except (OSError, lzma.LZMAError) as error:
        raise TapeError(f"{path}: {error}") from error


def read_tape(path: Path) -> Tape:
    """Reads a tape, plain or compressed (xz).

    Raises:
        TapeError: the file can't be read, or a line is not of the format; the message names it.
    """
    try:
        text = read_lines(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise TapeError(f"{path}: {error}") from error
    return parse_tape(text.splitlines(), str(path))


def parse_tape(lines: Iterable[str], name: str) -> Tape:
    """Reads the lines of a tape; `name` stands for it in messages.

    Raises:
        TapeError: a line is not of the format.
    """
    parser = _Parser()
    for number, line in enumerate(lines, 1):
        try:
            parser.line(line.split(","))
        except (ValueError, IndexError, KeyError):
            raise TapeError(f"{name}, line {number}: not a record of a tape: {line[:80]!r}") from None
    return parser.tape


_SIDES = {"B": True, "S": False}
_TIFS = frozenset({"GTC", "IOC", "POST"})


class _Parser:
    def __init__(self) -> None:
        self.tape = Tape()
        self._executed: Counter[int] = Counter()

    def line(self, part: list[str]) -> None:
        steps = self.tape.steps
        match part:
            case ["new", order, side, price, quantity, tif] if tif in _TIFS:
                steps.append(Enter(int(order), _SIDES[side], int(price), int(quantity), tif))
            case ["del", order] | ["cut", order, "0"]:
                steps.append(Withdraw(int(order)))
            case ["cut", order, quantity] if int(quantity) > 0:
                steps.append(Cut(int(order), self._executed[int(order)] + int(quantity)))
            case ["add", order, side, price, quantity]:
                steps.append(Enter(int(order), _SIDES[side], int(price), int(quantity), "GTC"))
            case ["fill", maker, price, quantity] if isinstance(steps[-1], Enter):
                self._fill(steps[-1].order, Fill(int(maker), int(price), int(quantity)))
            case _:
                raise ValueError(part)

    def _fill(self, taker: int, fill: Fill) -> None:
        self.tape.fills.setdefault(taker, []).append(fill)
        self._executed[taker] += fill.quantity
        self._executed[fill.maker] += fill.quantity
