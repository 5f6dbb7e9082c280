"""What is rare in a command frame: its rows beside the columns; see ordergate/log/v1/command_frame.proto."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordergate.log.v1 import command_frame_pb2 as log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.wire import Prepared

NEW_ORDER = log.COMMAND_KIND_NEW_ORDER
CANCEL_ORDER = log.COMMAND_KIND_CANCEL_ORDER
AMEND_ORDER = log.COMMAND_KIND_AMEND_ORDER
MASS_CANCEL = log.COMMAND_KIND_MASS_CANCEL
SET_TRADING_STATE = log.COMMAND_KIND_SET_TRADING_STATE
SET_LIMITS = log.COMMAND_KIND_SET_LIMITS
TICK = log.COMMAND_KIND_TICK
FENCE = log.COMMAND_KIND_FENCE


class Amend(NamedTuple):
    """Body of an AMEND_ORDER."""

    target: bytes
    """Key of the order."""
    symbol: str
    """Its instrument; empty: not said, and price and quantity are decimals (`terms.decimal`)."""
    limit_price: int
    """In price increments; 0: unchanged."""
    quantity: int
    """New total in lots; 0: unchanged."""
    terms: log.AmendTerms | None
    """What else changes; `amend_index` is set when the frame is written."""


class MassCancel(NamedTuple):
    """Body of a MASS_CANCEL: what is empty or 0 is no criterion."""

    symbol: str = ""
    side: int = 0
    tag: str = ""
    session: str = ""
    disconnected: bool = False
    """The session was lost: only its orders with cancel_on_disconnect."""


class TradingState(NamedTuple):
    """Body of a SET_TRADING_STATE; neither account nor symbol: all."""

    account: str
    symbol: str
    state: int
    cancel_open_orders: bool


OrderColumns = tuple[str, int, int, int, int, int, int]
"""A new order: symbol, side, type, time in force, flags, limit price ticks, lots."""

Body = OrderColumns | bytes | Amend | MassCancel | TradingState | log.LimitsRow | None
"""NEW_ORDER: its columns. CANCEL_ORDER: key of its order. SET_LIMITS: its row. TICK, FENCE: None."""

Extra = log.OrderTerms | int | None
"""New order: its less usual terms, `order_index` not set. Cancel and amend: expected_version."""


def target(body: Body) -> bytes:
    """Key of the order that a cancel or an amend is about; empty for other commands."""
    if isinstance(body, Amend):
        return body.target
    return body if isinstance(body, bytes) else b""


def put_rows(frame: log.CommandFrame, commands: Sequence[Prepared], symbol_at: dict[str, int]) -> None:
    """Writes the rows of a frame, and the columns of its amends.

    Args:
        frame: the frame under way.
        commands: all of its commands.
        symbol_at: index of each symbol that the frame names; those that only rows name are added.
    """
    orders = 0
    for index, command in enumerate(commands):
        body, extra = command.body, command.extra
        if isinstance(extra, log.OrderTerms):
            frame.terms.add().CopyFrom(extra)
            frame.terms[-1].order_index = orders
        elif extra is not None:
            frame.expected_versions.add(command_index=index, version=extra)
        if command.kind == NEW_ORDER:
            orders += 1
        elif isinstance(body, Amend):
            _put_amend(frame, body, symbol_at)
        elif isinstance(body, MassCancel):
            _put_mass_cancel(frame, body, symbol_at)
        elif isinstance(body, TradingState):
            _put_trading_state(frame, body, symbol_at)
        elif isinstance(body, log.LimitsRow):
            frame.limits.append(body)


def _put_amend(frame: log.CommandFrame, body: Amend, symbol_at: dict[str, int]) -> None:
    if body.terms is not None:
        frame.amend_terms.add().CopyFrom(body.terms)
        frame.amend_terms[-1].amend_index = len(frame.amend_symbol)
    frame.amend_limit_price_ticks.append(body.limit_price)
    frame.amend_quantity_lots.append(body.quantity)
    frame.amend_symbol.append(_row_index(body.symbol, symbol_at))


def _put_mass_cancel(frame: log.CommandFrame, body: MassCancel, symbol_at: dict[str, int]) -> None:
    frame.mass_cancels.add(
        symbol=_row_index(body.symbol, symbol_at),
        side=body.side,
        tag=body.tag,
        session=body.session,
        disconnected=body.disconnected,
    )


def _put_trading_state(frame: log.CommandFrame, body: TradingState, symbol_at: dict[str, int]) -> None:
    frame.trading_states.add(
        account=body.account,
        symbol=_row_index(body.symbol, symbol_at),
        state=body.state,
        cancel_open_orders=body.cancel_open_orders,
    )


def _row_index(symbol: str, symbol_at: dict[str, int]) -> int:
    """As rows name a symbol: 1 + index into the frame's symbols; 0: none."""
    return 1 + symbol_at.setdefault(symbol, len(symbol_at)) if symbol else 0
