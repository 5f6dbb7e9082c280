"""Command frames made by hand, and event frames as clients read them."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ordergate.engine.v1 import engine_service_pb2 as pb
from ordergate.log.v1 import command_frame_pb2 as log
from ordergate.log.v1.command_frame_pb2 import CommandFrame, CommandKind
from ordergate.v1.order_entry_service_pb2 import SessionResponse
from ordergate.v1.order_pb2 import OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordergate.log.v1.event_frame_pb2 import EventFrame
    from ordergate.v1.event_pb2 import OrderEvent

BUY, SELL = Side.SIDE_BUY, Side.SIDE_SELL
GTC, DAY, GTD = TimeInForce.TIME_IN_FORCE_GTC, TimeInForce.TIME_IN_FORCE_DAY, TimeInForce.TIME_IN_FORCE_GTD
IOC, FOK = TimeInForce.TIME_IN_FORCE_IOC, TimeInForce.TIME_IN_FORCE_FOK
T0 = 1_800_000_000_000_000_000
"""Engine time at which the tests begin, ns."""


def order_id(account: str, command_id: str) -> bytes:
    """Key of a command, as protos/README.md defines it."""
    raw = bytearray(hashlib.blake2b(f"{account}\0{command_id}".encode(), digest_size=16).digest())
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


@dataclass(frozen=True)
class New:
    """A new order; prices in ticks (no limit price: MARKET or STOP), quantity in lots."""

    command_id: str
    side: int
    price: int
    quantity: int
    tif: int = GTC
    account: str = "alice"
    symbol: str = "ACME"
    post_only: bool = False
    valid_until_ns: int = 0
    terms: log.OrderTerms | None = None
    """Less usual terms, but for their index."""

    @property
    def order_type(self) -> int:
        stop = self.terms is not None and self.terms.stop_price_ticks != 0
        if self.price == 0:
            return OrderType.ORDER_TYPE_STOP if stop else OrderType.ORDER_TYPE_MARKET
        return OrderType.ORDER_TYPE_STOP_LIMIT if stop else OrderType.ORDER_TYPE_LIMIT


@dataclass(frozen=True)
class Cancel:
    """A cancel of the account's order with this command_id."""

    command_id: str
    target: str
    account: str = "alice"
    owner: str = ""
    """Account of the order, if it is another."""
    valid_until_ns: int = 0


@dataclass(frozen=True)
class Amend:
    """A change of the account's order with this command_id; 0: unchanged."""

    command_id: str
    target: str
    price: int = 0
    quantity: int = 0
    account: str = "alice"
    expected_version: int | None = None
    valid_until_ns: int = 0
    terms: log.AmendTerms | None = None
    """Less usual terms, but for their index."""


@dataclass(frozen=True)
class MassCancel:
    """A mass cancel; the row's symbol index is set by `symbol`."""

    command_id: str
    row: log.MassCancelRow = dataclasses.field(default_factory=log.MassCancelRow)
    symbol: str = ""
    account: str = "alice"
    valid_until_ns: int = 0


@dataclass(frozen=True)
class SetTradingState:
    """A trading state; the row's symbol index is set by `symbol`."""

    command_id: str
    row: log.TradingStateRow
    symbol: str = ""
    account: str = "_ordergate"
    valid_until_ns: int = 0


@dataclass(frozen=True)
class SetLimits:
    """Limits of the row's account."""

    command_id: str
    row: log.LimitsRow
    valid_until_ns: int = 0

    @property
    def account(self) -> str:
        return self.row.account


@dataclass(frozen=True)
class Tick:
    """Lets the time go on."""

    command_id: str
    account: str = "_ordergate"
    valid_until_ns: int = 0


Command = New | Cancel | Amend | MassCancel | SetTradingState | SetLimits | Tick


def command_frame(commands: Sequence[Command], queued_at_ns: int = T0) -> CommandFrame:
    """The frame that a gateway worker would write for these commands."""
    frame = CommandFrame(format=1, queued_at_ns=queued_at_ns, origin="test")
    for index, command in enumerate(commands):
        if command.account not in frame.accounts:
            frame.accounts.append(command.account)
        frame.account_index.append(list(frame.accounts).index(command.account))
        frame.keys += order_id(command.account, command.command_id)
        frame.command_ids.append(command.command_id)
        frame.age_us.append(5)
        if command.valid_until_ns:
            frame.deadlines.append(log.Deadline(command_index=index, valid_until_ns=command.valid_until_ns))
        _add(frame, command)
    return frame


def _add(frame: CommandFrame, command: Command) -> None:
    match command:
        case New():
            _add_order(frame, command)
        case Cancel():
            frame.kinds += bytes([CommandKind.COMMAND_KIND_CANCEL_ORDER])
            frame.targets += order_id(command.owner or command.account, command.target)
        case Amend():
            _add_amend(frame, command)
        case MassCancel():
            frame.kinds += bytes([CommandKind.COMMAND_KIND_MASS_CANCEL])
            frame.mass_cancels.append(command.row)
            frame.mass_cancels[-1].symbol = _symbol(frame, command.symbol)
        case SetTradingState():
            frame.kinds += bytes([CommandKind.COMMAND_KIND_SET_TRADING_STATE])
            frame.trading_states.append(command.row)
            frame.trading_states[-1].symbol = _symbol(frame, command.symbol)
        case SetLimits():
            frame.kinds += bytes([CommandKind.COMMAND_KIND_SET_LIMITS])
            frame.limits.append(command.row)
        case Tick():
            frame.kinds += bytes([CommandKind.COMMAND_KIND_TICK])


def _symbol(frame: CommandFrame, symbol: str) -> int:
    """1 + index among the frame's symbols; 0 for none."""
    if not symbol:
        return 0
    if symbol not in frame.symbols:
        frame.symbols.append(symbol)
    return list(frame.symbols).index(symbol) + 1


def _add_order(frame: CommandFrame, order: New) -> None:
    if order.terms is not None:
        frame.terms.append(order.terms)
        frame.terms[-1].order_index = len(frame.sides)
    frame.kinds += bytes([CommandKind.COMMAND_KIND_NEW_ORDER])
    frame.symbol_index.append(_symbol(frame, order.symbol) - 1)
    frame.sides += bytes([order.side])
    frame.order_types += bytes([order.order_type])
    frame.times_in_force += bytes([order.tif])
    frame.flags += bytes([order.post_only])
    frame.limit_price_ticks.append(order.price)
    frame.quantity_lots.append(order.quantity)


def _add_amend(frame: CommandFrame, amend: Amend) -> None:
    if amend.expected_version is not None:
        row = log.ExpectedVersion(command_index=len(frame.kinds), version=amend.expected_version)
        frame.expected_versions.append(row)
    if amend.terms is not None:
        frame.amend_terms.append(amend.terms)
        frame.amend_terms[-1].amend_index = len(frame.amend_symbol)
    frame.kinds += bytes([CommandKind.COMMAND_KIND_AMEND_ORDER])
    frame.targets += order_id(amend.account, amend.target)
    frame.amend_limit_price_ticks.append(amend.price)
    frame.amend_quantity_lots.append(amend.quantity)
    frame.amend_symbol.append(0)


def entry(number: int, frame: CommandFrame | Sequence[Command], time_ns: int = 0) -> pb.CommandEntry:
    """Entry `number` (from 1) of a log whose ids are 1-0, 2-0, …"""
    if not isinstance(frame, CommandFrame):
        frame = command_frame(frame)
    return pb.CommandEntry(
        id=pb.LogId(ms=number),
        previous=pb.LogId(ms=number - 1),
        engine_time_ns=time_ns or T0 + number * 1_000_000,
        frame=frame.SerializeToString(),
    )


def events_of(frame: EventFrame) -> list[tuple[str, OrderEvent]]:
    """(account, event) of every event, in the frame's order, from the bytes that clients get."""
    queues = {part.account_index: iter(SessionResponse.FromString(part.events).events) for part in frame.account_events}
    return [(frame.accounts[index], next(queues[index])) for index in frame.account_index]
