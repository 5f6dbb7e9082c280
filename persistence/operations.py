"""Operations: trading states set, limits set, mass cancels done. Pure: from frames to rows for auditors.

They are rare, so they are read from the events as clients get them and from the command's row, not from columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from ordergate.v1.limits_pb2 import TradingState
from ordergate.v1.order_events_service_pb2 import FollowResponse
from ordergate.v1.order_pb2 import Side
from persistence.errors import MalformedFrame
from persistence.frames import MASS_CANCEL, SET_LIMITS, SET_TRADING_STATE, read_commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from ordergate.log.v1.command_frame_pb2 import CommandFrame
    from ordergate.log.v1.event_frame_pb2 import EventFrame
    from ordergate.v1.event_pb2 import OrderEvent
    from persistence.streams import Entry

REQUEST = 7
"""Place of the request in a row; None until the command frame was looked up."""

NO_REQUEST = "{}"
"""Request of a command whose frame can't be read; the frame is in dead_letters."""

_OUTCOMES = {11: "mass_cancel", 12: "trading_state", 15: "limits"}
"""EventKinds of operations, and the field of OrderEvent that tells what came of them."""
_COMMANDS = {MASS_CANCEL: "MASS_CANCEL", SET_TRADING_STATE: "SET_TRADING_STATE", SET_LIMITS: "SET_LIMITS"}
_SIDES = {number: name.removeprefix("SIDE_") for name, number in Side.items()}
_STATES = {number: name.removeprefix("TRADING_STATE_") for name, number in TradingState.items()}


def has_operations(kinds: bytes) -> bool:
    """Whether one of these EventKinds is an operation's."""
    return any(kind in kinds for kind in _OUTCOMES)


def operations_of(frame: EventFrame, ms: int, seq: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the operations of an event frame, in the order of the stage's columns, without their requests.

    Raises:
        MalformedFrame: columns and events as clients get them disagree.
        IndexError: an index points outside of its table.
    """
    told: dict[int, dict[int, OrderEvent]] = {}
    for place, kind in enumerate(frame.kinds):
        if kind not in _OUTCOMES:
            continue
        account, event_seq = frame.account_index[place], frame.seqs[place]
        if account not in told:
            told[account] = _events_of(frame, account)
        event = told[account].get(event_seq)
        if event is None or event.kind != kind:
            raise MalformedFrame(f"event {place} is not among the events of its account")
        outcome = _json(MessageToDict(getattr(event, _OUTCOMES[kind]), preserving_proto_field_name=True))
        index, engine_us = frame.command_index[place], frame.engine_time_ns // 1000
        command = (event.command_id, ms, seq, index)
        yield (frame.accounts[account], event_seq, kind, *command, None, outcome, engine_us)


def requests_of(entry: Entry) -> dict[int, str]:
    """What the operations of a command frame asked for, as JSON, by index of the command; empty if it can't be read."""
    try:
        frame = read_commands(entry)
    except MalformedFrame:
        return {}
    rows = {
        MASS_CANCEL: iter(frame.mass_cancels),
        SET_TRADING_STATE: iter(frame.trading_states),
        SET_LIMITS: iter(frame.limits),
    }
    return {index: _request(frame, kind, next(rows[kind])) for index, kind in enumerate(frame.kinds) if kind in rows}


def _events_of(frame: EventFrame, account: int) -> dict[int, OrderEvent]:
    """Events of one account by their sequence."""
    try:
        lists = [FollowResponse.FromString(p.events).events for p in frame.account_events if p.account_index == account]
    except DecodeError as error:
        raise MalformedFrame(f"events of account {account}: {error}") from None
    return {event.seq: event for events in lists for event in events}


def _request(frame: CommandFrame, kind: int, row: Message) -> str:
    """The fields that were given; limits themselves are told by the outcome."""
    given = {f.name: value for f, value in row.ListFields() if f.type != FieldDescriptor.TYPE_MESSAGE}
    if kind == SET_LIMITS:
        given = {"account": given.get("account", "")}
    if symbol := given.get("symbol"):
        given["symbol"] = frame.symbols[symbol - 1]
    for name, names in (("side", _SIDES), ("state", _STATES)):
        if name in given:
            given[name] = names.get(given[name], given[name])
    return _json({"command": _COMMANDS[kind], **given})


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()
